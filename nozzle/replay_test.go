package nozzle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/capture"
)

// replayed is one envelope that a replay handed over, and when.
type replayed struct {
	after time.Duration
	plain wiretest.Plain
}

// play replays a capture in a bubble of its own time and returns what arrived.
func play(t *testing.T, capture []byte, speed float64) (got []replayed, lines []logLine, l *Ledger) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l, _ = newTestLedger(t)
		sink := make(channelSink, 1000)
		log, logged := newTestLog()
		r := newReplay(ReplayOptions{File: "-", Speed: speed, Stdin: bytes.NewReader(capture)}, testEnv(l, func() Sink { return sink }, log))
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- r.Run(t.Context()) }()
		for ended := false; !ended; {
			select {
			case p := <-sink:
				if p.Timestamp != 0 {
					p.Timestamp -= began.UnixNano()
				}
				got = append(got, replayed{time.Since(began), p})
			case <-r.Done():
				ended = len(sink) == 0
			case err := <-done:
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if l.Ready() {
			t.Error("finished, and up")
		}
		close(logged)
		for line := range logged {
			lines = append(lines, line)
		}
	})
	return got, lines, l
}

// TestReplay: envelopes come at the recorded speed, or a factor of it, with timestamps as old as they were, or
// scaled with the rest.
func TestReplay(t *testing.T) {
	envelope := func(at time.Duration) []byte {
		e := wiretest.EnvelopesV2()[0]
		if at != 0 {
			e.Timestamp = captureStart.Add(at).UnixNano()
		} else {
			e.Timestamp = 0
		}
		return wiretest.BatchOf(t, e)
	}
	timer := wiretest.EnvelopesV2()[2]
	timer.Timestamp = 0
	played := captureOf(t, capture.Options{},
		capture.Record{Offset: 0, Source: "rlp", Format: capture.V2, Message: envelope(-time.Hour)},
		capture.Record{Offset: 10 * time.Second, Source: "rlp", Format: capture.V2, Message: envelope(9 * time.Second)},
		capture.Record{Offset: 20 * time.Second, Source: "rlp", Format: capture.V2, Message: envelope(0)},
		capture.Record{Offset: 20 * time.Second, Source: "rlp", Format: capture.V2, Message: wiretest.BatchOf(t, timer)},
		capture.Record{Offset: 25 * time.Second, Source: "udp", Format: capture.V1, Message: wiretest.MarshalV1(t, wiretest.ValueV1())},
	)
	for _, c := range []struct {
		speed      float64
		after      []time.Duration
		timestamps []time.Duration
	}{
		{1, []time.Duration{0, 10 * time.Second, 20 * time.Second, 20 * time.Second, 25 * time.Second}, []time.Duration{-time.Hour, 9 * time.Second, 0}},
		{10, []time.Duration{0, time.Second, 2 * time.Second, 2 * time.Second, 2500 * time.Millisecond}, []time.Duration{-6 * time.Minute, 900 * time.Millisecond, 0}},
		{0.5, []time.Duration{0, 20 * time.Second, 40 * time.Second, 40 * time.Second, 50 * time.Second}, []time.Duration{-2 * time.Hour, 18 * time.Second, 0}},
		{0, []time.Duration{0, 0, 0, 0, 0}, []time.Duration{-3600 * time.Microsecond, 9 * time.Microsecond, 0}},
	} {
		got, lines, l := play(t, played, c.speed)
		if len(got) != 5 {
			t.Fatalf("speed %v: %d envelopes", c.speed, len(got))
		}
		for i, g := range got {
			if g.after != c.after[i] || i < 3 && time.Duration(g.plain.Timestamp) != c.timestamps[i] {
				t.Errorf("speed %v, envelope %d: after %v with a timestamp of %v", c.speed, i, g.after, time.Duration(g.plain.Timestamp))
			}
		}
		if lasted := got[3].plain.Stop - got[3].plain.Start; lasted != timer.GetTimer().Stop-timer.GetTimer().Start {
			t.Errorf("speed %v: a timer of %d ns", c.speed, lasted)
		}
		if last := lines[len(lines)-1]; last.message != "the capture was played to its end; the source stays idle" || last.attrs["records"] != "5" {
			t.Errorf("%+v", last)
		}
		if n := l.Source(nameReplay).received.Load(); n != 5 {
			t.Errorf("%d received", n)
		}
	}
}

// splitCapture returns what stands before the records of a capture, and the records uncompressed.
func splitCapture(t *testing.T, whole []byte) (header, records []byte) {
	t.Helper()
	at := bytes.Index(whole, []byte{0x28, 0xb5, 0x2f, 0xfd}) // the magic number of zstd
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	records, err = decoder.DecodeAll(whole[at:], nil)
	if err != nil {
		t.Fatal(err)
	}
	return whole[:at], records
}

func compress(t *testing.T, records []byte) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	return encoder.EncodeAll(records, nil)
}

// TestReplayOfDamagedCaptures: what is good is played, the rest is reported with its place and counted, and the
// exporter goes on.
func TestReplayOfDamagedCaptures(t *testing.T) {
	whole := captureOf(t, capture.Options{}, capture.Record{
		Source: "udp", Format: capture.V1, Message: wiretest.MarshalV1(t, wiretest.ValueV1()),
	})
	header, record := splitCapture(t, whole)
	for reason, c := range map[string]struct {
		tail []byte
		text string
	}{
		reasonTruncated: {record[:9], "the capture is cut off"},
		reasonMalformed: {[]byte{2, 0xff, 0xff}, "malformed"},
	} {
		got, lines, l := play(t, append(bytes.Clone(header), compress(t, append(bytes.Clone(record), c.tail...))...), 0)
		last := lines[len(lines)-1]
		want := fmt.Sprintf("capture: record 2, at byte %d of the uncompressed records: %s", len(record), c.text)
		if len(got) != 1 || last.attrs["reason"] != reason || last.attrs["error"] != want {
			t.Errorf("%d envelopes, %+v, want %s", len(got), last, want)
		}
		if n := l.Source(nameReplay).refusals.snapshot()[reason]; n != 1 {
			t.Errorf("%s counted %d times", reason, n)
		}
	}
}

// TestReplayWithoutACapture: a source that can never work says so instead of staying silent.
func TestReplayWithoutACapture(t *testing.T) {
	l, _ := newTestLedger(t)
	log, _ := newTestLog()
	run := func(o ReplayOptions) error {
		r := newReplay(o, testEnv(l, func() Sink { return &nullSink{} }, log))
		return r.Run(t.Context())
	}
	for want, o := range map[string]ReplayOptions{
		"nozzle.replay.file: open ":                                  {File: t.TempDir() + "/missing"},
		"nozzle.replay.file: -: capture: not a capture: want a file": {File: "-", Stdin: strings.NewReader("hello")},
	} {
		if err := run(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestReplayStops: neither a wait for the next record nor standard input that says nothing holds the exporter's end
// up.
func TestReplayStops(t *testing.T) {
	waiting := captureOf(t, capture.Options{}, capture.Record{Offset: time.Hour, Source: "rlp", Format: capture.V2, Message: wiretest.BatchOf(t, wiretest.EnvelopesV2()[0])})
	synctest.Test(t, func(t *testing.T) {
		silent, to := io.Pipe()
		defer func() { _ = to.Close() }()
		for _, stdin := range []io.Reader{bytes.NewReader(waiting), io.MultiReader(bytes.NewReader(waiting[:30]), silent), silent} {
			l, _ := newTestLedger(t)
			log, _ := newTestLog()
			r := newReplay(ReplayOptions{File: "-", Speed: 1, Stdin: stdin}, testEnv(l, func() Sink { return &nullSink{} }, log))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			synctest.Wait()
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	})
}
