package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// withOwn gives a fixture three metrics of the exporter itself.
func withOwn(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	own := prometheus.NewRegistry()
	drops := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "loggregator_exporter_upstream_dropped_total", Help: "Envelopes that Loggregator lost.",
	}, []string{"origin"})
	drops.WithLabelValues("doppler").Add(7)
	drops.WithLabelValues("rlp").Inc()
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "loggregator_exporter_took_seconds", Help: "How long."})
	took.Observe(1)
	took.Observe(2)
	own.MustRegister(drops, took, collectors.NewGoCollector())
	f.options.Own = own
	return f
}

// TestOwnMetrics: names of the exporter's own metrics are known, whatever else an expression has around them.
func TestOwnMetrics(t *testing.T) {
	f := withOwn(t)
	f.fill()
	for _, tc := range []struct{ name, want string }{
		{"loggregator_exporter_upstream_dropped_total", "own counter Envelopes that Loggregator lost. 2 [map[origin:doppler] 7 map[origin:rlp] 1]"},
		{`rate(loggregator_exporter_upstream_dropped_total{origin="rlp"}[5m])`, "own counter Envelopes that Loggregator lost. 2 [map[origin:doppler] 7 map[origin:rlp] 1]"},
		{"loggregator_exporter_took_seconds_bucket", "own histogram How long. 1 [map[] 2]"},
		{"go_goroutines", "own gauge Number of goroutines that currently exist. 1 "},
		{"loggregator_exporter_nothing", "no_metric /docs?page=metrics"},
		{"cf_queue_depht", "no_metric /names cf_queue_depth"},
		{"rate(no_such_metric[5m])", "no_metric /names"},
		{"rate(queue[5m])", "no_metric /names "},
		{"no_such_metric", "unseen "},
	} {
		x, err := f.Explain(t.Context(), ExplainQuery{Name: tc.name, Series: 1})
		if err != nil {
			t.Fatal(err)
		}
		p := x.Presence
		got := strings.TrimSpace(fmt.Sprint(p.State, " ", p.Link, " ", strings.Join(p.NearMetrics, " ")))
		if p.Own != nil {
			var series []string
			for _, s := range p.Own.Series {
				series = append(series, fmt.Sprint(s.Labels, " ", s.Value))
			}
			got = fmt.Sprintf("%s %s %s %d %v", p.State, p.Own.Type, p.Own.Help, p.Own.SeriesCount, series)
		}
		if !strings.HasPrefix(got+" ", tc.want) || p.OfMetric() != (p.State != "unseen") {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	// Who says how a component would send it asks for a name.
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "cf_queue", Origin: "shop", Series: 1})
	if err != nil || x.Presence.State != "unseen" {
		t.Errorf("%+v, %v", x.Presence, err)
	}
}

// TestSearchOwn: a search that finds no name finds metrics of the exporter itself.
func TestSearchOwn(t *testing.T) {
	f := withOwn(t)
	f.fill()
	for search, want := range map[string][]string{
		"LOGGREGATOR_exporter":                        {"loggregator_exporter_took_seconds", "loggregator_exporter_upstream_dropped_total"},
		"dropped exporter":                            {"loggregator_exporter_upstream_dropped_total"},
		"loggregator_exporter_upstream_dropped_total": {"loggregator_exporter_upstream_dropped_total"},
		"queue": nil, "goroutines": nil, "exporter nothing": nil,
	} {
		page, err := f.Names(t.Context(), NamesQuery{Search: search})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range page.OwnMetrics {
			got = append(got, m.Metric)
		}
		if !slices.Equal(got, want) || len(got) > 0 && len(page.NearNames) > 0 {
			t.Errorf("%s: %q, want %q", search, got, want)
		}
	}
}
