package tagger

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"loggregator_exporter/metric"
)

// A rule file as written. compile.go makes rules of it.
type (
	ruleFile struct {
		Version *text        `yaml:"version"`
		Types   []pair       `yaml:"types"`
		Rules   []*yaml.Node `yaml:"rules"`   // of ruleSpec
		Origins []*yaml.Node `yaml:"origins"` // of originKeys
		Metrics []*yaml.Node `yaml:"metrics"` // of entryKeys
		Tests   []*yaml.Node `yaml:"tests"`   // of testKeys; they are run by ReadTests only
	}

	// ruleSpec is an item of any section: an item of origins or metrics has only some of the keys.
	ruleSpec struct {
		ID         *text          `yaml:"id"`
		Patterns   []text         `yaml:"pattern"` // in metrics the key is name
		Regex      *text          `yaml:"regex"`
		Prefix     *text          `yaml:"prefix"`
		When       *conditionSpec `yaml:"when"`
		Name       *text          `yaml:"name"`
		Continue   *text          `yaml:"continue"`
		Drop       bool           `yaml:"drop"`
		Labels     *labelsSpec    `yaml:"labels"`
		Quarantine bool           `yaml:"quarantine"`
		tagKeys
		metadataKeys

		section string // rules, origins or metrics
		at      text   // position of the item
		given   []string
	}

	originKeys struct {
		ID      *text  `yaml:"id"`
		Pattern []text `yaml:"pattern"`
		tagKeys
	}

	entryKeys struct {
		Name []text         `yaml:"name"`
		When *conditionSpec `yaml:"when"`
		metadataKeys
	}

	tagKeys struct {
		Tags  []textPair `yaml:"tags"`
		Lower []text     `yaml:"lower"`
		Map   []pair     `yaml:"map"`
	}

	metadataKeys struct {
		Metric  *text  `yaml:"metric"`
		Kind    *text  `yaml:"kind"`
		Unit    *text  `yaml:"unit"`
		Help    string `yaml:"help"`
		Expire  *text  `yaml:"expire"`
		Buckets []text `yaml:"buckets"`
	}

	labelsSpec struct {
		Drop   []text     `yaml:"drop"`
		Rename []textPair `yaml:"rename"`
	}

	conditionSpec struct {
		Origin    []text `yaml:"origin"`
		SourceID  []text `yaml:"source_id"`
		Unit      []text `yaml:"unit"`
		Component []text `yaml:"component"`
		Kind      []text `yaml:"kind"`
		Tags      []pair `yaml:"tags"`
	}
)

// compiledFile holds the rules of a file, by section.
type compiledFile struct {
	rules, origins, metrics []*rule
}

// compileFile reads and compiles a rule file. Errors are left in the document.
func compileFile(d *document, root *yaml.Node, layer int) *compiledFile {
	var spec ruleFile
	d.decode(root, "the file", &spec)
	if v := spec.Version; v != nil && v.s != "1" {
		d.failAt(*v, "version %s of the rule language is not known: this program knows version 1", strconv.Quote(v.s))
	}
	types := readTypes(d, spec.Types)
	for _, n := range spec.Tests {
		readCase(d, n)
	}
	section := func(name string, items []*yaml.Node) (rules []*rule) {
		for i, n := range items {
			if s := readRule(d, n, name, i+1); s != nil {
				if r := compileRule(d, s, types, layer); r != nil {
					rules = append(rules, r)
				}
			}
		}
		d.rule = ""
		return rules
	}
	return &compiledFile{
		rules:   section("rules", spec.Rules),
		origins: section("origins", spec.Origins),
		metrics: section("metrics", spec.Metrics),
	}
}

// Types returns the types that a rule file declares, with their values; none of a file with mistakes.
func Types(s Source) map[string][]string {
	d := &document{file: s.File}
	root := d.root(s.Data)
	if root == nil {
		return nil
	}
	var spec ruleFile
	d.decode(root, "the file", &spec)
	types := map[string][]string{}
	for _, p := range spec.Types {
		for _, v := range d.list(p.value, "type "+p.key.s) {
			types[p.key.s] = append(types[p.key.s], v.s)
		}
	}
	if d.failed > 0 {
		return nil
	}
	return types
}

func readTypes(d *document, declared []pair) map[string]*valueSet {
	types := make(map[string]*valueSet)
	for _, p := range declared {
		if _, builtIn := captureTypeNamed(p.key.s); builtIn {
			d.failAt(p.key, "type %q is built in: choose another name", p.key.s)
			continue
		}
		if !isLabelName(p.key.s) {
			d.failAt(p.key, "%q is no name for a type: use letters, digits and underscores, and a letter first", p.key.s)
			continue
		}
		var values []string
		for _, v := range d.list(p.value, "type "+p.key.s) {
			if v.s == "" || len(v.s) > maxPatternBytes {
				d.failAt(v, "type %q has a value of %d bytes: 1 to %d are allowed", p.key.s, len(v.s), maxPatternBytes)
				continue
			}
			values = append(values, v.s)
		}
		if len(values) > 0 {
			types[p.key.s] = newValueSet(values)
		}
	}
	return types
}

// readRule reads an item of a section, the number-th from 1. It returns nil after an error, and leaves the id of
// the rule in the document.
func readRule(d *document, n *yaml.Node, section string, number int) *ruleSpec {
	d.rule = ruleID(d.file, n, section, number)
	before := d.failed
	s := &ruleSpec{section: section, at: positionOf(n), Quarantine: true}
	switch section {
	case "origins":
		var k originKeys
		s.given = d.decode(n, "the rule", &k)
		s.ID, s.Patterns, s.tagKeys = k.ID, k.Pattern, k.tagKeys
	case "metrics":
		var k entryKeys
		s.given = d.decode(n, "the rule", &k)
		s.Patterns, s.When, s.metadataKeys = k.Name, k.When, k.metadataKeys
	default:
		s.given = d.decode(n, "the rule", s)
	}
	if d.failed > before {
		return nil
	}
	return s
}

// ruleID is the id that a rule has in messages and results: its own, else the file's base name and the pattern, or
// the number of the rule in its section.
func ruleID(file string, n *yaml.Node, section string, number int) string {
	if id := firstScalar(n, "id"); id != "" && section != "metrics" {
		return id
	}
	prefix := strings.TrimSuffix(path.Base(file), path.Ext(file)) + "/"
	keys := []string{"pattern", "regex", "prefix", "match"}
	if section == "metrics" {
		keys = []string{"name"}
	}
	if section != "rules" {
		prefix += section + "/"
	}
	for _, key := range keys {
		if pattern := firstScalar(n, key); pattern != "" {
			return prefix + pattern
		}
	}
	return prefix + strconv.Itoa(number)
}

// firstScalar returns the value of a key of a map, or the first one if it is a list; "" if it is no scalar.
func firstScalar(n *yaml.Node, key string) string {
	v := valueNode(n, key)
	if v != nil && v.Kind == yaml.SequenceNode && len(v.Content) > 0 {
		v = v.Content[0]
	}
	if v == nil || v.Kind != yaml.ScalarNode {
		return ""
	}
	return v.Value
}

func compileCondition(d *document, s *conditionSpec) *condition {
	if s == nil {
		return nil
	}
	for _, t := range s.Kind {
		if !slices.Contains(kindNames(), strings.TrimPrefix(t.s, "!")) {
			d.failAt(t, "no kind %q: use %s", t.s, strings.Join(kindNames(), ", "))
		}
	}
	c := &condition{
		kind: compileValues(d, s.Kind, "when.kind"), origin: compileValues(d, s.Origin, "when.origin"),
		component: compileValues(d, s.Component, "when.component"), unit: compileValues(d, s.Unit, "when.unit"),
		sourceID: compileValues(d, s.SourceID, "when.source_id"),
	}
	for _, p := range s.Tags {
		what := "when.tags." + p.key.s
		c.tags = append(c.tags, tagCondition{p.key.s, compileValues(d, d.list(p.value, what), what)})
	}
	return c
}

// compileValues compiles the values of a key of `when`; nil if it has none.
func compileValues(d *document, values []text, what string) *valueCondition {
	if len(values) == 0 {
		return nil
	}
	c := &valueCondition{}
	for _, t := range values {
		if strings.Count(t.s, "*") > 8 || len(t.s) > maxPatternBytes {
			d.failAt(t, "%s is too long or has more than 8 stars: shorten it", what)
			continue
		}
		if excluded, ok := strings.CutPrefix(t.s, "!"); ok {
			c.none = append(c.none, conditionGlob(excluded))
		} else {
			c.any = append(c.any, conditionGlob(t.s))
		}
	}
	return c
}

// kindNames are the kinds that conditions and tests may name.
func kindNames() []string {
	return append(settableKinds(), metric.KindHistogram.String(), metric.KindSummary.String())
}

// settableKinds are the kinds that rules may give a metric. Nothing becomes a histogram or summary of its sender.
func settableKinds() []string {
	return []string{metric.KindGauge.String(), metric.KindCounter.String(), metric.KindTimer.String()}
}
