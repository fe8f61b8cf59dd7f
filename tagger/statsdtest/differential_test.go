package statsdtest

import (
	"fmt"
	"log/slog"
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/statsd_exporter/pkg/mapper"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

func pick(r *rand.Rand, words ...string) string { return words[r.Intn(len(words))] }

func field(r *rand.Rand) string { return pick(r, "a", "b", "c", "foo", "x-1", "9", "a_b") }

func glob(r *rand.Rand) string {
	fields := make([]string, 1+r.Intn(4))
	for i := range fields {
		fields[i] = field(r)
		if r.Intn(2) == 0 || i == 0 && fields[i] == "9" {
			fields[i] = "*"
		}
	}
	return strings.Join(fields, ".")
}

func expression(r *rand.Rand) string {
	return pick(r, `foo`, `^a\.(\w+)`, `(a|b)\.(.*)$`, `([a-z]+)\.([a-z]+)`, `.`, `(?P<first>[a-z]+)-(\d)`, `^$`,
		`a(b)?(c)?`, `(?i)FOO\.(.)`, `x-1\.([^.]*)\.?`)
}

func template(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.Intn(4) {
		b.WriteString(pick(r, "$1", "${1}", "$2", "${2}", "$0", "${0}", "${3}", "_", "x", "ab", "$1_", "total"))
	}
	return b.String()
}

func labelValue(r *rand.Rand) string {
	return template(r) + pick(r, "", "", "-", "/", "$", "$$", "{", "}", "${first}", "$01", "é", " ", "$x", "${", "$1é",
		"${1")
}

var reference = regexp.MustCompile(`\$\{?[a-zA-Z0-9_$]+\}?`)

// ambiguous says whether statsd_exporter expands a glob's template wrongly: it replaces each reference by its text
// wherever it occurs, also as a part of other references.
func ambiguous(template string) bool {
	all := reference.FindAllString(template, -1)
	for _, a := range all {
		for _, b := range all {
			if a != b && (strings.Contains(b, a) || strings.Contains(a[1:], "$")) {
				return true
			}
		}
	}
	return false
}

// unambiguous generates templates until one is not ambiguous.
func unambiguous(r *rand.Rand, generate func(*rand.Rand) string) string {
	for {
		if t := generate(r); !ambiguous(t) {
			return t
		}
	}
}

func name(r *rand.Rand) string {
	fields := make([]string, 1+r.Intn(4))
	for i := range fields {
		fields[i] = pick(r, "a", "b", "c", "foo", "FOO", "x-1", "9", "a_b", "", "d--e", "é", "a b", "/x")
	}
	return strings.Join(fields, ".")
}

// lost says whether statsd_exporter never matches a glob, since an earlier one is equal to it or begins with it.
func lost(g string, earlier []string) bool {
	return slices.ContainsFunc(earlier, func(e string) bool { return e == g || strings.HasPrefix(e, g+".") })
}

func mappings(r *rand.Rand, unordered bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "defaults:\n  glob_disable_ordering: %v\nmappings:\n", unordered)
	var globs []string
	for range 1 + r.Intn(12) {
		match, matchType := glob(r), "glob"
		if !unordered && r.Intn(3) == 0 {
			match, matchType = expression(r), "regex"
		} else if lost(match, globs) {
			continue
		} else {
			globs = append(globs, match)
		}
		fmt.Fprintf(&b, "- match: '%s'\n  match_type: %s\n  name: '%s'\n", match, matchType,
			pick(r, "n", "n", "")+unambiguous(r, template))
		if r.Intn(6) == 0 {
			b.WriteString("  action: drop\n")
		}
		if r.Intn(4) == 0 {
			b.WriteString("  match_metric_type: " + pick(r, "counter", "gauge", "observer") + "\n")
		}
		if n := r.Intn(3); n > 0 {
			b.WriteString("  labels:\n")
			for i := range n {
				fmt.Fprintf(&b, "    label%d: '%s'\n", i, unambiguous(r, labelValue))
			}
		}
	}
	return b.String()
}

// theirs returns the metric and the sorted labels that statsd_exporter makes of a name, or why it makes none.
func theirs(m *mapper.MetricMapper, name string, t mapper.MetricType) string {
	mapping, labels, ok := m.GetMapping(name, t)
	if !ok {
		return "no match"
	}
	if mapping.Action == mapper.ActionTypeDrop {
		return "dropped"
	}
	if mapping.Name == "" {
		return "empty name"
	}
	var all []string
	for k, v := range labels {
		if v != "" {
			all = append(all, fmt.Sprintf("%s=%q", k, v))
		}
	}
	slices.Sort(all)
	return mapper.EscapeMetricName(mapping.Name) + " " + strings.Join(all, ",")
}

// ours returns the same for the tagger.
func ours(tg *tagger.Tagger, name string, kind metric.Kind) string {
	var r tagger.Result
	tg.Apply(&tagger.Subject{Name: name, Kind: kind}, &r, nil)
	if r.Rule == "" {
		return "no match"
	}
	if r.Invalid != "" {
		return "empty name"
	}
	if r.Dropped {
		return "dropped"
	}
	var all []string
	for _, l := range r.Tags {
		all = append(all, fmt.Sprintf("%s=%q", l.Name, l.Value))
	}
	slices.Sort(all)
	return r.Base + " " + strings.Join(all, ",")
}

func both(tb testing.TB, file string) (*mapper.MetricMapper, *tagger.Tagger) {
	tb.Helper()
	m := &mapper.MetricMapper{Logger: slog.New(slog.DiscardHandler)}
	if err := m.InitFromYAMLString(file); err != nil {
		tb.Fatalf("%v\n%s", err, file)
	}
	tg, _, err := tagger.Load(tagger.Source{File: "mappings.yaml", Data: []byte(file)})
	if err != nil {
		tb.Fatalf("%v\n%s", err, file)
	}
	return m, tg
}

// TestNoDifference generates mapping files and names, and compares metric names and labels.
func TestNoDifference(t *testing.T) {
	types := map[mapper.MetricType]metric.Kind{
		mapper.MetricTypeCounter: metric.KindCounter, mapper.MetricTypeGauge: metric.KindGauge,
		mapper.MetricTypeObserver: metric.KindTimer,
	}
	r := rand.New(rand.NewSource(1))
	matched := 0
	for i := range 4000 {
		unordered := i%4 == 3
		file := mappings(r, unordered)
		if !strings.Contains(file, "match:") {
			continue
		}
		m, tg := both(t, file)
		for range 40 {
			n := name(r)
			for theirType, kind := range types {
				want, got := theirs(m, n, theirType), ours(tg, n, kind)
				if want != "no match" {
					matched++
				}
				// Without ordering, statsd_exporter guesses whether it has to look back, and may miss a match.
				if got != want && (!unordered || want != "no match") {
					t.Fatalf("%q (%s): got %s, want %s\n%s", n, theirType, got, want, file)
				}
			}
		}
	}
	if matched < 50_000 {
		t.Errorf("only %d names matched", matched)
	}
}
