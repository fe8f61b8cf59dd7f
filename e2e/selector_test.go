package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
)

// selectorPieces make selectors, right and wrong ones.
var selectorPieces = []string{
	"a", "b", "cf_up", "__name__", "a:b", "{", "}", "{", "}", ",", "=", "!=", "=~", "!~", `"a"`, `"b"`, `""`, `'a'`, "`a`", `"a|b"`, `"(a"`, `"a.*"`, `".+"`,
	`"\x61"`, `"\141"`, `"\u00e9"`, `"\U0001F600"`, `"\d"`, `'\''`, `"\'"`, `"\""`, `"\ud800"`, `"\400"`, `"\n"`, "`\n`", "\n", " ", "\t", "# x\n", "#", "é", "1",
	`"é"`, "\xff", "\"\xff\"", `"`, "'", "`", "-", "[5m]", "()", " or ", ".",
}

// selectorParts make matchers that are mostly right.
var (
	selectorNames  = []string{"a", "b", "c", "__name__", `"a"`, `"é"`, "'b'", "`c`", `"a.b"`}
	selectorValues = []string{
		"", "a", "b", "ab", "a.b", "é", "a\nb", `a\b`, `a"b`, "a'b", "a|b", "a.*", ".*", ".+", "(a|b)+", "^a$", "a$|^b", "(?i)A", "(?s).", "(?-s)a.b", `\Qa.b`, `\Qa\E.*`,
		`[a-c]+`, `a{2}`, `\d+`, "", "x{0}", "a|", "|b", "(?:)", "a.?b", `\x61`, `\pL+`, `.*a.*b`, "a)(b", "(", `\`, "[", "a**", "(?P<n>a)", "foo|bar|baz", "a.b|a.c", `$^`, `\z`, `(?m)^a$`,
	}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func quote(r *rand.Rand, s string) string {
	switch {
	case r.IntN(3) == 0 && !strings.Contains(s, "`"):
		return "`" + s + "`"
	case r.IntN(2) == 0:
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(s) + "'"
	default:
		return fmt.Sprintf("%q", s)
	}
}

// newSelector draws a selector: half of them are heaps of pieces, the others of the right form.
func newSelector(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(2) == 0 {
		for range r.IntN(12) {
			b.WriteString(pick(r, selectorPieces))
		}
		return b.String()
	}
	if r.IntN(2) == 0 {
		b.WriteString(pick(r, []string{"a", "cf_up", "a:b", "B9"}))
	}
	b.WriteString("{")
	for i := range r.IntN(4) {
		if i > 0 {
			b.WriteString(",")
		}
		if r.IntN(8) == 0 {
			b.WriteString(quote(r, pick(r, selectorValues)))
			continue
		}
		b.WriteString(pick(r, selectorNames) + pick(r, []string{"=", "!=", "=~", "!~"}) + quote(r, pick(r, selectorValues)))
	}
	b.WriteString(pick(r, []string{"}", "}", "}", ",}", ""}))
	return b.String()
}

// Where Prometheus takes a selector, so does the exporter, and they choose the same series; where it refuses one the
// exporter does so too.
func TestSelectorsAsPrometheusReadsThem(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	oracle := parser.NewParser(parser.Options{})
	accepted, matched := 0, 0
	for range 50_000 {
		text := newSelector(r)
		want, wantErr := oracle.ParseMetricSelector(text)
		got, err := exposition.ParseSelector(text)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, Prometheus says %v", text, err, wantErr)
		}
		if err != nil {
			continue
		}
		accepted++
		for range 4 {
			set := labelSet(r)
			series := labels.FromMap(set)
			if choose(want, series) {
				matched++
			}
			if got := got.Matches(set["__name__"], rendered(set)); got != choose(want, series) {
				t.Fatalf("%q chooses %s: %v, for Prometheus %v", text, series, got, choose(want, series))
			}
		}
	}
	t.Logf("%d selectors, %d matches", accepted, matched)
	if accepted < 10_000 || matched < 2_000 {
		t.Errorf("%d selectors, %d matches: too few to show anything", accepted, matched)
	}
}

func choose(ms []*labels.Matcher, series labels.Labels) bool {
	for _, m := range ms {
		if !m.Matches(series.Get(m.Name)) {
			return false
		}
	}
	return true
}

func labelSet(r *rand.Rand) map[string]string {
	values := []string{"a", "b", "ab", "aa", "a.b", "a\nb", "a c", `a\b`, `a"b`, "é", "A", "cf_up", "foo", "7", "abc", "\n"}
	set := map[string]string{"__name__": pick(r, []string{"a", "cf_up", "a:b", "é", "ab"})}
	for _, name := range []string{"a", "b", "c", "é", "a.b"} {
		if r.IntN(2) == 0 {
			set[name] = pick(r, values)
		}
	}
	return set
}

func rendered(set map[string]string) metric.Labels {
	var ls []metric.Label
	for name, value := range set {
		if name != "__name__" && utf8.ValidString(value) {
			ls = append(ls, metric.Label{Name: name, Value: value})
		}
	}
	return metric.RenderLabels(ls)
}
