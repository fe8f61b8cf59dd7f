package tagger

import (
	"cmp"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// catalogueEntry is what a metrics entry of the catalogue says of one name, or of one pattern without alternatives.
type catalogueEntry struct{ file, name, when, metric, kind, unit, help string }

func readCatalogueEntries(t *testing.T) []catalogueEntry {
	t.Helper()
	files, err := fs.Glob(catalogue.Files(), "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, error %v", files, err)
	}
	var all []catalogueEntry
	for _, file := range files {
		data, err := fs.ReadFile(catalogue.Files(), file)
		if err != nil {
			t.Fatal(err)
		}
		var content struct {
			Metrics []struct {
				Name                     yaml.Node
				When                     map[string]any
				Metric, Kind, Unit, Help string
			}
		}
		if err := yaml.Unmarshal(data, &content); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, m := range content.Metrics {
			names := []*yaml.Node{&m.Name}
			if m.Name.Kind == yaml.SequenceNode {
				names = m.Name.Content
			}
			for _, n := range names {
				alternatives, err := parsePattern(n.Value, nil)
				if err != nil {
					t.Fatalf("%s: %s: %v", file, n.Value, err)
				}
				for _, name := range alternatives {
					all = append(all, catalogueEntry{file, name.String(), fmt.Sprint(m.When), m.Metric, m.Kind, m.Unit, m.Help})
				}
			}
		}
	}
	return all
}

// TestCatalogueEntriesAgree: no base name is described twice, and base names that end in one metric name have one
// help text, one kind and one unit: HELP and TYPE of a family must not depend on what arrives first.
func TestCatalogueEntriesAgree(t *testing.T) {
	byBase, byName := make(map[string]catalogueEntry), make(map[string]catalogueEntry)
	for _, e := range readCatalogueEntries(t) {
		if e.help == "" {
			if e.when == "map[]" {
				t.Errorf("%s: %s has no help", e.file, e.name)
			}
			continue // it corrects what the envelope says
		}
		if first, ok := byBase[e.name+e.when]; ok {
			t.Errorf("%s and %s both describe %s", first.file, e.file, e.name)
		}
		byBase[e.name+e.when] = e
		if strings.Contains(e.name, "{") {
			continue
		}
		typ := metric.TypeGauge
		if e.kind == "counter" {
			typ = metric.TypeCounter
		}
		name := naming.Style{Namespace: "cf"}.Name(cmp.Or(e.metric, e.name), naming.CanonicalUnit(e.unit), typ)
		if e.unit == "none" && (name.Unit != "" || name.Mul != 1 || name.Div != 1) {
			t.Errorf("%s: %s has no unit, and becomes %s in %s", e.file, e.name, name.Metric, name.Unit)
		}
		first, ok := byName[name.Metric]
		if ok && (first.kind != e.kind || first.help != e.help || baseUnit(first.unit) != baseUnit(e.unit)) {
			t.Errorf("%s: %s (%s) and %s (%s) differ", name.Metric, first.name, first.file, e.name, e.file)
		}
		byName[name.Metric] = e
	}
}

func baseUnit(spelt string) string {
	return naming.Style{}.Name("x", naming.CanonicalUnit(spelt), metric.TypeGauge).Unit
}
