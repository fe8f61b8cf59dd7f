package api

import (
	"strings"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
)

// someDropped are rules that drop what origin b sends.
const someDropped = `version: 1
rules:
  - {id: half, pattern: "half.{x}", when: {origin: b}, drop: true}
  - {id: kept, pattern: "half.{x}", when: {origin: a}, name: kept}
  - {id: all, pattern: "whole.{x}", when: {origin: b}, drop: true}
`

// mixedFixture has names that are exposed from origin a, dropped from b, and filtered from c.
func mixedFixture(t *testing.T) *fixture {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{UserRules: []tagger.Source{{File: "u.yaml", Data: []byte(someDropped)}}})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(o *store.Options) { o.Resolver = resolverOf(rules) })
	filtered := func() (all []live.LeftOut) {
		for name, kind := range map[string]metric.Kind{
			"whole.x": metric.KindGauge, "filtered": metric.KindGauge, "latency": metric.KindTimer, "half.time": metric.KindTimer,
		} {
			all = append(all, live.LeftOut{
				Outcome: metric.Filtered, Name: name, Kind: kind, Samples: 7, Last: time.Now(), Setting: "nozzle.filters[0]",
				Sender: store.NewSender(kind, "", metric.Label{Name: "origin", Value: "c"}),
			})
		}
		return all
	}
	f.options.LeftOut, f.index = filtered, live.NewIndex(f.store, filtered)
	f.options.Filtered = func(e *metric.Envelope) string {
		if string(e.Tag("origin")) == "c" {
			return "nozzle.filters[0]"
		}
		return ""
	}
	for _, origin := range []string{"a", "b"} {
		f.gauge(origin, "half.x")
		f.gauge(origin, "whole.x")
	}
	f.send(&metric.Envelope{Kind: metric.KindTimer, Name: []byte("whole.time"), Start: 1, Stop: 2, Arrived: time.Now().UnixNano()}, "b")
	return f
}

// TestOtherSenders: of a name that is exposed from one sender, and dropped or filtered from another, both the name and its
// metrics tell both.
func TestOtherSenders(t *testing.T) {
	f := mixedFixture(t)
	const (
		exposed = "exposed|The name arrives, and is exposed: one sender."
		metrics = "metric|This is the name of a metric, not one that a component sends. Raw names that lead to it: 1."
		none    = "has no series, though raw names arrive that would lead to it: "
	)
	for _, tc := range []struct{ name, origin, want string }{
		{"half.x", "", exposed + " Rule half drops it for 1 more."},
		{"whole.x", "", exposed + " Rule all drops it for 1 more. nozzle.filters[0] leaves it out of other senders."},
		{"cf_kept", "", metrics},
		{"cf_half_x", "", "no_series|The metric cf_half_x " + none + "1 dropped."},
		{"cf_whole_x", "", metrics + " Names that are exposed from one sender and not from another: 1 filtered, 1 dropped."},
		{"filtered", "", "filtered|The name arrives, but nozzle.filters[0] leaves it out before it becomes a sample."},
		{
			"whole.x", "c", "elsewhere|The name arrives, but not as it is asked for. It is sent as gauge of a, b. As it is asked for, " +
				"nozzle.filters[0] leaves it out.",
		},
		// Histograms of which nothing is exposed are found by the names of their series as well.
		{"cf_whole_time_seconds", "", "no_series|The metric cf_whole_time_seconds " + none + "1 dropped."},
		{"cf_whole_time_seconds_bucket", "", "no_series|The metric cf_whole_time_seconds " + none + "1 dropped."},
		{"cf_latency_seconds_count", "", "no_series|The metric cf_latency_seconds " + none + "1 filtered."},
		{`sum(rate(cf_latency_seconds_sum[5m]))`, "", "no_series|The metric cf_latency_seconds " + none + "1 filtered."},
		{
			"cf_filtered_sum", "", "no_metric|No metric of this name is exposed, and no component sends a name like this.",
		},
	} {
		got := presence(t, f, ExplainQuery{Name: tc.name, Origin: tc.origin})
		if parts := strings.Split(got, "|"); parts[0]+"|"+parts[1] != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestLeftOutSender: what would become of a name of which nothing is stored is told with the tags of its sender.
func TestLeftOutSender(t *testing.T) {
	f := mixedFixture(t)
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "filtered", Series: 1})
	if want := `cf_filtered{component="c",origin="c"}`; err != nil || x.Series != want || x.Sender == nil {
		t.Errorf("%s of %+v, %v, want %s", x.Series, x.Sender, err, want)
	}
	x, err = f.Explain(t.Context(), ExplainQuery{Name: "filtered", Origin: "d", Series: 1})
	if want := `cf_filtered{component="d",origin="d"}`; err != nil || x.Series != want || x.Sender != nil {
		t.Errorf("of another origin: %s of %+v, %v, want %s", x.Series, x.Sender, err, want)
	}
}

// TestDroppedLinks: the page of a dropped name leads to the rule, not to itself.
func TestDroppedLinks(t *testing.T) {
	f := newFixture(t)
	f.gauge("rep", "dropped.a")
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "dropped.a", Series: 1})
	if err != nil || len(x.NotStored) != 1 || x.NotStored[0].Link != "/rules?search=user%2Fdropped" {
		t.Errorf("%+v, %v", x.NotStored, err)
	}
}
