package tagger

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// restName is the capture of what follows a prefix. Patterns cannot spell it.
const restName = "..."

const maxBuckets = 200

// compileRule makes a rule that runs of one as it is written. It returns nil where it has reported errors.
func compileRule(d *document, s *ruleSpec, types map[string]*valueSet, layer int) *rule {
	d.rule = s.id.s
	before := len(d.errs)
	r := &rule{
		id: s.id.s, layer: layer, place: place{d.file, s.node.Line, s.node.Column}, when: s.when, rest: -1,
		drop: s.drop, help: s.help, noQuarantine: s.keepIDs,
	}
	if !compileMatch(d, s, r, types) {
		return nil
	}
	if s.section == "metrics" {
		r.captures = nil
		for _, q := range r.sequences {
			for i, t := range q {
				if t.cap != nil {
					q[i].cap = &capture{kind: t.cap.kind, set: t.cap.set}
				}
			}
		}
	}
	checkKeys(d, s)
	compileName(d, s, r)
	compileTags(d, s, r)
	compileDescription(d, s, r)
	compileLabels(d, s, r)
	r.says = s.metric != nil || s.kind != nil || s.unit != nil || s.help != "" || s.expire != nil || len(s.buckets) > 0 || s.labels != nil
	if len(d.errs) > before {
		return nil
	}
	return r
}

// compileMatch compiles what the rule matches.
func compileMatch(d *document, s *ruleSpec, r *rule, types map[string]*valueSet) bool {
	ways := 0
	for _, given := range []bool{len(s.patterns) > 0, s.regex != nil, s.prefix != nil} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		switch s.section {
		case "metrics":
			d.fail(s.node, "the entry has no name: give the base name or a pattern of it")
		case "origins":
			d.fail(s.node, "the rule has no pattern: give the pattern of an origin")
		default:
			d.fail(s.node, "the rule has %d of pattern, regex and prefix: give exactly one", ways)
		}
		return false
	}
	before := len(d.errs)
	if s.regex != nil {
		re, err := compileRegex(s.regex.s, true)
		if err != nil {
			d.failIn(*s.regex, err)
			return false
		}
		r.regex, r.source = re, s.regex.s
		for _, name := range re.SubexpNames()[1:] {
			if name != "" {
				r.addCapture(name)
			}
		}
	}
	if s.prefix != nil {
		s.patterns = []text{*s.prefix}
	}
	for _, p := range s.patterns {
		seqs, err := parsePattern(p.s, types)
		if err != nil {
			d.failIn(p, err)
			continue
		}
		for _, q := range seqs {
			for _, name := range q.names() {
				r.addCapture(name)
			}
		}
		r.sequences = append(r.sequences, seqs...)
	}
	if len(s.patterns) > 0 {
		r.source = s.patterns[0].s
	}
	for _, name := range r.captures {
		checkLabel(d, s.id, name)
	}
	if len(r.captures) > maxRuleCaptures-1 || len(r.sequences) > 8*maxVariants {
		d.fail(s.node, "the rule has %d captures and stands for %d patterns, at most %d and %d are allowed: split it",
			len(r.captures), len(r.sequences), maxRuleCaptures-1, 8*maxVariants)
	}
	return len(d.errs) == before
}

func (r *rule) addCapture(name string) {
	if !slices.Contains(r.captures, name) {
		r.captures = append(r.captures, name)
	}
}

// checkLabel refuses names of tags that no series may have.
func checkLabel(d *document, at text, name string) {
	switch {
	case !isLabelName(name):
		d.failAt(at.line, at.column, "%q is no name for a tag: use letters, digits and underscores, and a letter first", name)
	case name == "le" || name == "quantile":
		d.failAt(at.line, at.column, "a tag cannot be called %q, which Prometheus keeps for histograms and summaries: choose another name", name)
	}
}

// checkKeys refuses keys that mean nothing beside others.
func checkKeys(d *document, s *ruleSpec) {
	given := func(key string) bool { return slices.Contains(s.given, key) }
	for _, key := range s.given {
		switch {
		case s.drop && !slices.Contains([]string{"id", "pattern", "regex", "when", "drop", "prefix"}, key):
			d.fail(s.node, "%s means nothing beside drop, which leaves nothing of the metric: remove one", key)
		case s.drop && key == "prefix":
			d.fail(s.node, "a prefix lets the rest go on and cannot drop: use pattern: %q", s.prefix.s+".{_...}")
		case key == "buckets" && s.kind != nil && s.kind.s != metric.KindTimer.String():
			d.fail(s.node, "buckets are for timers, but the rule makes the metric a %s: remove one", s.kind.s)
		}
	}
	switch {
	case s.section == "rules" && given("name") && (given("continue") || given("prefix")):
		d.fail(s.node, "name means nothing here, since the rest goes on to get its name from other rules: remove it")
	case given("continue") && given("prefix"):
		d.fail(s.node, "continue is what a prefix does anyway: remove it, or use pattern instead of prefix")
	case s.section == "metrics" && !slices.ContainsFunc([]string{"metric", "kind", "unit", "help", "expire", "buckets"}, given):
		d.fail(s.node, "the entry says nothing about the metric: give metric, unit, kind, help, expire or buckets")
	}
}

// compileName compiles name and continue, and finds out which captures become tags.
func compileName(d *document, s *ruleSpec, r *rule) {
	if s.section == "metrics" {
		return
	}
	if s.prefix != nil {
		r.rest = len(r.captures)
		r.captures = append(r.captures, restName)
	} else if s.rest != nil {
		name, ok := strings.CutPrefix(s.rest.s, "{")
		name, closed := strings.CutSuffix(name, "}")
		if r.rest = slices.Index(r.captures, name); !ok || !closed || r.rest < 0 {
			d.failAt(s.rest.line, s.rest.column, "continue must be one capture of the rule, like \"{rest}\", not %q", s.rest.s)
		}
	}
	if s.name != nil {
		t, err := parseTemplate(s.name.s, r.captures)
		if err != nil {
			d.failIn(*s.name, err)
		} else if len(t) == 0 {
			d.failAt(s.name.line, s.name.column, "the name is empty: leave the key out to keep the name")
		}
		r.name = t
	}
	if s.name == nil && s.rest == nil && s.section == "rules" && !r.drop && r.rest < 0 && len(r.captures) > 0 {
		d.fail(s.node, "the rule captures %s, but does not say what is left: add name, such as name: \"some.name\" (or {_} for what is not to become a tag)",
			strings.Join(r.captures, ", "))
	}
	r.keep = make([]bool, len(r.captures))
	for i, c := range r.captures {
		set := slices.ContainsFunc(s.tags, func(p textPair) bool { return p.key.s == c })
		r.keep[i] = i != r.rest && !r.name.uses(i) && !set
	}
}

func compileTags(d *document, s *ruleSpec, r *rule) {
	for _, p := range s.tags {
		checkLabel(d, p.key, p.key.s)
		t, err := parseTemplate(p.value.s, r.captures)
		if err != nil {
			d.failIn(p.value, err)
			continue
		}
		r.tags = append(r.tags, tagTemplate{p.key.s, t})
		r.fixesComponent = r.fixesComponent || p.key.s == labelComponent && t.fixed()
	}
	known := func(at text, key string) {
		i := slices.Index(r.captures, at.s)
		isTag := i >= 0 && r.keep[i] || slices.ContainsFunc(r.tags, func(t tagTemplate) bool { return t.name == at.s })
		if !isTag {
			d.failAt(at.line, at.column, "%s names %q, which is no tag of the rule", key, at.s)
		}
	}
	for _, l := range s.lower {
		known(l, "lower")
		r.lower = append(r.lower, l.s)
	}
	for _, p := range s.maps {
		known(p.key, "map")
		m := valueMap{tag: p.key.s, values: make(map[string]string)}
		for _, v := range readTexts(d, p.value, "map."+p.key.s) {
			m.values[v.key.s] = v.value.s
		}
		r.maps = append(r.maps, m)
	}
}

// compileDescription compiles metric, kind, unit, expire and buckets.
func compileDescription(d *document, s *ruleSpec, r *rule) {
	if s.metric != nil {
		t, err := parseTemplate(s.metric.s, r.captures)
		if err != nil {
			d.failIn(*s.metric, err)
		} else if len(t) == 0 {
			d.failAt(s.metric.line, s.metric.column, "metric is empty: leave the key out to name the metric after the base name")
		}
		r.metric, r.metricText = t, s.metric.s
	}
	if s.kind != nil {
		if !slices.Contains(kindNames(), s.kind.s) {
			d.failAt(s.kind.line, s.kind.column, "no kind %q: use %s", s.kind.s, strings.Join(kindNames(), ", "))
		}
		r.kind, _ = metric.ParseKind(s.kind.s)
	}
	if s.unit != nil {
		r.hasUnit = true
		if s.unit.s != "none" {
			if r.unit = naming.CanonicalUnit(s.unit.s); r.unit == "" {
				d.failAt(s.unit.line, s.unit.column, "no unit %q%s: known are %s, and none", s.unit.s, didYouMean(s.unit.s, naming.Units()), strings.Join(naming.Units(), ", "))
			}
		}
	}
	if s.expire != nil {
		v, err := time.ParseDuration(s.expire.s)
		if err != nil || v <= 0 {
			d.failAt(s.expire.line, s.expire.column, "%q is no duration above zero: write 90s, 10m or 1h30m", s.expire.s)
		}
		r.expiry = v
	}
	r.buckets = compileBuckets(d, s.buckets)
}

func compileBuckets(d *document, bounds []text) []float64 {
	if len(bounds) > maxBuckets {
		d.failAt(bounds[0].line, bounds[0].column, "%d buckets are too many: at most %d are allowed", len(bounds), maxBuckets)
	}
	var buckets []float64
	for _, b := range bounds {
		v, err := strconv.ParseFloat(b.s, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			d.failAt(b.line, b.column, "%q is no number for a bucket: +Inf is always there by itself", b.s)
			continue
		}
		if n := len(buckets); n > 0 && v <= buckets[n-1] {
			d.failAt(b.line, b.column, "bucket %s is not above the one before: list the bounds in ascending order", b.s)
		}
		buckets = append(buckets, v)
	}
	return buckets
}

func compileLabels(d *document, s *ruleSpec, r *rule) {
	if s.labels == nil {
		return
	}
	d.fields(s.labels, "labels", map[string]func(*yaml.Node){
		"drop": func(n *yaml.Node) {
			for _, t := range d.list(n, "labels.drop") {
				r.dropLabels = append(r.dropLabels, t.s)
			}
		},
		"rename": func(n *yaml.Node) {
			for _, p := range readTexts(d, n, "labels.rename") {
				checkLabel(d, p.value, p.value.s)
				r.renameLabels = append(r.renameLabels, metric.Label{Name: p.key.s, Value: p.value.s})
			}
		},
	})
}
