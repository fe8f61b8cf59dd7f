package api

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

// withRules resolves by some rules only.
func withRules(t *testing.T, text string) func(*store.Options) {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{UserRules: []tagger.Source{{File: "rules.yaml", Data: []byte(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *store.Options) {
		o.Resolver = resolver.New(resolver.Options{Tagger: rules, Naming: naming.Style{Namespace: "cf"}})
	}
}

// histogram sends the parts of a histogram as the prom scraper does.
func (f *fixture) histogram(origin, name string) {
	now := time.Now().UnixNano()
	for _, le := range []string{"0.5", "+Inf"} {
		f.send(&metric.Envelope{Kind: metric.KindCounter, Name: []byte(name + "_bucket"), Total: 3, Arrived: now, Timestamp: now}, origin, "le", le)
	}
	f.send(&metric.Envelope{Kind: metric.KindCounter, Name: []byte(name + "_count"), Total: 3, Arrived: now, Timestamp: now}, origin)
	f.gauge(origin, name+"_sum")
}

// TestPartsGoByTheWhole: rules see a histogram by its own name, and so does everything that is said of its parts.
func TestPartsGoByTheWhole(t *testing.T) {
	f := newFixture(t, withRules(t, `rules: [{id: own/took, pattern: "{queue}.took", name: took}, {id: own/bucket, pattern: "b.other_bucket"}]`))
	f.histogram("shop", "a.took")
	f.histogram("shop", "b.other") // the rule for its bucket takes nothing
	got, page := rows(t, f.API, NamesQuery{})
	want := []string{
		"a.took_bucket|counter|shop|cf_took|own/took|2/0|tagged", "a.took_count|counter|shop|cf_took|own/took|1/0|tagged",
		"a.took_sum|gauge|shop|cf_took|own/took|1/0|tagged", "b.other_bucket|counter|shop|cf_b_other||2/0|untagged",
		"b.other_count|counter|shop|cf_b_other||1/0|untagged", "b.other_sum|gauge|shop|cf_b_other||1/0|untagged",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if whole := page.Names[2].PartOf; whole != "a.took" {
		t.Errorf("%s is a part of %q", page.Names[2].Name, whole)
	}
	rules, err := f.Rules(t.Context(), RulesQuery{})
	if err != nil || rules.Rules[0].Names != 3 || rules.Rules[1].Names != 0 || rules.Untagged != 3 || page.States[StateUntagged] != 3 {
		t.Errorf("%+v, %v", rules, err)
	}
	for _, name := range []string{"a.took_bucket", "a.took_count", "a.took_sum"} {
		x, err := f.Explain(t.Context(), ExplainQuery{Name: name, Series: 9})
		if err != nil {
			t.Fatal(err)
		}
		if x.Series != `cf_took{component="shop",origin="shop",queue="a"}` || x.PartOf != "a.took" || x.Type != "histogram" ||
			x.Rule != "own/took" || x.Presence.State != "exposed" {
			t.Errorf("%s: %+v", name, x)
		}
	}
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "a.took_bucket", Series: 9})
	if want := "The name arrives, and is exposed: one sender, with 2 sets of tags."; err != nil || x.Presence.Sentence != want {
		t.Errorf("%s, want %s", x.Presence.Sentence, want)
	}
}

// TestExplainRequests: requests become two metrics, each with a help text of its own, and the labels that they have.
func TestExplainRequests(t *testing.T) {
	f := newFixture(t, withRules(t, "rules: []"), func(o *store.Options) {
		rules, err := compiled()
		if err != nil {
			t.Fatal(err)
		}
		o.Resolver = resolver.New(resolver.Options{
			Tagger: rules, Naming: naming.Style{Namespace: "cf"},
			HTTP: resolver.HTTPOptions{Labels: []string{"status", "method"}, Buckets: []float64{1}, SizeBuckets: []float64{1}},
		})
	})
	for _, status := range []string{"200", "201", "404", "500"} {
		f.send(&metric.Envelope{
			Kind: metric.KindTimer, Name: []byte("http"), Arrived: time.Now().UnixNano(), Start: 1, Stop: 2,
		}, "gorouter", "peer_type", "Server", "status_code", status, "method", "GET", "content_length", "7")
	}
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "http", Series: 9})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range x.Metrics {
		got = append(got, fmt.Sprint(m.Metric, " ", m.Type, " ", m.Series, " ", m.Labels, " ", m.Help))
	}
	want := []string{
		"cf_http_request_duration_seconds histogram 3 map[method:GET status:2xx] Time from the first byte of a request to the last of its " +
			"response, seen by the gorouter.",
		"cf_http_response_size_bytes histogram 3 map[method:GET status:2xx] Length of HTTP responses, seen by the gorouter.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	sentence := "The name arrives, and is exposed: 3 sets of tags, in 2 metrics."
	for i, s := range x.Steps {
		if last := i == len(x.Steps)-1; last != (s.Sentence == builtInSentence) || s.Stage == "metadata" {
			t.Errorf("step %d: %s", i+1, s.Sentence)
		}
	}
	if !x.BuiltIn || x.Presence.Sentence != sentence || x.Labels["status"] != "2xx" || x.LabelSources["status"] == "" {
		t.Errorf("%+v, %+v", x, x.Presence)
	}
}

// TestRefusedSeriesHaveLabels: what is refused is shown with the labels that its series would have.
func TestRefusedSeriesHaveLabels(t *testing.T) {
	f := newFixture(t, func(o *store.Options) { o.Limits.PerMetric = 1 })
	f.gauge("rep", "queue.mail.depth")
	f.gauge("rep", "queue.chat.depth")
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "queue.chat.depth", Series: 9})
	if err != nil || len(x.Live) != 1 {
		t.Fatalf("%+v, %v", x, err)
	}
	if l := x.Live[0]; l.State != "refused" || fmt.Sprint(l.Metric, l.Labels) != "cf_queue_depthmap[component:rep origin:rep queue:chat]" {
		t.Errorf("%+v", l)
	}
}

// TestTryOnParts: a rule for a histogram changes it in a trial, too, and takes as many names there as in force.
func TestTryOnParts(t *testing.T) {
	f := newFixture(t)
	f.histogram("shop", "a.took")
	report, err := f.Try(t.Context(), TryQuery{Text: []byte(`version: 1
rules: [{id: own/took, pattern: "{queue}.took", name: took}]
`)})
	if err != nil || len(report.Errors) > 0 {
		t.Fatal(report, err)
	}
	if r := report.Rules[0]; r.Names != 3 || report.Report.SeriesBefore != 1 || report.Report.SeriesAfter != 1 || len(report.Report.Groups) != 1 {
		t.Fatalf("%+v, %+v", r, report.Report)
	}
	c := report.Report.Groups[0].Changes[0]
	if c.Before.Metric != "cf_a_took" || c.After.Metric != "cf_took" || c.After.Type != "histogram" {
		t.Errorf("%+v", c)
	}
}
