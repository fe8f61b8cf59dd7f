package compat_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/compat"
)

func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// gone are the patterns of names that the documentation says are emitted no longer.
func gone(t *testing.T) []string {
	t.Helper()
	_, table, ok := strings.Cut(
		strings.Join(lines(t, "../docs/firehose-exporter.md"), "\n"),
		"\n## Names that are gone\n",
	)
	if !ok {
		t.Fatal("no such section")
	}
	var patterns []string
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			patterns = append(patterns, m[1])
		}
	}
	return patterns
}

// exposedNames are the names of the samples that a page has after components sent what they send: all metrics of the
// corpus, those that the dashboards query beside them, container metrics and a request.
func exposedNames(t *testing.T) map[string]bool {
	t.Helper()
	h := newHarness(t, compat.Options{Namespace: "firehose", Environment: "test", NodeIndex: "0"})
	for _, file := range []string{"testdata/firehose_exporter.tsv", "testdata/boshrelease_metrics.tsv"} {
		for _, line := range lines(t, file)[1:] {
			f := strings.Split(line, "\t")
			e := &loggregator_v2.Envelope{Timestamp: 1, SourceId: f[0], Tags: map[string]string{"origin": f[0]}}
			if f[2] == "counter" {
				e.Message = &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: f[1], Total: 1}}
			} else {
				e.Message = &loggregator_v2.Envelope_Gauge{
					Gauge: &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{f[1]: {Value: 1}}},
				}
			}
			h.send(e)
		}
	}
	usage := map[string]*loggregator_v2.GaugeValue{
		"cpu":          {},
		"memory":       {},
		"disk":         {},
		"memory_quota": {},
		"disk_quota":   {},
	}
	h.send(
		&loggregator_v2.Envelope{
			SourceId: "a",
			Message:  &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: usage}},
		},
		&loggregator_v2.Envelope{
			SourceId: "gorouter",
			Tags:     map[string]string{"content_length": "5"},
			Message: &loggregator_v2.Envelope_Timer{
				Timer: &loggregator_v2.Timer{Name: "http", Start: 1, Stop: 2},
			},
		},
	)
	names := map[string]bool{}
	for line := range strings.Lines(h.scrape()) {
		if name, _, ok := strings.Cut(line, "{"); ok && line[0] != '#' {
			names[name] = true
		}
	}
	return names
}

// TestBoshreleaseQueries: every name that dashboards and alerts of prometheus-boshrelease query is exposed, or
// documented as gone.
func TestBoshreleaseQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, patterns := exposedNames(t), gone(t)
		used := map[string]bool{}
		queries := lines(t, "testdata/boshrelease_queries_use.txt")
		if len(queries) < 288 {
			t.Fatalf("%d queries", len(queries))
		}
		for _, q := range queries {
			i := slices.IndexFunc(patterns, func(p string) bool {
				ok, err := path.Match(p, q)
				return ok && err == nil
			})
			switch {
			case i < 0 && !names[q]:
				t.Errorf("%s is neither exposed nor said to be gone", q)
			case i >= 0 && names[q]:
				t.Errorf("%s is exposed, and said to be gone (%s)", q, patterns[i])
			case i >= 0:
				used[patterns[i]] = true
			}
		}
		for _, p := range patterns {
			if !used[p] {
				t.Errorf("%s is said to be gone, and nobody asks for it", p)
			}
		}
	})
}
