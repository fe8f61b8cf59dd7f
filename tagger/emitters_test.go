package tagger

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// emitted is a metric of emitters.tsv: what a component sends, and what its source says that it is.
type emitted struct {
	origin, name, kind, unit string
	measuredIn               string // canonical unit of the value
	differs                  string // why the catalogue gives another kind or unit than the envelope has
}

func (e emitted) String() string { return e.origin + ": " + e.name }

func readEmitted(t *testing.T) []emitted {
	t.Helper()
	var all []emitted
	for _, c := range readTable(t, "emitters.tsv", 8) {
		all = append(all, emitted{origin: c[1], name: c[2], kind: c[3], unit: c[4], measuredIn: c[5], differs: c[7]})
	}
	return all
}

// apply returns what the catalogue makes of the metric, and its name. The parts of histograms and summaries are
// counters and gauges; put together they are looked up without a unit.
func (e emitted) apply(tg *Tagger, result *Result) naming.Name {
	s := &Subject{Origin: e.origin, Name: e.name, Unit: e.unit, Kind: metric.KindGauge}
	typ := metric.TypeGauge
	switch e.kind {
	case "counter":
		s.Kind = metric.KindCounter
	case "histogram":
		typ = metric.TypeHistogram
	case "summary":
		typ = metric.TypeSummary
	}
	result.Reset()
	tg.Apply(s, result, nil)
	if typ == metric.TypeGauge {
		typ = typeOf(result.Kind)
	}
	return naming.Style{Namespace: "cf"}.Name(cmp.Or(result.MetricBase, result.Base), result.Unit, typ)
}

// TestEmitters compares the catalogue with the sources of the components: no counter of theirs becomes a gauge or
// the other way round, every value is taken in the unit that it is measured in, and every metric has a HELP text.
func TestEmitters(t *testing.T) {
	tg := newCatalogueTagger(t)
	var result Result
	for _, e := range readEmitted(t) {
		e.apply(tg, &result)
		if result.Help == "" {
			t.Errorf("%s: no help", e)
		}
		if result.Unit != e.measuredIn {
			t.Errorf("%s: unit %q, its source says %q", e, result.Unit, e.measuredIn)
		}
		sent := metric.KindGauge
		if e.kind == "counter" {
			sent = metric.KindCounter
		}
		composite := e.kind == "histogram" || e.kind == "summary"
		if differs := !composite && result.Kind != sent || contradicts(e.unit, result.Unit); differs != (e.differs != "") {
			t.Errorf("%s: kind %v, unit %q; sent as %v in %q; reason %q", e, result.Kind, result.Unit, sent, e.unit, e.differs)
		}
	}
}

// contradicts tells whether a unit as sent is one, and not the unit that the value is taken in.
func contradicts(sent, taken string) bool {
	return naming.CanonicalUnit(sent) != "" && naming.CanonicalUnit(sent) != taken
}

// TestUnitsOfCorpus: a unit that the corpus has is kept, since only fillers such as `count` are wrong in it.
func TestUnitsOfCorpus(t *testing.T) {
	for _, e := range exposeCorpus(t) {
		// Numbers of inodes, which mysql-metrics sends in "kb".
		inodes := strings.HasSuffix(e.base, "_inodes_used") || strings.HasSuffix(e.base, "_inodes_free")
		if contradicts(e.row.unit, e.unit) != inodes {
			t.Errorf("%s: unit %q, sent in %q", e.row, e.unit, e.row.unit)
		}
	}
}

// TestEmittedNames holds the names of all metrics of emitters.tsv to what Prometheus' users expect of names: also to
// one HELP text and one unit for the flat and the scraped form of a metric.
func TestEmittedNames(t *testing.T) {
	tg := newCatalogueTagger(t)
	var result Result
	said := make(map[string]string)
	for _, e := range readEmitted(t) {
		name := e.apply(tg, &result)
		text := result.Help + name.Unit
		if first, ok := said[name.Metric]; ok && first != text {
			t.Errorf("%s: %s has %q and %q", e, name.Metric, first, text)
		}
		said[name.Metric] = text
		words := strings.Split(name.Metric, "_")
		for i, word := range words[1:] {
			if word == words[i] && e.name != "log_cache_cache_period" && !strings.Contains(e.name, "batch_batch") {
				t.Errorf("%s: %s stutters", e, name.Metric)
			}
		}
		if strings.Count("_"+name.Metric+"_", "_total_") > 1 {
			t.Errorf("%s: %s says total twice", e, name.Metric)
		}
		if counter := result.Kind == metric.KindCounter; counter != strings.HasSuffix(name.Metric, "_total") {
			t.Errorf("%s: %s is a %v", e, name.Metric, result.Kind)
		}
		if name.Unit == "" && strings.HasSuffix(result.Unit, "seconds") && !slices.Contains(words, "seconds") {
			t.Errorf("%s: %s has no unit", e, name.Metric)
		}
	}
}
