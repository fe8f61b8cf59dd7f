package scaleout

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// exceptions are what docs/sharding.md and docs/histograms.md say of some series.
type exceptions struct {
	// twofold may be on two exporters for good: they are those that two raw names make together, such as rep's
	// memoryStats.x and rep.memoryStats.x; exporters are chosen by raw names. So may the sum of what the prom scraper
	// took apart: the exporter that has the buckets shows a sum of 0.
	twofold map[string]bool
	// changes come and go: the count of what the prom scraper took apart has one name on the exporter that has the
	// buckets or quantiles, and another elsewhere.
	changes map[string]bool
}

func (x *exceptions) has(set map[string]string) bool { return x.twofold[keyOf(set)] }

func newExceptions(t *testing.T, f *foundation.Foundation) *exceptions {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	m := config.Default().Metrics
	r := resolver.New(resolver.Options{Tagger: rules, Naming: naming.Style{Namespace: m.Namespace}})
	x := &exceptions{twofold: map[string]bool{}, changes: map[string]bool{}}
	whole, parts := foundation.Parts(f.Sent())
	names := map[string]string{}
	for _, sent := range whole {
		set := resolve(r, sent)
		key := keyOf(set)
		if before, known := names[key]; known && before != sent.Name {
			x.twofold[key] = true
		}
		names[key] = sent.Name
	}
	for _, sent := range parts {
		set := resolve(r, sent)
		if strings.HasSuffix(sent.Name, "_sum") {
			x.twofold[keyOf(set)] = true
		}
		if !strings.HasSuffix(sent.Name, "_count") {
			continue
		}
		x.changes[keyOf(set)] = true
		set["metric"] = strings.TrimSuffix(set["metric"], "_total")
		x.changes[keyOf(set)] = true
	}
	return x
}

// resolve returns the labels of what was sent, its name among them.
func resolve(r store.Resolver, sent foundation.Sent) map[string]string {
	id := store.Identity{Kind: sent.Kind, Name: sent.Name, Unit: sent.Unit, SourceID: sent.SourceID, InstanceID: sent.InstanceID}
	for _, tag := range slices.Sorted(maps.Keys(sent.Tags)) {
		id.Tags = append(id.Tags, metric.Label{Name: tag, Value: sent.Tags[tag]})
	}
	resolved := r.Resolve(&id)
	set := map[string]string{"metric": resolved.Metric}
	maps.Insert(set, metric.RenderLabels(resolved.Labels).All())
	return set
}
