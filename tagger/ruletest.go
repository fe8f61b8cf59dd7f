package tagger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"loggregator_exporter/metric"
)

// TestFile is a file of unit tests for rules.
type TestFile struct {
	File string
	// RulesFiles are the rule files under test, relative to the test file; Catalogue and Quarantine say whether the
	// built-in rules and the quarantine take part (true unless the file says false).
	RulesFiles            []string
	Catalogue, Quarantine bool
	// HasRules says that the file is a rule file itself, which is under test, too.
	HasRules bool
	Cases    []TestCase
}

// TestCase is one metric and what rules should make of it.
type TestCase struct {
	Title        string
	Line, Column int
	Given        Subject
	expect       []expectation
}

// expectation is what a case expects of one key, in the form in which describe returns it.
type expectation struct{ key, want string }

// A test file as written.
type (
	testFileKeys struct {
		RulesFiles []text `yaml:"rules_files"`
		Catalogue  bool   `yaml:"catalogue"`
		Quarantine bool   `yaml:"quarantine"`
		ruleFile
	}

	testKeys struct {
		Title  string     `yaml:"title"`
		Given  *givenKeys `yaml:"given"`
		Expect *yaml.Node `yaml:"expect"` // of expectKeys
	}

	givenKeys struct {
		Name     string     `yaml:"name"`
		Origin   string     `yaml:"origin"`
		Unit     string     `yaml:"unit"`
		SourceID string     `yaml:"source_id"`
		Kind     *text      `yaml:"kind"`
		Tags     []textPair `yaml:"tags"`
	}

	expectKeys struct {
		Base         string     `yaml:"base"`
		Tags         []textPair `yaml:"tags"`
		OriginTags   []textPair `yaml:"origin_tags"`
		Metric       string     `yaml:"metric"`
		Labels       []textPair `yaml:"labels"`
		Kind         string     `yaml:"kind"`
		Unit         string     `yaml:"unit"`
		Help         string     `yaml:"help"`
		Rule         string     `yaml:"rule"`
		Expire       string     `yaml:"expire"`
		Buckets      []text     `yaml:"buckets"`
		Dropped      string     `yaml:"dropped"`
		DropLabels   []text     `yaml:"drop_labels"`
		RenameLabels []textPair `yaml:"rename_labels"`
	}
)

// Resolved is the series that a metric becomes.
type Resolved struct {
	Metric string
	Labels []metric.Label
}

// Resolver turns what rules made of a metric into the series as it would be exposed.
type Resolver func(*Subject, *Result) Resolved

// TestResult is the outcome of one case, which passed if there are no failures.
type TestResult struct {
	Title    string
	Place    string // file:line:column
	Failures []string
	Took     time.Duration
}

// ReadTests reads a file of rule tests. It returns all errors, joined, each a *FileError.
func ReadTests(file string, data []byte) (*TestFile, error) {
	d := &document{file: file}
	keys := testFileKeys{Catalogue: true, Quarantine: true}
	if root := d.root(data); root != nil {
		d.decode(root, "the file", &keys)
	}
	f := &TestFile{File: file, Catalogue: keys.Catalogue, Quarantine: keys.Quarantine}
	f.HasRules = len(keys.Rules)+len(keys.Origins)+len(keys.Metrics) > 0
	for _, t := range keys.RulesFiles {
		f.RulesFiles = append(f.RulesFiles, t.s)
	}
	for _, n := range keys.Tests {
		f.Cases = append(f.Cases, readCase(d, n))
	}
	if len(f.Cases) == 0 && d.failed == 0 {
		d.failAt(text{}, "the file holds no tests: add a list under tests")
	}
	if d.failed > 0 {
		return nil, errors.Join(d.errors()...)
	}
	return f, nil
}

func readCase(d *document, n *yaml.Node) TestCase {
	before := d.failed
	var keys testKeys
	d.decode(n, "the test", &keys)
	c := TestCase{Title: keys.Title, Line: n.Line, Column: n.Column}
	if keys.Given == nil {
		d.fail(n, "the test has no given: say at least given: {name: ...}")
	} else {
		c.Given = keys.Given.subject(d, valueNode(n, "given"))
	}
	if keys.Expect != nil {
		c.expect = readExpectations(d, keys.Expect)
	}
	if len(c.expect) == 0 && d.failed == before {
		d.fail(n, "the test expects nothing: add expect, such as expect: {base: ..., tags: {...}}")
	}
	if c.Title == "" {
		c.Title = strings.TrimSpace(c.Given.Origin + " " + c.Given.Name)
	}
	return c
}

// ReadGiven reads a metric as it is sent: a name, or an object with the keys of given in a test, such as
// {name: ..., origin: ..., kind: counter}.
func ReadGiven(given string) (Subject, error) {
	if !strings.HasPrefix(given, "{") {
		return Subject{Name: given, Kind: metric.KindGauge}, nil
	}
	d := &document{file: "given"}
	var s Subject
	if root := d.root([]byte(given)); root != nil {
		var keys givenKeys
		d.decode(root, "given", &keys)
		s = keys.subject(d, root)
	}
	if d.failed > 0 {
		return s, errors.New(d.errs[0].Message) // there is one line, which needs no place
	}
	return s, nil
}

func (k *givenKeys) subject(d *document, n *yaml.Node) Subject {
	s := Subject{
		Origin: k.Origin, Name: k.Name, Unit: k.Unit, Kind: metric.KindGauge, SourceID: k.SourceID, Tags: labelsOf(k.Tags),
	}
	if k.Kind != nil {
		s.Kind = checkKind(d, *k.Kind, kindNames())
	}
	if s.Name == "" {
		d.fail(n, "given has no name: say name: ...")
	}
	return s
}

func readExpectations(d *document, n *yaml.Node) []expectation {
	var k expectKeys
	given := d.decode(n, "expect", &k)
	if expiry, err := time.ParseDuration(k.Expire); err == nil {
		k.Expire = expiry.String()
	}
	joined := func(items []text) string {
		var all []string
		for _, t := range items {
			all = append(all, t.s)
		}
		return strings.Join(all, ", ")
	}
	labels := func(pairs []textPair) string { return labelText(labelsOf(pairs)) }
	wanted := map[string]string{
		"base": k.Base, "tags": labels(k.Tags), "origin_tags": labels(k.OriginTags), "metric": k.Metric,
		"labels": labels(k.Labels), "kind": k.Kind, "unit": k.Unit, "help": k.Help, "rule": k.Rule, "expire": k.Expire,
		"buckets": joined(k.Buckets), "dropped": k.Dropped, "drop_labels": joined(k.DropLabels),
		"rename_labels": labels(k.RenameLabels),
	}
	var all []expectation
	for _, key := range given {
		all = append(all, expectation{key, wanted[key]})
	}
	return all
}

// describe returns what became of a metric, by the keys of expect.
func describe(r *Result, series *Resolved) map[string]string {
	var buckets []string
	for _, b := range r.Buckets {
		buckets = append(buckets, strconv.FormatFloat(b, 'g', -1, 64))
	}
	return map[string]string{
		"base": r.Base, "tags": labelText(r.Tags), "origin_tags": labelText(r.OriginTags), "metric": series.Metric,
		"labels": labelText(series.Labels), "kind": r.Kind.String(), "unit": r.Unit, "help": r.Help, "rule": r.Rule,
		"expire": r.Expiry.String(), "buckets": strings.Join(buckets, ", "), "dropped": strconv.FormatBool(r.Dropped),
		"drop_labels": strings.Join(r.DropLabels, ", "), "rename_labels": labelText(r.RenameLabels),
	}
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
	got := describe(&r, &series)
	var failures []string
	dropped := false
	for _, e := range c.expect {
		dropped = dropped || e == expectation{"dropped", "true"}
		if resolve == nil && (e.key == "metric" || e.key == "labels") {
			failures = append(failures, e.key+" cannot be checked here")
			continue
		}
		if got[e.key] != e.want {
			got, want := quoteUnlessList(e.key, got[e.key]), quoteUnlessList(e.key, e.want)
			failures = append(failures, fmt.Sprintf("%s: got %s, want %s", e.key, got, want))
		}
	}
	switch {
	case dropped || !r.Dropped:
	case r.Invalid != "":
		failures = append(failures, "invalid, which the test does not expect: "+r.Invalid)
	default:
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

// labelsOf returns the pairs as labels, sorted by name.
func labelsOf(pairs []textPair) []metric.Label {
	var labels []metric.Label
	for _, p := range pairs {
		labels = append(labels, metric.Label{Name: p.key.s, Value: p.value.s})
	}
	sortLabels(labels)
	return labels
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
