package scaleout

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

// Two exporters of a group push into one Prometheus by remote write: what they push differs by instance, so that no
// sample is refused, and all requests are there. What one had ends when it stops.
func TestPushSideBySide(t *testing.T) {
	s := newSite(t, foundation.Options{
		Seed: 9, Interval: interval, RequestsPerSecond: 100,
		Agents: foundation.AgentOptions{KeepIdle: true},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s.background(t, s.foundation.Serve)
	p := startPrometheus(t, scrapeEvery)
	var exporters []*exporter
	for _, name := range []string{"0", "1"} {
		exporters = append(exporters, s.start(t, name, peer.FreeAddress(t), named(name), fmt.Sprintf("remote_write: {enabled: true, url: %q, interval: 1s}", p.url+"/api/v1/write")))
	}
	if err := s.foundation.AwaitReaders(ctx, 2); err != nil {
		t.Fatal(err)
	}
	s.emit(t)
	s.awaitRounds(ctx, t, 6)
	s.mu.Lock()
	p.await(ctx, t, "all requests", `sum(cf_http_request_duration_seconds_count)`, equals(s.requests()))
	p.await(ctx, t, "all envelopes", `sum(loggregator_exporter_envelopes_received_total)`, equals(float64(s.foundation.Envelopes(foundation.RLP))))
	s.mu.Unlock()

	x, one := newExceptions(t, s.foundation), strings.ReplaceAll(single, `job="exporters"`, `job="loggregator_exporter"`)
	for _, twice := range p.query(t, `count without (instance) (`+one+`) > 1`) {
		if !x.has(twice.Metric) {
			t.Errorf("pushed by both: %v", twice.Metric)
		}
	}
	by := map[string]float64{}
	peer.Until(ctx, t, "a share on both", func() string {
		if by = p.by(t, "instance", `count by (instance) (`+one+`)`); len(by) == 2 && by["0"] > 1000 && by["1"] > 1000 {
			return ""
		}
		return fmt.Sprintf("series by instance: %v", by)
	})
	t.Logf("series by instance: %v", by)
	for _, never := range []string{
		`sum(loggregator_exporter_remote_write_samples_failed_total)`, `sum(loggregator_exporter_remote_write_samples_dropped_total)`,
		`sum(prometheus_tsdb_out_of_order_samples_total) or vector(0)`, `sum(prometheus_tsdb_out_of_bound_samples_total) or vector(0)`,
	} {
		if n, ok := p.value(t, never); !ok || n != 0 {
			t.Errorf("%s is %v (%v)", never, n, ok)
		}
	}
	p.await(exporters[1].StopPushing(t), t, "the end of what it had", `count({instance="1"}) or vector(0)`, equals(0))
	p.await(ctx, t, "the other goes on", `count({instance="0"}) > bool 1000`, equals(1))
}
