package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"loggregator_exporter/config"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/capture"
	"loggregator_exporter/tagger/catalogue"
)

const defaultRecordBytes = 1 << 30

func newRecord() *cobra.Command {
	var r recording
	cmd := &cobra.Command{
		Use:   "record --out FILE",
		Short: "Write what the sources receive to a capture",
		Long: "Runs the sources of the configuration, stores nothing, and writes every message as it came to a capture,\n" +
			"which the source nozzle.replay plays. It ends on SIGINT or SIGTERM, after --duration or at --max-bytes,\n" +
			"whichever is first.\n\n" +
			"A foundation-wide source gets a shard of its own: exporters that run lose nothing to the recording. The ports\n" +
			"of udp, ingress, syslog and otlp can be had only while no exporter holds them.\n\n" +
			"A capture holds what the foundation sends, names of apps and addresses of users included. --scrub replaces\n" +
			"these; see docs/capture.md for what it does not.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop)
			cfg, warnings, err := config.Load(cmd.Flags())
			if err != nil {
				return err
			}
			r.stdout, r.report = cmd.OutOrStdout(), cmd.ErrOrStderr()
			r.log = newLogger(cfg.Log, cmd.ErrOrStderr())
			for _, w := range warnings {
				r.log.Warn("configuration", "warning", w)
			}
			return r.run(ctx, cfg)
		},
	}
	config.AddFlags(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&r.out, "out", "",
		"File to write, readable by its owner only; an existing one is replaced. - is standard output.")
	flags.DurationVar(&r.duration, "duration", 0, "End after so long; 0 is no limit.")
	flags.Int64Var(&r.maxBytes, "max-bytes", defaultRecordBytes,
		"End before the capture grows beyond so many bytes; 0 is no limit.")
	flags.BoolVar(&r.scrub, "scrub", false,
		"Replace names, ids, addresses, hosts, URIs and all words that are not of Cloud Foundry's vocabulary.")
	return cmd
}

// recording is one run of the command.
type recording struct {
	out      string
	duration time.Duration
	maxBytes int64
	scrub    bool

	stdout, report io.Writer
	log            *slog.Logger
	env            *nozzle.Env
	// started, where set, is called once with the sources that have ports, before they run.
	started func(*service)
}

func (r *recording) run(ctx context.Context, cfg *config.Config) error {
	switch {
	case r.out == "":
		return errors.New("--out is needed: the file to write the capture to")
	case r.duration < 0 || r.maxBytes < 0:
		return errors.New("--duration and --max-bytes cannot be negative")
	case cfg.Nozzle.Replay.Enabled:
		return errors.New("nozzle.replay.enabled: a capture is already recorded; switch the source off, and another one on")
	}
	s, err := r.assemble(cfg)
	if err != nil {
		return err
	}
	to, closeFile, err := r.open()
	if err != nil {
		return err
	}
	stats, err := r.record(ctx, s, to)
	if err = errors.Join(err, closeFile()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.report, "recorded %d messages in %d bytes to %s\n", stats.Records, stats.Bytes, r.out)
	if err == nil && stats.LeftOut > 0 {
		_, err = fmt.Fprintf(r.report, "left out %d messages that are malformed or have no form in a capture\n",
			stats.LeftOut)
	}
	return err
}

// assemble makes the sources, which hand over to nothing but the recorder.
func (r *recording) assemble(cfg *config.Config) (*service, error) {
	ledger, err := nozzle.NewLedger(prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	// In the shard of a running exporter the recording would take a share of its envelopes away.
	cfg.Nozzle.Stream.ShardID += "-record-" + strings.ToLower(rand.Text())
	cfg.Nozzle.Stream.DeterministicName = ""
	r.env = &nozzle.Env{Ledger: ledger, NewSink: func() nozzle.Sink { return forget{} }, Log: r.log, UAA: cfg.UAA}
	sources, err := nozzle.New(&cfg.Nozzle.Options, r.env)
	return &service{ledger: ledger, sources: sources}, err
}

func (r *recording) open() (io.Writer, func() error, error) {
	if r.out == "-" {
		return r.stdout, func() error { return nil }, nil
	}
	file, err := createPrivate(r.out)
	if err != nil {
		return nil, nil, fmt.Errorf("--out: %w", err)
	}
	return file, file.Close, nil
}

// createPrivate creates a file that its owner alone can read. A file or a link that has the name is removed first:
// its mode could be wider, and a link could lead anywhere.
func createPrivate(name string) (*os.File, error) {
	switch info, err := os.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().IsRegular() || info.Mode()&fs.ModeSymlink != 0:
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%s is not a regular file; name a new one, or - for standard output", name)
	}
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// record runs the sources until it is enough, and ends the capture.
func (r *recording) record(ctx context.Context, s *service, to io.Writer) (capture.Stats, error) {
	options := capture.Options{
		MaxBytes: r.maxBytes,
		Header:   capture.Header{Start: time.Now(), Program: program + " " + version.Version},
	}
	if r.scrub {
		options.Scrubber = capture.NewScrubber(catalogue.Text())
	}
	for _, source := range s.sources {
		options.Header.Sources = append(options.Header.Sources, source.Name())
	}
	writer, err := capture.NewWriter(to, options)
	if err != nil {
		return capture.Stats{}, err
	}
	r.env.Recorder = writer
	if r.started != nil {
		r.started(s)
	}
	if r.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.duration)
		defer cancel()
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	group, ctx := errgroup.WithContext(ctx)
	for _, source := range s.sources {
		group.Go(func() error {
			if err := source.Run(ctx); err != nil {
				return fmt.Errorf("source %s: %w", source.Name(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		select {
		case <-writer.Ended():
			enough()
		case <-ctx.Done():
		}
		return nil
	})
	err = group.Wait()
	stats, closeErr := writer.Close()
	return stats, errors.Join(err, closeErr)
}

// forget is a sink for envelopes that are recorded and not stored.
type forget struct{}

func (forget) Add(e *metric.Envelope, tally *metric.Tally) {
	tally[metric.Filtered] += uint64(e.Samples())
}

func (forget) Flush(*metric.Tally) {}
