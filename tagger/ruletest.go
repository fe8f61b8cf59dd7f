package tagger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/metric"
)

// TestFile is a file of unit tests for rules.
type TestFile struct {
	File string
	// RulesFiles are the rule files under test, relative to the test file; Catalogue and Quarantine say whether the built-in
	// rules and the quarantine take part (true unless the file says false).
	RulesFiles            []string
	Catalogue, Quarantine bool
	Cases                 []TestCase
}

// TestCase is one metric and what rules should make of it.
type TestCase struct {
	Title        string
	Line, Column int
	Given        Subject
	expect       []expectation
}

// expectation is one thing that a case expects, in the words of the file.
type expectation struct {
	key, want string
}

// Resolved is the series that a metric becomes.
type Resolved struct {
	Metric string
	Labels []metric.Label
}

// Resolver turns what rules made of a metric into the series as it would be exposed.
type Resolver func(*Subject, *Result) Resolved

// TestResult is the outcome of one case: it passed if there are no failures.
type TestResult struct {
	Title    string
	Place    string // file:line:column
	Failures []string
	Took     time.Duration
}

// ReadTests reads a file of rule tests. All its errors are returned, joined, each a *FileError.
func ReadTests(file string, data []byte) (*TestFile, error) {
	d := &document{file: file}
	f := &TestFile{File: file, Catalogue: true, Quarantine: true}
	if root := d.root(data); root != nil {
		d.fields(root, "the file", map[string]func(*yaml.Node){
			"rules_files": func(n *yaml.Node) {
				for _, t := range d.list(n, "rules_files") {
					f.RulesFiles = append(f.RulesFiles, t.s)
				}
			},
			"catalogue":  func(n *yaml.Node) { f.Catalogue = d.flag(n, "catalogue") },
			"quarantine": func(n *yaml.Node) { f.Quarantine = d.flag(n, "quarantine") },
			"tests": func(n *yaml.Node) {
				d.items(n, "tests", func(n *yaml.Node) { f.Cases = append(f.Cases, readCase(d, n)) })
			},
		})
	}
	if len(f.Cases) == 0 && len(d.errs) == 0 {
		d.failAt(0, 0, "the file holds no tests: add a list under tests")
	}
	if len(d.errs) > 0 {
		return nil, errors.Join(d.sorted()...)
	}
	return f, nil
}

func readCase(d *document, n *yaml.Node) TestCase {
	c := TestCase{Line: n.Line, Column: n.Column}
	given, before := false, len(d.errs)
	d.fields(n, "the test", map[string]func(*yaml.Node){
		"title":  func(n *yaml.Node) { t, _ := d.scalar(n, "title"); c.Title = t.s },
		"given":  func(n *yaml.Node) { c.Given = readSubject(d, n); given = true },
		"expect": func(n *yaml.Node) { c.expect = readExpectations(d, n) },
	})
	switch {
	case !given:
		d.fail(n, "the test has no given: say at least given: {name: ...}")
	case len(c.expect) == 0 && len(d.errs) == before:
		d.fail(n, "the test expects nothing: add expect, such as expect: {base: ..., tags: {...}}")
	}
	if c.Title == "" {
		c.Title = strings.TrimSpace(c.Given.Origin + " " + c.Given.Name)
	}
	return c
}

func readSubject(d *document, n *yaml.Node) Subject {
	s := Subject{Kind: metric.KindGauge}
	one := func(dst *string, what string) func(*yaml.Node) {
		return func(n *yaml.Node) { t, _ := d.scalar(n, what); *dst = t.s }
	}
	d.fields(n, "given", map[string]func(*yaml.Node){
		"name": one(&s.Name, "name"), "origin": one(&s.Origin, "origin"), "unit": one(&s.Unit, "unit"), "source_id": one(&s.SourceID, "source_id"),
		"kind": func(n *yaml.Node) {
			t, _ := d.scalar(n, "kind")
			if s.Kind, _ = metric.ParseKind(t.s); !slices.Contains(kindNames(), t.s) {
				d.fail(n, "no kind %q: use %s", t.s, strings.Join(kindNames(), ", "))
			}
		},
		"tags": func(n *yaml.Node) {
			for _, p := range readTexts(d, n, "tags") {
				s.Tags = append(s.Tags, metric.Label{Name: p.key.s, Value: p.value.s})
			}
		},
	})
	if s.Name == "" {
		d.fail(n, "given has no name: say name: ...")
	}
	sortLabels(s.Tags)
	return s
}

func readExpectations(d *document, n *yaml.Node) []expectation {
	var all []expectation
	known := make(map[string]func(*yaml.Node))
	for _, key := range []string{"base", "kind", "unit", "help", "rule", "expire", "metric", "dropped"} {
		known[key] = func(n *yaml.Node) {
			t, _ := d.scalar(n, key)
			want := t.s
			if v, err := time.ParseDuration(t.s); key == "expire" && err == nil {
				want = v.String()
			}
			all = append(all, expectation{key, want})
		}
	}
	for _, key := range []string{"tags", "origin_tags", "labels", "rename_labels"} {
		known[key] = func(n *yaml.Node) {
			labels := []metric.Label{}
			for _, p := range readTexts(d, n, key) {
				labels = append(labels, metric.Label{Name: p.key.s, Value: p.value.s})
			}
			all = append(all, expectation{key, labelText(labels)})
		}
	}
	for _, key := range []string{"drop_labels", "buckets"} {
		known[key] = func(n *yaml.Node) {
			var items []string
			for _, t := range d.list(n, key) {
				items = append(items, t.s)
			}
			all = append(all, expectation{key, strings.Join(items, ", ")})
		}
	}
	d.fields(n, "expect", known)
	return all
}

// Run runs the cases against compiled rules. resolve may be nil; cases that expect a metric or labels then fail.
func (f *TestFile) Run(t *Tagger, resolve Resolver) []TestResult {
	results := make([]TestResult, 0, len(f.Cases))
	for i := range f.Cases {
		c := &f.Cases[i]
		start := time.Now()
		failures := c.failures(t, resolve)
		results = append(results, TestResult{
			Title:    c.Title,
			Place:    place{f.File, c.Line, c.Column}.String(),
			Failures: failures,
			Took:     time.Since(start),
		})
	}
	return results
}

func (c *TestCase) failures(t *Tagger, resolve Resolver) []string {
	var r Result
	t.Apply(&c.Given, &r, nil)
	var series Resolved
	if resolve != nil && !r.Dropped {
		series = resolve(&c.Given, &r)
	}
	var failures []string
	dropped := false
	for _, e := range c.expect {
		dropped = dropped || e.key == "dropped" && e.want == "true"
		if resolve == nil && (e.key == "metric" || e.key == "labels") {
			failures = append(failures, e.key+" cannot be checked here")
			continue
		}
		if got := e.got(&r, &series); got != e.want {
			failures = append(failures, fmt.Sprintf("%s: got %s, want %s", e.key, quoteUnlessList(e.key, got), quoteUnlessList(e.key, e.want)))
		}
	}
	if r.Dropped && !dropped {
		failures = append(failures, fmt.Sprintf("dropped by rule %q, which the test does not expect", r.Rule))
	}
	return failures
}

func quoteUnlessList(key, s string) string {
	if strings.HasSuffix(key, "s") {
		return "{" + s + "}"
	}
	return strconv.Quote(s)
}

// got is what the rules made of the thing that is expected.
func (e *expectation) got(r *Result, series *Resolved) string {
	switch e.key {
	case "base":
		return r.Base
	case "kind":
		return r.Kind.String()
	case "unit":
		return r.Unit
	case "help":
		return r.Help
	case "rule":
		return r.Rule
	case "expire":
		return r.Expiry.String()
	case "dropped":
		return strconv.FormatBool(r.Dropped)
	case "metric":
		return series.Metric
	case "tags":
		return labelText(r.Tags)
	case "origin_tags":
		return labelText(r.OriginTags)
	case "labels":
		return labelText(series.Labels)
	case "rename_labels":
		return labelText(r.RenameLabels)
	case "drop_labels":
		return strings.Join(r.DropLabels, ", ")
	default: // buckets
		var items []string
		for _, b := range r.Buckets {
			items = append(items, strconv.FormatFloat(b, 'g', -1, 64))
		}
		return strings.Join(items, ", ")
	}
}

// labelText writes labels in the order of their names.
func labelText(labels []metric.Label) string {
	sorted := slices.Clone(labels)
	sortLabels(sorted)
	items := make([]string, len(sorted))
	for i, l := range sorted {
		items[i] = l.Name + "=" + strconv.Quote(l.Value)
	}
	return strings.Join(items, ", ")
}

func sortLabels(labels []metric.Label) {
	slices.SortFunc(labels, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
}
