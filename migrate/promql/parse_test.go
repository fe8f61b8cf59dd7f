package promql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"loggregator_exporter/migrate/promql"
)

// describe writes down what Parse finds in a query.
func describe(q *promql.Query) string {
	var b strings.Builder
	for _, s := range q.Selectors {
		_, _ = fmt.Fprintf(&b, "selector %s name %s\n", q.Slice(s.Span), s.Name)
		for _, m := range s.Matchers {
			_, _ = fmt.Fprintf(&b, "  %s %s %s\n", m.Label, m.Type, m.Value)
		}
	}
	for _, v := range q.Variables {
		_, _ = fmt.Fprintf(&b, "variable %s name %s format %q\n", q.Slice(v.Span), v.Name, v.Format)
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for query, want := range map[string]string{
		`sum(rate(a{b="c", d=~"$d"}[$__rate_interval])) by (e) # $f`: `
selector a{b="c", d=~"$d"} name a
  b = c
  d =~ $d
variable $d name d format ""
variable $__rate_interval name __rate_interval format ""
`,
		"avg(x_[[c]]_y_${d:raw}{e!~'f'}) by ($g)\n  / avg($metric)": `
selector x_[[c]]_y_${d:raw}{e!~'f'} name x_[[c]]_y_${d:raw}
  e !~ f
selector $metric name $metric
variable [[c]] name c format ""
variable ${d:raw} name d format "raw"
variable $g name g format ""
variable $metric name metric format ""
`,
		"topk($n, $m{a=\"\\\"$1\"}[${d}m:$s] offset $o) > $t": "",
		"topk($n, max_over_time($m{a=\"\\\"$1\"}[${d}m:$s] offset $o)) > $t": `
selector $m{a="\"$1"} name $m
  a = "$1
variable $n name n format ""
variable $m name m format ""
variable ${d} name d format ""
variable $s name s format ""
variable $o name o format ""
variable $t name t format ""
`,
		"$fun(x[[[i]]]) * $k": `
selector x name x
variable $fun name fun format ""
variable [[i]] name i format ""
variable $k name k format ""
`,
		`$agg by (a) ({__name__=~"x_$y", "b.c"="d",})`: `
selector {__name__=~"x_$y", "b.c"="d",} name ` + `
  __name__ =~ x_$y
  b.c = d
variable $agg name agg format ""
variable $y name y format ""
`,
		"$query": "\nvariable $query name query format \"\"\n",
	} {
		q, err := promql.Parse(query)
		if want == "" {
			if err == nil {
				t.Errorf("%s: no error", query)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := "\n" + describe(q); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for query, want := range map[string]string{
		"sum(a":         "line 1, column 6: unclosed left parenthesis",
		"'ä' +\n 'ä' ä": "line 2, column 6: unexpected character: 'ä'",
		"":              "line 1, column 1: no expression found in input",
		"\xff":          "line 1, column 1: it is not UTF-8",
		`up{a=~"("}`:    "line 1, column 4: error parsing regexp: missing closing ): `(`",
		"rate(up)":      "line 1, column 6: expected type range vector in call to function \"rate\", got instant vector",
		"nonsense(up)":  "line 1, column 1: unknown function with name \"nonsense\"",
	} {
		_, err := promql.Parse(query)
		var e *promql.Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", query, err)
			continue
		}
		if e.Error() != want {
			t.Errorf("%q: %s, want %s", query, e, want)
		}
	}
	_, err := promql.Parse(strings.Repeat("a", promql.MaxBytes+1))
	if err == nil || err.Error() != "line 1, column 1: it has 65537 bytes, the limit is 65536" {
		t.Error(err)
	}
}
