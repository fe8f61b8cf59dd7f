package diff

import (
	"fmt"
	"slices"
	"testing"
	"time"

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

// change is a new side, and what a comparison with the old one may allocate for each name.
type change struct {
	name   string
	after  *Side
	allocs float64
}

// changes are an old side and new ones: the same, one with a rule that changes half of the names, and one with a setting
// that changes all of them.
func changes(tb testing.TB) (before *Side, all []change) {
	tb.Helper()
	rule := tagger.Source{File: "new.yaml", Data: []byte("version: 1\nrules:\n" +
		"  - {id: queues, pattern: \"queue.{queue}.{leaf}\", name: \"queue.{leaf}\"}\n")}
	before = catalogueSide(tb, "cf")
	own := *before.Own
	own.Naming.Namespace = "foundation"
	return before, []change{
		{"nothing", before, 50}, {"rule", catalogueSide(tb, "cf", rule), 80}, {"setting", &Side{Own: &own}, 90},
	}
}

// resolve makes the series of names, which each side of a comparison has to do.
func resolve(tb testing.TB, m *made, names []*Name) {
	tb.Helper()
	for _, n := range names {
		id, ok := m.identity(n, ofName)
		if !ok {
			tb.Fatal(n)
		}
		r := m.resolver.Resolve(id)
		metric.RenderLabels(r.Labels)
	}
}

// BenchmarkCompare compares 50,000 names, and says how many times as long as to make the series of both sides it takes.
func BenchmarkCompare(b *testing.B) {
	names := manyNames(50_000)
	before, all := changes(b)
	for _, tt := range all {
		b.Run(tt.name, func(b *testing.B) {
			made, err := before.make(len(names))
			if err != nil {
				b.Fatal(err)
			}
			var resolving, comparing time.Duration
			for b.Loop() {
				start := time.Now()
				resolve(b, made, names)
				resolve(b, made, names)
				resolving += time.Since(start)
				start = time.Now()
				if _, err := Compare(b.Context(), slices.Values(names), before, tt.after, Options{MaxChanges: 100}); err != nil {
					b.Fatal(err)
				}
				comparing += time.Since(start)
			}
			b.ReportMetric(float64(comparing.Nanoseconds())/float64(b.N), "ns/op")
			b.ReportMetric(float64(comparing)/float64(resolving), "times-resolving")
		})
	}
}

// TestAllocsOfCompare: memory is mostly allocated to make series: some 20 times for each name and side.
func TestAllocsOfCompare(t *testing.T) {
	names := manyNames(2000)
	before, all := changes(t)
	for _, tt := range all {
		allocs := testing.AllocsPerRun(1, func() {
			if _, err := Compare(t.Context(), slices.Values(names), before, tt.after, Options{MaxChanges: 100}); err != nil {
				t.Error(err)
			}
		})
		if each := allocs / float64(len(names)); each > tt.allocs {
			t.Errorf("%s: %.1f allocations for each name, want %g at most", tt.name, each, tt.allocs)
		}
	}
}
