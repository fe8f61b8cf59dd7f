package tagger

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ruleSpec is a rule as it is written; compileRule makes it one that runs.
type ruleSpec struct {
	section  string // rules, origins or metrics
	node     *yaml.Node
	id       text
	patterns []text // pattern, or the name of a metrics entry
	regex    *text
	prefix   *text
	when     *condition
	name     *text
	tags     []textPair
	lower    []text
	maps     []pair
	rest     *text
	drop     bool
	kind     *text
	unit     *text
	metric   *text
	help     string
	expire   *text
	buckets  []text
	labels   *yaml.Node
	keepIDs  bool // quarantine: false
	given    []string
}

type textPair struct{ key, value text }

// fileSpec is a rule file as it is written.
type fileSpec struct {
	types   map[string]*valueSet
	rules   []*ruleSpec
	origins []*ruleSpec
	metrics []*ruleSpec
}

// readFile reads a rule file; errors are left in the document.
func readFile(d *document, root *yaml.Node) *fileSpec {
	f := &fileSpec{types: make(map[string]*valueSet)}
	var sections [3]*yaml.Node
	d.fields(root, "the file", map[string]func(*yaml.Node){
		"version": func(n *yaml.Node) {
			if n.Value != "1" {
				d.fail(n, "version %s of the rule language is not known: this program knows version 1", strconv.Quote(n.Value))
			}
		},
		"types":   func(n *yaml.Node) { f.readTypes(d, n) },
		"rules":   func(n *yaml.Node) { sections[0] = n },
		"origins": func(n *yaml.Node) { sections[1] = n },
		"metrics": func(n *yaml.Node) { sections[2] = n },
	})
	for i, s := range []struct {
		name string
		dst  *[]*ruleSpec
	}{{"rules", &f.rules}, {"origins", &f.origins}, {"metrics", &f.metrics}} {
		if sections[i] == nil {
			continue
		}
		at := 0
		d.items(sections[i], s.name, func(n *yaml.Node) {
			at++
			if spec := readRule(d, n, s.name, at); spec != nil {
				*s.dst = append(*s.dst, spec)
			}
		})
		d.rule = ""
	}
	return f
}

func (f *fileSpec) readTypes(d *document, n *yaml.Node) {
	for _, p := range d.pairs(n, "types") {
		name := p.key.s
		if _, builtIn := captureKindNamed(name); builtIn {
			d.failAt(p.key.line, p.key.column, "type %q is built in: choose another name", name)
			continue
		}
		if !isLabelName(name) {
			d.failAt(p.key.line, p.key.column, "%q is no name for a type: use letters, digits and underscores, and a letter first", name)
			continue
		}
		var values []string
		for _, v := range d.list(p.value, "type "+name) {
			if v.s == "" || len(v.s) > maxPatternBytes {
				d.failAt(v.line, v.column, "type %q has a value of %d bytes: 1 to %d are allowed", name, len(v.s), maxPatternBytes)
				continue
			}
			values = append(values, v.s)
		}
		if len(values) > 0 {
			f.types[name] = newValueSet(values)
		}
	}
}

// keysOf are the keys that a rule of a section may have.
func keysOf(section string) []string {
	switch section {
	case "origins":
		return []string{"id", "pattern", "tags", "lower", "map"}
	case "metrics":
		return []string{"name", "when", "metric", "kind", "unit", "help", "expire", "buckets"}
	default:
		return []string{
			"id", "pattern", "regex", "prefix", "when", "name", "tags", "lower", "map", "continue", "drop", "metric", "kind", "unit",
			"help", "expire", "buckets", "labels", "quarantine",
		}
	}
}

// readRule reads a rule. at is its position in the section, from 1; it names the rule in errors until its id is known.
func readRule(d *document, n *yaml.Node, section string, at int) *ruleSpec {
	d.rule = idOf(d.file, n, section, at)
	before := len(d.errs)
	r := &ruleSpec{section: section, node: n, id: text{s: d.rule, line: n.Line, column: n.Column}}
	all := r.readers(d)
	known := make(map[string]func(*yaml.Node))
	for _, key := range keysOf(section) {
		known[key] = func(v *yaml.Node) {
			r.given = append(r.given, key)
			all[key](v)
		}
	}
	if !d.fields(n, "the rule", known) || len(d.errs) > before {
		return nil
	}
	return r
}

// fileBase is the name of a file without folder and extension.
func fileBase(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }

// idOf is the rule's own id, or the file's base name and the pattern.
func idOf(file string, n *yaml.Node, section string, at int) string {
	base := fileBase(file) + "/"
	pattern := ""
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i].Value, n.Content[i+1]
		if v.Kind == yaml.SequenceNode && len(v.Content) > 0 {
			v = v.Content[0]
		}
		if v.Kind != yaml.ScalarNode || v.Value == "" {
			continue
		}
		switch {
		case key == "id":
			return v.Value
		case key == "pattern" || key == "regex" || key == "prefix" || key == "name" && section == "metrics":
			pattern = v.Value
		}
	}
	if section != "rules" {
		base += section + "/"
	}
	if pattern == "" {
		return base + strconv.Itoa(at)
	}
	return base + pattern
}

func (r *ruleSpec) readers(d *document) map[string]func(*yaml.Node) {
	one := func(dst **text, what string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			if t, ok := d.scalar(n, what); ok {
				*dst = &t
			}
		}
	}
	readers := map[string]func(*yaml.Node){
		"id":         func(n *yaml.Node) { r.id, _ = d.scalar(n, "id") },
		"pattern":    func(n *yaml.Node) { r.patterns = d.list(n, "pattern") },
		"regex":      one(&r.regex, "regex"),
		"prefix":     one(&r.prefix, "prefix"),
		"when":       func(n *yaml.Node) { r.when = readCondition(d, n) },
		"name":       one(&r.name, "name"),
		"tags":       func(n *yaml.Node) { r.tags = readTexts(d, n, "tags") },
		"lower":      func(n *yaml.Node) { r.lower = d.list(n, "lower") },
		"map":        func(n *yaml.Node) { r.maps = d.pairs(n, "map") },
		"continue":   one(&r.rest, "continue"),
		"drop":       func(n *yaml.Node) { r.drop = d.flag(n, "drop") },
		"kind":       one(&r.kind, "kind"),
		"unit":       one(&r.unit, "unit"),
		"metric":     one(&r.metric, "metric"),
		"help":       func(n *yaml.Node) { t, _ := d.scalar(n, "help"); r.help = t.s },
		"expire":     one(&r.expire, "expire"),
		"buckets":    func(n *yaml.Node) { r.buckets = d.list(n, "buckets") },
		"labels":     func(n *yaml.Node) { r.labels = n },
		"quarantine": func(n *yaml.Node) { r.keepIDs = !d.flag(n, "quarantine") },
	}
	if r.section == "metrics" {
		readers["name"] = func(n *yaml.Node) { r.patterns = d.list(n, "name") }
	}
	return readers
}

func readTexts(d *document, n *yaml.Node, what string) []textPair {
	var all []textPair
	for _, p := range d.pairs(n, what) {
		if v, ok := d.scalar(p.value, what+"."+p.key.s); ok {
			all = append(all, textPair{p.key, v})
		}
	}
	return all
}

func readCondition(d *document, n *yaml.Node) *condition {
	c := &condition{}
	one := func(dst **matcher, what string) func(*yaml.Node) {
		return func(n *yaml.Node) { *dst = readMatcher(d, n, what) }
	}
	d.fields(n, "when", map[string]func(*yaml.Node){
		"origin":    one(&c.origin, "when.origin"),
		"source_id": one(&c.sourceID, "when.source_id"),
		"unit":      one(&c.unit, "when.unit"),
		"component": one(&c.component, "when.component"),
		"kind": func(n *yaml.Node) {
			for _, t := range d.list(n, "when.kind") {
				if !slices.Contains(kindNames(), strings.TrimPrefix(t.s, "!")) {
					d.failAt(t.line, t.column, "no kind %q: use %s", t.s, strings.Join(kindNames(), ", "))
				}
			}
			c.kinds = readMatcher(d, n, "when.kind")
		},
		"tags": func(n *yaml.Node) {
			for _, p := range d.pairs(n, "when.tags") {
				c.tags = append(c.tags, tagCondition{p.key.s, readMatcher(d, p.value, "when.tags."+p.key.s)})
			}
		},
	})
	return c
}

func readMatcher(d *document, n *yaml.Node, what string) *matcher {
	m := &matcher{}
	for _, t := range d.list(n, what) {
		if strings.Count(t.s, "*") > 8 || len(t.s) > maxPatternBytes {
			d.failAt(t.line, t.column, "%s is too long or has more than 8 stars: shorten it", what)
			continue
		}
		if not, ok := strings.CutPrefix(t.s, "!"); ok {
			m.not = append(m.not, newGlob(not))
		} else {
			m.any = append(m.any, newGlob(t.s))
		}
	}
	return m
}
