package queries

import (
	"encoding/json"
	"slices"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/documents"
	"loggregator_exporter/migrate/promql"
)

func series(name string, t metric.Type, factor float64, labels ...string) *Series {
	s := &Series{Metric: name, Type: t, Factor: factor}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, metric.Label{Name: labels[i], Value: labels[i+1]})
	}
	return s
}

// somePairs hold a series that stays, two that are merged into one metric, one that goes, one that comes, one with
// another unit, one whose label is renamed, and a histogram that is renamed.
func somePairs() []Pair {
	const gauge, histogram = metric.TypeGauge, metric.TypeHistogram
	same := series("same", gauge, 1, "a", "1")
	return []Pair{
		{Before: same, After: same},
		{Before: series("q_x", gauge, 1, "a", "1"), After: series("q", gauge, 1, "a", "1", "q", "x"), Cause: "rule q"},
		{Before: series("q_y", gauge, 1, "a", "1"), After: series("q", gauge, 1, "a", "1", "q", "y"), Cause: "rule q"},
		{Before: series("gone", gauge, 1), Reason: "a rule drops it", Cause: "rule gone"},
		{After: series("new", gauge, 1), Cause: "rule new"},
		{Before: series("t", gauge, 1), After: series("t_seconds", gauge, 0.001), Cause: "unit"},
		{Before: series("r", gauge, 1, "old", "v"), After: series("r", gauge, 1, "fresh", "v"), Cause: "rename"},
		{Before: series("h", histogram, 1, "a", "1"), After: series("g", histogram, 1, "a", "1"), Cause: "rule h"},
	}
}

func documentOf(tb testing.TB, query, legend string) *documents.Document {
	tb.Helper()
	type object map[string]any
	target := object{"refId": "A", "expr": query, "legendFormat": legend, "datasource": object{"type": "prometheus"}}
	text, err := json.Marshal(object{"panels": []object{{"id": 1, "targets": []object{target}}}})
	if err != nil {
		tb.Fatal(err)
	}
	d, err := documents.Read("d.json", text)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ query, legend, effect, proposal, whyNot string }{
		{"same + up", "", "", "", ""},
		{"sum(q_x)", "", "nothing", `sum(q{q="x"})`, ""},
		{"q_x / q_y", "", "nothing", `q{q="x"} / ignoring (q) q{q="y"}`, ""},
		{"q_x / ignoring (a) q_y", "", "nothing", `q{q="x"} / ignoring (a, q) q{q="y"}`, ""},
		{"q_x / on (a) q_y", "", "nothing", `q{q="x"} / on (a) q{q="y"}`, ""},
		{"sum without (b) (q_x)", "", "nothing", `sum without (b, q) (q{q="x"})`, ""},
		{"q_x == bool q_y", "", "nothing", "", "the two sides of == would no longer match: q"},
		{"max(gone)", "", "nothing", "", "gone is gone: a rule drops it"},
		{"new", "", "more", "new", ""},
		{"t > 1", "", "nothing", "(t_seconds * 1000) > 1", ""},
		{"rate(t[5m])", "", "nothing", "rate(t_seconds[5m]) * 1000", ""},
		{
			"changes(t[5m])", "", "nothing", "",
			"its values are in another unit, and what is made of them cannot be multiplied",
		},
		{"sum by (old) (r)", "{{old}}", "other", "sum by (fresh) (r)", ""},
		{`r{old="v"}`, "", "nothing", `r{fresh="v"}`, ""},
		{`r{old=~"$v"}`, "", "nothing", `r{fresh=~"$v"}`, ""},
		{
			"histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))", "", "nothing",
			"histogram_quantile(0.9, sum by (le) (rate(g_bucket[5m])))", "",
		},
		{"rate(h_sum[5m]) / rate(h_count[5m])", "", "nothing", "rate(g_sum[5m]) / rate(g_count[5m])", ""},
		{"max(q_$q) by (a)", "", "nothing", `max(q{q=~"$q"}) by (a)`, ""},
		{`q_[[q]]{a=~"$a"} > 1`, "", "nothing", `q{a=~"$a",q=~"[[q]]"} > 1`, ""},
		{"gon$x", "", "nothing", "", "gone is gone: a rule drops it"},
		{"$x", "", "", "", ""},
		{`{__name__=~"q_.*"}`, "", "nothing", "", "the name holds a variable, or stands in a condition"},
	} {
		r, err := Check(t.Context(), somePairs(), []*documents.Document{documentOf(t, tt.query, tt.legend)})
		if err != nil {
			t.Fatal(err)
		}
		var got Change
		if len(r.Changes) > 0 {
			got = r.Changes[0]
		}
		if string(got.Effect) != tt.effect || got.Proposal != tt.proposal || got.WhyNot != tt.whyNot {
			t.Errorf("%s: %s, proposed %s, because %q", tt.query, got.Effect, got.Proposal, got.WhyNot)
		}
	}
}

// FuzzCheck: any query is looked at without harm, and what is proposed parses and finds just what the query found.
func FuzzCheck(f *testing.F) {
	for _, query := range []string{
		`sum by (a) (q_x{a=~"$a"}) / on (a) group_left (b) q_y`, "rate(t[5m] offset 1h) > bool 3", `{__name__="r",old="v"}`,
		`sum without () (q_x) unless label_replace(r, "x", "$1", "old", "(.*)")`, "$x + [[y]]", `{"q_x"}`, "q_x[5m:1m]",
		"q_x{a=\"\xff\x00\u2028\"}",
	} {
		f.Add(query, "{{old}}")
	}
	w := newWorld(somePairs())
	f.Fuzz(func(t *testing.T, query, legend string) {
		r, err := Check(t.Context(), somePairs(), []*documents.Document{documentOf(t, query, legend)})
		if err != nil || len(r.Changes) == 0 || r.Changes[0].Proposal == "" {
			return
		}
		query = r.Changes[0].Query // JSON holds no text that is not UTF-8
		was, err := promql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		is, err := promql.Parse(r.Changes[0].Proposal)
		if err != nil || len(is.Selectors) != len(was.Selectors) {
			t.Fatalf("%s became %s: %v", query, r.Changes[0].Proposal, err)
		}
		for i := range was.Selectors {
			found, err := w.find(was, was.Selectors[i])
			if err != nil || len(found.before) == 0 {
				continue
			}
			now, err := w.read(is, is.Selectors[i])
			if err != nil || !slices.Equal(w.selected(after, now.condition, now.matchers, false), found.before) {
				t.Errorf("%s became %s, which finds something else", query, r.Changes[0].Proposal)
			}
		}
	})
}
