package tagger_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

// holds checks what must be true of every result, and that a trace changes none.
func holds(t *testing.T, tg *tagger.Tagger, s *tagger.Subject) {
	t.Helper()
	var r, traced tagger.Result
	tg.Apply(s, &r, nil)
	tg.Apply(s, &traced, &tagger.Trace{})
	if diff := cmp.Diff(r, traced); diff != "" {
		t.Errorf("a trace changes the result: %s", diff)
	}
	if s.Name != "" && r.Base == "" {
		t.Errorf("%q: no name is left", s.Name)
	}
	for _, labels := range [][]metric.Label{r.Tags, r.OriginTags} {
		seen := make(map[string]bool)
		for _, l := range labels {
			if seen[l.Name] || l.Name == "" || l.Value == "" {
				t.Errorf("%q: tag %q=%q is there twice or empty", s.Name, l.Name, l.Value)
			}
			seen[l.Name] = true
		}
	}
}

func FuzzRules(f *testing.F) {
	text, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		f.Fatal(err)
	}
	for _, block := range fenced.FindAllSubmatch(text, -1) {
		f.Add(block[2], "router__0.memoryStats.numFrees", "cc")
	}
	bad, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range bad {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "a.b.c", "x__1")
	}
	f.Fuzz(func(t *testing.T, rules []byte, name, origin string) {
		tg, _, err := tagger.New(tagger.Options{UserRules: []tagger.Source{{File: "r.yaml", Data: rules}}, Quarantine: true})
		if err != nil {
			if !strings.Contains(err.Error(), "r.yaml") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		holds(t, tg, &tagger.Subject{Name: name, Origin: origin})
	})
}

func FuzzNames(f *testing.F) {
	text, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		f.Fatal(err)
	}
	var rules []tagger.Source
	for _, block := range fenced.FindAllSubmatch(text, -1) {
		if string(block[1]) == "rules" {
			rules = append(rules, tagger.Source{File: "rules.md", Data: block[2]})
			continue
		}
		if cases, err := tagger.ReadTests("rules.md", block[2]); err == nil {
			for _, c := range cases.Cases {
				f.Add(c.Given.Name, c.Given.Origin, c.Given.Unit)
			}
		}
	}
	for _, name := range []string{
		"", ".", "/", "a..b", "\x00", "\xff.\xfe", strings.Repeat("a.", 500), strings.Repeat("_", 1024), "{x}", "a\nb",
	} {
		f.Add(name, name, name)
	}
	for i := range rules {
		rules[i].File = "doc" + string(rune('a'+i)) + ".yaml"
	}
	tg, _, err := tagger.New(tagger.Options{UserRules: rules, Quarantine: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, origin, unit string) {
		holds(t, tg, &tagger.Subject{Name: name, Origin: origin, Unit: unit, Kind: metric.KindGauge})
	})
}
