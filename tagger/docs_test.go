package tagger_test

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

var fenced = regexp.MustCompile("(?ms)^```yaml (rules|tests|mappings)\n(.*?)^```$")

// named resolves metrics by the default naming. Labels are not for this page.
func named(_ *tagger.Subject, r *tagger.Result) tagger.Resolved {
	name := naming.Style{Namespace: "cf"}.Name(cmp.Or(r.MetricBase, r.Base), r.Unit, metric.TypeGauge)
	return tagger.Resolved{Metric: name.Metric}
}

// TestDocumentation runs every example of docs/rules.md: each block of rules with the block of tests behind it.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules []tagger.Source
	ran := 0
	for _, block := range fenced.FindAllSubmatchIndex(text, -1) {
		kind, body := string(text[block[2]:block[3]]), text[block[4]:block[5]]
		line := strings.Count(string(text[:block[4]]), "\n")
		file := fmt.Sprintf("rules.md+%d", line)
		if kind != "tests" {
			rules = append(rules, tagger.Source{File: file, Data: body})
			continue
		}
		f, err := tagger.ReadTests(file, body)
		if err != nil {
			t.Fatal(err)
		}
		tg, warnings, err := tagger.New(tagger.Options{UserRules: rules, Quarantine: f.Quarantine})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range warnings {
			t.Error(w)
		}
		for _, r := range f.Run(tg, named) {
			ran++
			for _, failure := range r.Failures {
				t.Errorf("%s: %s: %s", r.Place, r.Title, failure)
			}
		}
		rules = nil
	}
	if len(rules) > 0 || ran < 45 {
		t.Errorf("%d tests ran, and %d blocks of rules have no tests", ran, len(rules))
	}
}
