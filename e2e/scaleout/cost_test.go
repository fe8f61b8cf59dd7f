package scaleout

import (
	"context"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

// What docs/scaling.md says that a sample and a series cost Prometheus is of the right size: memory within a factor
// of three of what it is here, and the time of the processor, of which machines need more or less, the busier the
// more, within a factor of ten.
func TestPrometheusCosts(t *testing.T) {
	s := newSite(t, foundation.Options{Seed: 1, VMs: 600, Apps: 600, Interval: 15 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	address := peer.FreeAddress(t)
	p := startPrometheus(t, 5*time.Second, address) // a page of 86,000 series takes its time
	const memory, cpu = `process_resident_memory_bytes{job="prometheus"}`, `process_cpu_seconds_total{job="prometheus"}`
	const samples, scrapes = `sum(prometheus_tsdb_head_samples_appended_total)`, `sum_over_time(up{job="exporters"}[30m])`
	empty := p.await(ctx, t, "Prometheus scrapes itself", memory, positive)

	s.start(t, "0", address, named("0"))
	s.background(t, s.foundation.Run)
	const page = `scrape_samples_scraped{job="exporters"}`
	p.await(ctx, t, "a large page", page, func(v float64) bool { return v > 30_000 })
	p.await(ctx, t, "all series", `scrape_series_added{job="exporters"} / `+page, func(v float64) bool { return v < 0.001 })
	first := p.all(ctx, t, cpu, samples, scrapes)
	p.await(ctx, t, "ten scrapes more", scrapes, func(v float64) bool { return v >= first[2]+10 })
	last := p.all(ctx, t, cpu, samples, memory, `prometheus_tsdb_head_series`)
	full, series := last[2], last[3]
	sample, held := (last[0]-first[0])/(last[1]-first[1])*1e6, (full-empty)/series
	t.Logf("%.0f series; %.2f µs of CPU a sample; %.0f bytes a series, of %.0f MiB; resident when empty %.0f MiB", series, sample, held, full/(1<<20), empty/(1<<20))
	_, stated := guide(t)
	for name, c := range map[string]struct{ measured, factor float64 }{"p": {sample, 10}, "h": {held, 3}} {
		if ratio := c.measured / stated[name]; ratio > c.factor || ratio < 1/c.factor {
			t.Errorf("docs/scaling.md says that %s is %v; it is %.2f here", name, stated[name], c.measured)
		}
	}
}

func positive(v float64) bool { return v > 0 }

// all are the values of expressions, none of which is 0. That of a scrape that failed comes with the next one.
func (p *prometheus) all(ctx context.Context, t *testing.T, expressions ...string) (values []float64) {
	t.Helper()
	for _, e := range expressions {
		values = append(values, p.await(ctx, t, "a value", e, positive))
	}
	return values
}
