package nozzle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/capture"
	"loggregator_exporter/nozzle/watch"
)

// ReplayOptions configure the source that plays a capture.
type ReplayOptions struct {
	Enabled bool `mapstructure:"enabled"`
	// File is a capture; - is standard input.
	File string `mapstructure:"file"`
	// Speed is a factor of the speed at which the capture was recorded; 0 is as fast as possible.
	Speed float64 `mapstructure:"speed"`
	// Stdin, where set, stands in place of the process's own.
	Stdin io.Reader `mapstructure:"-"`
}

const (
	nameReplay = "replay"
	stdinName  = "-"

	reasonTruncated = "truncated" // the capture ends in the middle
	reasonMalformed = "malformed" // a record of the capture cannot be read

	// Played as fast as possible, a second of the capture becomes a microsecond: it keeps the order of timestamps, and
	// nothing of a capture of an hour lies ahead of the clock by more than milliseconds.
	fastest = 1e6
)

// Replay plays a capture as if its envelopes arrived now. It is connected while it plays. At the end of the capture,
// and where that is damaged, it stays as it is, not connected, without an end to the exporter.
type Replay struct {
	sourceBase
	options ReplayOptions
	done    chan struct{} // closed when the capture was played
}

// newReplay makes a source whose file is opened by Run, which is called once. The options have been checked.
func newReplay(options ReplayOptions, env *Env) *Replay {
	if options.Stdin == nil {
		options.Stdin = os.Stdin
	}
	r := &Replay{sourceBase: env.newBase(nameReplay, "file", options.File), options: options, done: make(chan struct{})}
	r.account.refusals.expect(reasonTruncated, reasonMalformed)
	return r
}

// Done is closed when the capture was played to its end, or as far as it could be read.
func (r *Replay) Done() <-chan struct{} { return r.done }

// Run implements Source. It fails where there is no capture at all.
func (r *Replay) Run(ctx context.Context) error {
	file, closeFile, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer closeFile()
	capture, err := capture.NewReader(file)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("nozzle.replay.file: %s: %w", r.options.File, err)
	}
	defer capture.Close()
	r.play(ctx, capture)
	close(r.done)
	<-ctx.Done()
	return nil
}

// open returns the bytes of the capture. Standard input may block a read for ever: a separate goroutine reads it,
// which ends with the process where nothing more comes.
func (r *Replay) open(ctx context.Context) (io.Reader, func(), error) {
	if r.options.File != stdinName {
		file, err := boundedfile.Open(r.options.File)
		if err != nil {
			return nil, nil, fmt.Errorf("nozzle.replay.file: %w", err)
		}
		return file, func() { _ = file.Close() }, nil
	}
	from, to := io.Pipe()
	go func() {
		_, err := io.Copy(to, r.options.Stdin)
		to.CloseWithError(err)
	}()
	stop := context.AfterFunc(ctx, func() { from.CloseWithError(ctx.Err()) })
	return from, func() { stop(); _ = from.Close() }, nil
}

// play hands over one record after the other, each when it is due, and logs how that ended.
func (r *Replay) play(ctx context.Context, from *capture.Reader) {
	r.account.Connect()
	defer r.account.Disconnect()
	header := from.Header()
	r.log.Info(
		"playing a capture", "recorded", header.Start.UTC().Format(time.RFC3339), "sources", header.Sources,
		"scrubbed", header.Scrubbed, "speed", r.options.Speed,
	)
	began := time.Now()
	clock := newReplayTime(header.Start, began, r.options.Speed)
	intake := r.env.intake(r.account, intakeOptions{retime: clock.shift})
	for records := 0; ; records++ {
		record, err := from.Next()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.finished(err, records, time.Since(began))
			return
		}
		if r.options.Speed > 0 && !waitUntil(ctx, began, float64(record.Offset)/r.options.Speed) {
			return
		}
		if record.Format == capture.V1 {
			intake.V1(record.Message, time.Now())
		} else {
			intake.V2(record.Message, time.Now())
		}
	}
}

func (r *Replay) finished(err error, records int, took time.Duration) {
	log := r.log.With("records", records, "took", took.Round(time.Millisecond).String())
	switch {
	case errors.Is(err, io.EOF):
		log.Info("the capture was played to its end; the source stays idle")
	case errors.Is(err, capture.ErrTruncated):
		r.account.refuse(reasonTruncated, "the capture is cut off", err)
		log.Warn(
			"the capture is cut off, as when its recorder was killed; what stands before was played, and the source stays idle",
			"reason", reasonTruncated, "error", err,
		)
	default:
		r.account.refuse(reasonMalformed, "the capture is damaged", err)
		log.Error("the capture is damaged; what stands before was played, and the source stays idle",
			"reason", reasonMalformed, "error", err)
	}
}

// waitUntil sleeps until some nanoseconds after began, and says whether ctx lasted so long. A distance beyond the
// range of time.Duration is as long as that goes.
func waitUntil(ctx context.Context, began time.Time, after float64) bool {
	const most = float64(math.MaxInt64 / 2)
	if d := time.Until(began.Add(time.Duration(min(after, most)))); d > 0 {
		return watch.Wait(ctx, d)
	}
	return ctx.Err() == nil
}

// replayTime brings the timestamps of a capture into the present, as if it had been recorded from the moment at
// which it is played, at that speed: as recorded, all of them would lie before what other sources sent since.
type replayTime struct {
	recorded, played int64 // when it began, in nanoseconds since the epoch
	speed            float64
}

func newReplayTime(recorded, played time.Time, speed float64) *replayTime {
	if speed == 0 {
		speed = fastest
	}
	return &replayTime{recorded.UnixNano(), played.UnixNano(), speed}
}

// shift changes the timestamps of an envelope. One that is missing stays so; the duration of a timer stays as it is.
func (r *replayTime) shift(e *metric.Envelope) {
	if e.Timestamp != 0 {
		e.Timestamp = r.at(e.Timestamp)
	}
	if e.Kind == metric.KindTimer && e.Stop != 0 {
		by := r.at(e.Stop) - e.Stop
		e.Start, e.Stop = e.Start+by, e.Stop+by
	}
}

func (r *replayTime) at(recorded int64) int64 {
	since := recorded - r.recorded
	if r.speed != 1 {
		since = int64(max(min(float64(since)/r.speed, math.MaxInt64/4), math.MinInt64/4))
	}
	return r.played + since
}
