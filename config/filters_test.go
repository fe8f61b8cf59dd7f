package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/nozzle/filter"
)

// TestFilters: filters come out of the file as they were written, one pattern or many.
func TestFilters(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "c.yml", `
nozzle:
  filters:
    - keep: {app_name: billing, kind: [timer, counter]}
    - drop: {Name: x}
`)
	if _, _, err := load(t, "-c", "c.yml"); err == nil {
		t.Error("keys are matched whatever their case")
	}
	writeFile(t, "c.yml", `
nozzle:
  filters:
    - keep: {app_name: billing, kind: [timer, counter]}
    - drop: {source_id: "a*", org: [o], space: s, app_id: "?", deployment: cf, origin: [rep, bbs], name: x}
    - drop: {}
`)
	cfg, _, err := load(t, "-c", "c.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := []filter.Filter{
		{Keep: &filter.Match{AppName: []string{"billing"}, Kind: []string{"timer", "counter"}}},
		{Drop: &filter.Match{
			SourceID: []string{"a*"}, Org: []string{"o"}, Space: []string{"s"}, AppID: []string{"?"},
			Deployment: []string{"cf"},
			Origin:     []string{"rep", "bbs"}, Name: []string{"x"},
		}},
		{Drop: &filter.Match{}},
	}
	if diff := cmp.Diff(want, cfg.Nozzle.Stream.Filters); diff != "" {
		t.Error(diff)
	}
}

// TestDocsFilters: the example in the documentation works.
func TestDocsFilters(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "\n## Filters\n")
	_, example, _ = strings.Cut(example, "\n    nozzle:\n")
	example, _, ok := strings.Cut(example, "\n\n")
	if !ok {
		t.Fatalf("%s has no example of filters", docsPath)
	}
	t.Chdir(t.TempDir())
	writeFile(t, "c.yml", "nozzle:\n"+strings.ReplaceAll(example, "\n    ", "\n")[4:])
	cfg, _, err := load(t, "-c", "c.yml")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.Nozzle.Stream.Filters); n != 5 {
		t.Errorf("%d filters", n)
	}
}
