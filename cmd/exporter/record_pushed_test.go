package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"

	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle"
)

// recordPushed records what send brings to the one source of a configuration, and returns the capture's file.
func recordPushed(t *testing.T, cfg *config.Config, send func(r running)) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "x.capture")
	started := make(chan *service, 1)
	r := recording{
		out: out, report: io.Discard, log: slog.New(slog.DiscardHandler), started: func(s *service) { started <- s },
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- r.run(ctx, cfg) }()
	s := await1(t, started, done)
	listening, err := addresses(ctx, s.sources)
	if err != nil {
		t.Fatal(err)
	}
	send(running{Listening: listening, Ledger: s.ledger})
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return out
}

// pageOfReplay returns the page of an exporter that has replayed a capture.
func pageOfReplay(t *testing.T, file string) string {
	t.Helper()
	cfg := testConfig()
	cfg.Nozzle.UDP.Enabled = false
	cfg.Nozzle.Replay = nozzle.ReplayOptions{Enabled: true, File: file}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	awaitIdle(t, r)
	_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
	if err := stop(); err != nil {
		t.Error(err)
	}
	return caseLines(page)
}

// TestPushedRecordAndReplay: what agents push becomes the same page by a capture as it does at once.
func TestPushedRecordAndReplay(t *testing.T) {
	t.Run("syslog", func(t *testing.T) {
		frames := wiretest.SyslogFrames(t)
		file := recordPushed(t, syslogConfig(), func(r running) {
			conn, err := net.Dial("tcp", r.Listening["syslog"].String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, strings.Join(frames, "")); err != nil {
				t.Fatal(err)
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			if err := awaitReceived(t.Context(), gatherer(t, r.Ledger), foundation.Path("syslog"), len(frames)); err != nil {
				t.Fatal(err)
			}
		})
		compareGolden(t, "testdata/syslog/page.txt", pageOfReplay(t, file))
	})
	t.Run("otlp", func(t *testing.T) {
		_, samples := otlpSamples(t)
		var requests []*metricsv1.MetricsData
		for _, text := range samples {
			requests = append(requests, otlpOf(t, text))
		}
		cfg := testConfig()
		cfg.Nozzle.UDP.Enabled = false
		cfg.Nozzle.OTLP = otlpOnLoopback()
		file := recordPushed(t, cfg, func(r running) { exportOTLP(t, r, requests...) })
		compareGolden(t, "testdata/otlp/samples.page", pageOfReplay(t, file))
	})
}
