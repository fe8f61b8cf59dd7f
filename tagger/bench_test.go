package tagger_test

import (
	"fmt"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

// names are the 200 names that the benchmarks look up, in the shapes of the rules below; one in ten matches nothing.
func benchmarkNames(rules int) []string {
	names := make([]string, 200)
	for i := range names {
		r := i * 7919 % rules
		switch i % 10 {
		case 0:
			names[i] = fmt.Sprintf("unknown%d.metric.of.no.rule", i)
		case 1, 2, 3:
			names[i] = fmt.Sprintf("router__%d.group%d.someStat", i%30, r)
		default:
			names[i] = fmt.Sprintf("component%d.requests.value%d.total", r, i)
		}
	}
	return names
}

// globRules is a rule file of 2n rules, half of which begin with the same captures.
func globRules(n int) []byte {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "- pattern: \"{component}__{index:int}.group%d.{stat}\"\n  name: \"{stat}\"\n", i)
		fmt.Fprintf(&b, "- pattern: \"component%d.requests.{x}.total\"\n  name: total\n", i)
	}
	return []byte(b.String())
}

func newTagger(tb testing.TB, data []byte) *tagger.Tagger {
	tb.Helper()
	t, _, err := tagger.New(tagger.Options{UserRules: []tagger.Source{{File: "bench.yaml", Data: data}}})
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// BenchmarkGlob is the cost of an uncached lookup by the number of rules.
func BenchmarkGlob(b *testing.B) {
	for _, n := range []int{20, 200, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := newTagger(b, globRules(n/2))
			names := benchmarkNames(n / 2)
			var r tagger.Result
			b.ReportAllocs()
			s := tagger.Subject{Kind: metric.KindGauge}
			for i := 0; b.Loop(); i++ {
				s.Name = names[i%len(names)]
				t.Apply(&s, &r, nil)
			}
		})
	}
}

// BenchmarkRegexMiss is the cost of a lookup that 100 regular expressions miss, each of which holds a literal.
func BenchmarkRegexMiss(b *testing.B) {
	var rules strings.Builder
	rules.WriteString("rules:\n")
	for i := range 100 {
		fmt.Fprintf(&rules, "- regex: 'service_(?P<x>[a-z]+)_%d\\.(?P<y>.*)\\.requests%d'\n  name: requests\n", i, i)
	}
	t := newTagger(b, []byte(rules.String()))
	names := benchmarkNames(20)
	var r tagger.Result
	b.ReportAllocs()
	s := tagger.Subject{Kind: metric.KindGauge}
	for i := 0; b.Loop(); i++ {
		s.Name = names[i%len(names)]
		t.Apply(&s, &r, nil)
	}
}

// BenchmarkLoad is the cost of reading and compiling 2,000 rules, the search for shadowed ones included.
func BenchmarkLoad(b *testing.B) {
	data := globRules(1000)
	b.ReportAllocs()
	for b.Loop() {
		newTagger(b, data)
	}
}
