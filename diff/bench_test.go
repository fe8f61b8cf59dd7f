package diff

import (
	"fmt"
	"slices"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// manyNames are names of many components and instances, half of which a rule of the catalogue takes.
func manyNames(n int) []*Name {
	names := make([]*Name, n)
	for i := range names {
		component := fmt.Sprintf("router__%d", i%97)
		names[i] = &Name{
			Origin: component, Name: fmt.Sprintf("queue.q%d.depth", i), Kind: metric.KindGauge, SourceID: "router",
			Tags: []metric.Label{{Name: "deployment", Value: "cf"}, {Name: "job", Value: "router"}},
		}
		if i%2 == 0 {
			names[i].Name = "memoryStats.numBytesAllocated"
			names[i].Tags = append(names[i].Tags, metric.Label{Name: "ip", Value: fmt.Sprintf("10.0.%d.%d", i/250, i%250)})
		}
	}
	return names
}

func catalogueSide(tb testing.TB, namespace string, rules ...tagger.Source) *Side {
	tb.Helper()
	t, _, err := tagger.New(tagger.Options{UserRules: rules, Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		tb.Fatal(err)
	}
	return &Side{Own: &resolver.Options{Tagger: t, Naming: naming.Style{Namespace: namespace}}}
}

// BenchmarkCompare compares 50,000 names, of which a rule changes half, or a setting all.
func BenchmarkCompare(b *testing.B) {
	names := manyNames(50_000)
	rule := tagger.Source{File: "new.yaml", Data: []byte("version: 1\nrules:\n" +
		"  - {id: queues, pattern: \"queue.{queue}.{leaf}\", name: \"queue.{leaf}\"}\n")}
	before := catalogueSide(b, "cf")
	for _, tt := range []struct {
		name  string
		after *Side
	}{{"nothing", before}, {"rule", catalogueSide(b, "cf", rule)}, {"setting", catalogueSide(b, "foundation")}} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compare(b.Context(), slices.Values(names), before, tt.after, Options{MaxChanges: 100}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
