package promql_test

import (
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/promql"
)

// FuzzParse: what is found stands where it is said to stand, and no edits leave the text as it is.
func FuzzParse(f *testing.F) {
	for _, query := range []string{
		`sum(rate(a{b="c", d=~"$d"}[$__rate_interval])) by (e) # $f`,
		"avg(x_[[c]]_y_${d:raw}{e!~'f'}) by ($g)\n  / avg($metric)",
		"topk($n, max_over_time($m{a=\"\\\"$1\"}[${d}m:$s] offset $o)) > bool on (a, b) group_left (c) $t",
		`$agg by (a) ({__name__=~"x_$y", "b.c"="d",})`, "$query", "a offset -5m @ end()", `{"a.b"}`, "-(1) + ((a))[5m:]",
		"count_values without (x) (\"y\", a) or ignoring () b", "\"$x\"", "`$x` # $y", "$fun(x[[[i]]]) * $k",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := promql.Parse(text)
		if err != nil {
			return
		}
		if out, err := q.Apply(nil); err != nil || out != text {
			t.Fatal(out, err)
		}
		for _, v := range q.Variables {
			q.Slice(v.Span)
		}
		for _, s := range q.Selectors {
			check(t, q, s)
		}
		parser.Inspect(q.Expr, func(n parser.Node, _ []parser.Node) error {
			switch n := n.(type) {
			case *parser.BinaryExpr:
				operator, _, _ := q.Matching(n)
				if got := q.Slice(operator); got == "" {
					t.Fatalf("%q: no operator", text)
				}
			case *parser.AggregateExpr:
				if q.Grouping(n) == nil && (len(n.Grouping) > 0 || n.Without) {
					t.Fatalf("%q: no list", text)
				}
			}
			return nil
		})
	})
}

// check holds what was found of a selector against the syntax tree.
func check(t *testing.T, q *promql.Query, s *promql.Selector) {
	t.Helper()
	names := 0
	if s.Name != "" {
		names = 1
	}
	if len(s.Matchers)+names != len(s.Node.LabelMatchers) {
		t.Fatalf("%q: %q: %d matchers, want %d", q.Text, q.Slice(s.Span), len(s.Matchers)+names, len(s.Node.LabelMatchers))
	}
	if q.HasVariable(s.Span) {
		return
	}
	for i, m := range s.Matchers {
		of := s.Node.LabelMatchers[i]
		if s.NameAt.Start > s.Braces.Start && s.NameAt.Start < m.Start {
			of = s.Node.LabelMatchers[i+1]
		}
		if m.Label != of.Name && of.Name != "__name__" || m.Value != of.Value && of.Name != "__name__" {
			t.Fatalf("%q: %s %s, want %s", q.Text, m.Label, m.Value, of)
		}
	}
}
