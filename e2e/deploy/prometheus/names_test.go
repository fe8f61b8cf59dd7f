package prometheus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

// fromEnvelope are labels that any metric of the platform may have, and job and instance, which Prometheus adds.
var fromEnvelope = []string{
	"environment", "bosh_deployment", "bosh_job_name", "bosh_job_id", "bosh_job_ip", "origin", "source_id", "instance_id", "component", "index", "job", "instance",
}

// vocabulary is the labels of all metrics that can be, by name.
type vocabulary map[string]map[string]bool

func (v vocabulary) add(name string, labelNames ...string) {
	if v[name] == nil {
		v[name] = map[string]bool{}
		for _, l := range fromEnvelope {
			v[name][l] = true
		}
	}
	for _, l := range labelNames {
		v[name][l] = true
	}
}

// explained adds what the exporter makes of the names of the corpus and of the built-in catalogue.
func (v vocabulary) explained(t *testing.T, exporter string) {
	t.Helper()
	root := peer.Root(t)
	var input bytes.Buffer
	for line := range strings.Lines(string(read(t, filepath.Join(root, "tagger", "testdata", "corpus", "names.tsv")))) {
		if f := strings.Split(line, "\t"); f[1] != "raw_name" {
			_, _ = fmt.Fprintf(&input, "%s\t%s\t%s\t%s\n", f[0], f[1], f[2], f[3])
		}
	}
	catalogue, err := filepath.Glob(filepath.Join(root, "tagger", "catalogue", "*.yaml"))
	if err != nil || len(catalogue) == 0 {
		t.Fatal(catalogue, err)
	}
	for _, file := range catalogue {
		var content struct {
			Metrics []struct {
				Name any
				Kind string
			}
		}
		if err := yaml.Unmarshal(read(t, file), &content); err != nil {
			t.Fatal(file, err)
		}
		for _, m := range content.Metrics {
			names, several := m.Name.([]any)
			if !several {
				names = []any{m.Name}
			}
			for _, name := range names {
				if !strings.Contains(fmt.Sprint(name), "{") { // a pattern
					_, _ = fmt.Fprintf(&input, "\t%s\t%s\t\n", name, m.Kind)
				}
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), exporter, "explain", "-o", "json")
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = &input, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err, errs.String())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct {
			Metric string
			Labels map[string]string
		}
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		v.add(e.Metric)
		for l := range e.Labels {
			v.add(e.Metric, l)
		}
	}
}

var (
	pageLine = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? \S+$`)
	pageName = regexp.MustCompile(`(?:^|,)(\w+)="`)
	docLine  = regexp.MustCompile("(?m)^\\| `(loggregator_exporter_\\w+)` \\| (\\w+) \\|([^|]*)\\|")
)

// exposed adds what stands on a page of the demo, once every VM's metrics are there.
func (v vocabulary) exposed(t *testing.T, address string) {
	t.Helper()
	size := 0
	peer.Until(peer.Within(t, peer.Patience), t, "a page that grows no more", func() string {
		before := size
		if size = bytes.Count(peer.Get(t, "http://"+address+"/metrics").Body, []byte("\ncf_")); size == before && size > 4000 {
			return ""
		}
		return fmt.Sprintf("%d series, then %d", before, size)
	})
	for _, m := range pageLine.FindAllSubmatch(peer.Get(t, "http://"+address+"/metrics").Body, -1) {
		v.add(string(m[1]))
		for _, l := range pageName.FindAllSubmatch(m[2], -1) {
			v.add(string(m[1]), string(l[1]))
		}
		// A native histogram has the name alone.
		if name, histogram := strings.CutSuffix(string(m[1]), "_count"); histogram {
			v.add(name)
			for _, l := range pageName.FindAllSubmatch(m[2], -1) {
				v.add(name, string(l[1]))
			}
		}
	}
}

// documented adds the exporter's own metrics, as their documentation, which a test of its own holds against the
// exporter, tells of them.
func (v vocabulary) documented(t *testing.T) {
	t.Helper()
	for _, m := range docLine.FindAllSubmatch(read(t, filepath.Join(peer.Root(t), "docs", "metrics.md")), -1) {
		name := string(m[1])
		v[name] = map[string]bool{"job": true, "instance": true}
		for l := range strings.FieldsFuncSeq(string(m[3]), func(r rune) bool { return strings.ContainsRune("`, ", r) }) {
			v.add(name, l)
		}
		if string(m[2]) == "histogram" {
			v.add(name+"_bucket", "le")
		}
	}
}

// fromPrometheus are names that Prometheus itself makes for each target.
var fromPrometheus = []string{"up", "scrape_duration_seconds"}

// TestNames: every metric and every label that a rule speaks of is one that the exporter makes of a real name, or a
// rule before it.
func TestNames(t *testing.T) {
	exporter := peer.Exporter(t)
	known := vocabulary{}
	known.explained(t, exporter)
	known.exposed(t, startDemo(t, exporter))
	known.documented(t)
	for _, name := range fromPrometheus {
		known.add(name)
	}
	alerts, records := rules(t)
	for _, r := range records {
		known.add(r.Record)
		for name := range selectors(t, r.Expr) {
			for l := range known[name] {
				known.add(r.Record, l)
			}
		}
	}
	for _, r := range slices.Concat(records, alerts) {
		used := vocabulary{}
		for name, matchers := range selectors(t, r.Expr) {
			if known[name] == nil {
				t.Errorf("%s%s: no %s is made", r.Record, r.Alert, name)
			}
			for l := range known[name] {
				used.add("", l)
			}
			for _, m := range matchers {
				if !known[name][m.Name] {
					t.Errorf("%s%s: %s has no label %s", r.Record, r.Alert, name, m.Name)
				}
			}
		}
		for _, l := range grouping(t, r.Expr) {
			if !used[""][l] {
				t.Errorf("%s%s: no label %s to group by", r.Record, r.Alert, l)
			}
		}
	}
	runbookNames(t, known)
}

// grouping are the labels that an expression groups by.
func grouping(t *testing.T, text string) []string {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if a, ok := node.(*parser.AggregateExpr); ok {
			out = append(out, a.Grouping...)
		}
		return nil
	})
	return out
}

var (
	codeBlock = regexp.MustCompile("(?s)```promql\n(.*?)```")
	codeWord  = regexp.MustCompile("`((?:cf|loggregator_exporter)_\\w+)")
)

// runbookNames: the runbook speaks of metrics that there are, in queries that can be asked.
func runbookNames(t *testing.T, known vocabulary) {
	t.Helper()
	text := read(t, filepath.Join(peer.Root(t), "docs", "runbook.md"))
	for _, m := range codeWord.FindAllSubmatch(text, -1) {
		if known[string(m[1])] == nil {
			t.Errorf("the runbook speaks of %s, which is not made", m[1])
		}
	}
	for _, m := range codeBlock.FindAllSubmatch(text, -1) {
		for query := range strings.Lines(string(m[1])) {
			for name, matchers := range selectors(t, query) {
				if known[name] == nil {
					t.Errorf("the runbook asks for %s, which is not made: %s", name, query)
				}
				if i := slices.IndexFunc(matchers, func(l *labels.Matcher) bool { return !known[name][l.Name] }); known[name] != nil && i >= 0 {
					t.Errorf("%s has no label %s: %s", name, matchers[i].Name, query)
				}
			}
		}
	}
}
