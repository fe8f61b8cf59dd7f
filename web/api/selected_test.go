package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// TestSelected: of an expression with label matchers it is said which series of the metric match and, where none does,
// what keeps them out.
func TestSelected(t *testing.T) {
	f := newFixture(t)
	for _, q := range []string{"mail", "chat", "news"} {
		f.gauge("rep", "queue."+q+".depth", "deployment", "cf")
	}
	f.send(&metric.Envelope{Kind: metric.KindTimer, Name: []byte("wait"), Start: 1, Stop: 2, Arrived: time.Now().UnixNano()}, "rep")
	f.gauge("rep", "dropped.a")
	for _, tc := range []struct {
		text  string
		state string
		says  string   // at the end of the sentence
		shown []string // values of the label queue of those that match
	}{
		{`cf_queue_depth{queue="mail"}`, "metric", "Of its 3 series 1 matches the selector.", []string{"mail"}},
		{`sum by (queue) (rate(cf_queue_depth {queue=~"mail|chat", bosh_deployment!=""}[5m]))`, "metric", "Of its 3 series 2 match the selector.", []string{"chat", "mail"}},
		{`{__name__="cf_queue_depth",queue!~"m.*"}`, "metric", "Of its 3 series 2 match the selector.", []string{"chat", "news"}},
		{`up{a="{"} / cf_queue_depth{queue!="mail"}`, "metric", "Of its 3 series 2 match the selector.", []string{"chat", "news"}},
		{`cf_queue_depth{queue=~"mai"}`, "no_match", `None of its 3 series matches the selector: queue=~"mai" fits none, the values are mail, chat, news.`, nil},
		{
			`cf_queue_depth{deployment="cf",queue="mail"}`, "no_match",
			"None of its 3 series matches the selector: none has the label deployment, unless the scrape job adds it (did you mean " +
				"bosh_deployment?).", nil,
		},
		{
			`cf_queue_depth{bosh_deploymen="cf"}`, "no_match",
			"None of its 3 series matches the selector: none has the label bosh_deploymen, unless the scrape job adds it (did you mean " +
				"bosh_deployment?).", nil,
		},
		{
			`cf_queue_depth{queue="mail",queue="chat"}`, "no_match",
			"None of its 3 series matches the selector: each matcher fits some of them, but none all.", nil,
		},
		{
			`cf_queue_depth{job="cf",queue="$queue"}`, "metric", `Of its 3 series 3 match the selector. Not looked at is job="cf": Prometheus ` +
				`sets it when it scrapes. Not looked at is queue="$queue": it names a variable of a dashboard: put a value in its place.`,
			[]string{"chat", "mail", "news"},
		},
		{
			`cf_wait_seconds_bucket{le="1",component="rep"}`, "metric", `Of its 1 series 1 matches the selector. Not looked at is le="1": ` +
				"histograms and summaries are looked at whole.", []string{""},
		},
		{
			`cf_queue_depth{queue=~"("}`, "metric", "Its label matchers are not looked at: these are the names of all its series. " +
				"\"cf_queue_depth{queue=~\\\"(\\\"}\" at character 23: not a regular expression of RE2, error parsing regexp: missing closing ): `(`.", nil,
		},
		{
			`cf_queue_depth{queue=`, "metric", "Its label matchers are not looked at: these are the names of all its series. " +
				"\"cf_queue_depth{queue=\" at character 22: the selector ends where it needs the label's value in quotes, as in " +
				"queue=\"value\".", nil,
		},
		{`cf_queue_depth{}`, "metric", "Raw names that lead to it: 3.", nil},
		{`cf_dropped_a`, "no_series", "1 dropped.", nil},
	} {
		x, err := f.Explain(t.Context(), ExplainQuery{Name: tc.text, Series: 1})
		if err != nil {
			t.Fatal(err)
		}
		p := x.Presence
		if p.State != tc.state || !strings.HasSuffix(p.Sentence, tc.says) {
			t.Errorf("%s: %s %q, want %s %q", tc.text, p.State, p.Sentence, tc.state, tc.says)
		}
		var shown []string
		if p.Selected != nil {
			for _, labels := range p.Selected.Labels {
				shown = append(shown, labels["queue"])
			}
		}
		if slices.Sort(shown); !slices.Equal(shown, tc.shown) {
			t.Errorf("%s: %q match, want %q", tc.text, shown, tc.shown)
		}
	}
}

// TestSelectedIsBounded: neither many series nor long values make an answer long.
func TestSelectedIsBounded(t *testing.T) {
	f := newFixture(t, func(o *store.Options) { o.MaxSeries = 200 })
	for i := range 120 {
		f.gauge("rep", "queue.mail.depth", "index", fmt.Sprint(i), "own"+fmt.Sprint(i), strings.Repeat("x", 1000)+fmt.Sprint(i))
	}
	x, err := f.Explain(t.Context(), ExplainQuery{Name: `cf_queue_depth{queue="mail",own1!="",own2!=""}`, Series: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := x.Presence.Selected
	if s.Series != 120 || s.Matching != 0 || len(s.Labels) != 0 || len(s.Matchers[1].Values[0]) > maxShownBytes+3 {
		t.Errorf("%+v", s)
	}
	x, err = f.Explain(t.Context(), ExplainQuery{Name: `cf_queue_depth{queue="mail"}`, Series: 1})
	if s = x.Presence.Selected; err != nil || s.Matching != 120 || len(s.Labels) != maxSelected || len(s.Matchers[0].Values) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
