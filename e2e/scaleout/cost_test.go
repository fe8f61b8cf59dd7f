package scaleout

import (
	"context"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/nozzle/foundation"
)

// What docs/scaling.md says that a sample and a series cost Prometheus is of the right size: within a factor of three of what it costs here,
// whatever else the machine does.
func TestPrometheusCosts(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s := newSite(t, foundation.Options{Seed: 1, VMs: 600, Apps: 600, Interval: 15 * time.Second})
	address := peer.FreeAddress(t)
	p := startPrometheus(t, address)
	const memory, cpu = `process_resident_memory_bytes{job="prometheus"}`, `process_cpu_seconds_total{job="prometheus"}`
	const samples, scrapes = `sum(prometheus_tsdb_head_samples_appended_total)`, `sum_over_time(up{job="exporters"}[15m])`
	p.await(ctx, t, "Prometheus scrapes itself", memory, func(v float64) bool { return v > 0 })
	empty, _ := p.value(t, memory)

	s.start(t, "0", address, named("0"))
	s.background(t, s.foundation.Run)
	const page = `scrape_samples_scraped{job="exporters"}`
	p.await(ctx, t, "a large page", page, func(v float64) bool { return v > 30_000 })
	p.await(ctx, t, "all series", `scrape_series_added{job="exporters"} / `+page, func(v float64) bool { return v < 0.001 })
	first := at(t, p, cpu, samples, scrapes)
	p.await(ctx, t, "ten scrapes more", scrapes, func(v float64) bool { return v >= first[2]+10 })
	last := at(t, p, cpu, samples, scrapes)
	full, _ := p.value(t, memory)
	series, _ := p.value(t, `prometheus_tsdb_head_series`)
	sample, held := (last[0]-first[0])/(last[1]-first[1])*1e6, (full-empty)/series
	t.Logf("%.0f series; %.2f µs of CPU a sample; %.0f bytes a series, of %.0f MiB; resident when empty %.0f MiB", series, sample, held, full/(1<<20), empty/(1<<20))
	_, stated := guide(t)
	for name, measured := range map[string]float64{"p": sample, "h": held} {
		if ratio := measured / stated[name]; ratio > 3 || ratio < 1.0/3 {
			t.Errorf("docs/scaling.md says that %s is %v; it is %.2f here", name, stated[name], measured)
		}
	}
}

func at(t *testing.T, p *prometheus, expressions ...string) (values []float64) {
	t.Helper()
	for _, e := range expressions {
		v, ok := p.value(t, e)
		if !ok {
			t.Fatalf("%s has no value", e)
		}
		values = append(values, v)
	}
	return values
}
