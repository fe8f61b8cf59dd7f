package tagger

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// restName is the name of the capture of the text behind a prefix. No pattern can contain it.
const restName = "..."

const maxBuckets = 200

// compileRule makes a rule of its written form. It returns nil after an error.
func compileRule(d *document, s *ruleSpec, types map[string]*valueSet, layer int) *rule {
	before := d.failed
	r := &rule{
		id: d.rule, hasOwnID: s.ID != nil, place: place{d.file, s.at.line, s.at.column}, layer: layer,
		when: compileCondition(d, s.When), isPrefix: s.Prefix != nil, rest: -1, drop: s.Drop, skipQuarantine: !s.Quarantine,
	}
	if !compileMatch(d, s, r, types) {
		return nil
	}
	if s.section == "metrics" {
		r.dropCaptures()
	} else {
		compileName(d, s, r)
	}
	checkKeys(d, s)
	compileTags(d, s, r)
	compileMetadata(d, s, r)
	if s.Labels != nil {
		for _, t := range s.Labels.Drop {
			r.dropLabels = append(r.dropLabels, t.s)
		}
		for _, p := range s.Labels.Rename {
			checkLabel(d, p.value, p.value.s)
			r.renameLabels = append(r.renameLabels, metric.Label{Name: p.key.s, Value: p.value.s})
		}
	}
	if d.failed > before {
		return nil
	}
	return r
}

// compileMatch compiles what the rule matches.
func compileMatch(d *document, s *ruleSpec, r *rule, types map[string]*valueSet) bool {
	before := d.failed
	checkOneMatch(d, s)
	if s.Regex != nil {
		re, err := compileRegex(s.Regex.s, true)
		if err != nil {
			d.failInside(*s.Regex, err)
			return false
		}
		r.regex, r.source = re, s.Regex.s
		for _, name := range re.SubexpNames()[1:] {
			r.addCapture(name)
		}
	}
	patterns := s.Patterns
	if s.Prefix != nil {
		patterns = []text{*s.Prefix}
	}
	for _, p := range patterns {
		sequences, err := parsePattern(p.s, types)
		if err != nil {
			d.failInside(p, err)
			continue
		}
		for _, q := range sequences {
			for _, t := range q {
				if t.cap != nil {
					r.addCapture(t.cap.name)
				}
			}
		}
		r.sequences = append(r.sequences, sequences...)
	}
	if len(patterns) > 0 {
		r.source = patterns[0].s
	}
	at := s.at
	if s.ID != nil {
		at = *s.ID
	}
	for _, name := range r.captures {
		checkLabel(d, at, name)
	}
	if len(r.captures) > maxRuleCaptures-1 || len(r.sequences) > 8*maxPatternSequences {
		d.failAt(s.at, "the rule has %d captures and stands for %d patterns, at most %d and %d are allowed: split it",
			len(r.captures), len(r.sequences), maxRuleCaptures-1, 8*maxPatternSequences)
	}
	return d.failed == before
}

// checkOneMatch refuses rules without exactly one of pattern, regex and prefix.
func checkOneMatch(d *document, s *ruleSpec) {
	ways := 0
	for _, given := range []bool{len(s.Patterns) > 0, s.Regex != nil, s.Prefix != nil} {
		if given {
			ways++
		}
	}
	switch {
	case ways == 1:
	case s.section == "metrics":
		d.failAt(s.at, "the entry has no name: give the base name or a pattern of it")
	case s.section == "origins":
		d.failAt(s.at, "the rule has no pattern: give the pattern of an origin")
	default:
		d.failAt(s.at, "the rule has %d of pattern, regex and prefix: give exactly one", ways)
	}
}

func (r *rule) addCapture(name string) {
	if name != "" && !slices.Contains(r.captures, name) {
		r.captures = append(r.captures, name)
	}
}

// dropCaptures makes the rule match the same and capture nothing.
func (r *rule) dropCaptures() {
	r.captures = nil
	for _, q := range r.sequences {
		for i, t := range q {
			if t.cap != nil {
				q[i].cap = &capture{typ: t.cap.typ, set: t.cap.set}
			}
		}
	}
}

// checkLabel refuses names of tags that no series may have.
func checkLabel(d *document, at text, name string) {
	switch {
	case !isLabelName(name):
		d.failAt(at, "%q is no name for a tag: use letters, digits and underscores, and a letter first", name)
	case name == "le" || name == "quantile":
		d.failAt(at, "a tag cannot be called %q, which Prometheus keeps for histograms and summaries: "+
			"choose another name", name)
	}
}

var metadataKeyNames = []string{"metric", "kind", "unit", "help", "expire", "buckets"}

// checkKeys refuses keys that mean nothing beside others.
func checkKeys(d *document, s *ruleSpec) {
	given := func(key string) bool { return slices.Contains(s.given, key) }
	for _, key := range s.given {
		switch {
		case s.Drop && !slices.Contains([]string{"id", "pattern", "regex", "when", "drop", "prefix"}, key):
			d.failAt(s.at, "%s means nothing beside drop, which leaves nothing of the metric: remove one", key)
		case s.Drop && key == "prefix":
			d.failAt(s.at, "a prefix lets the rest go on and cannot drop: use pattern: %q", s.Prefix.s+".{_...}")
		case key == "buckets" && s.Kind != nil && s.Kind.s != metric.KindTimer.String():
			d.failAt(s.at, "buckets are for timers, but the rule makes the metric a %s: remove one", s.Kind.s)
		}
	}
	switch {
	case s.section == "rules" && given("name") && (given("continue") || given("prefix")):
		d.failAt(s.at, "name means nothing here, since the rest goes on to get its name from other rules: remove it")
	case given("continue") && given("prefix"):
		d.failAt(s.at, "continue is what a prefix does anyway: remove it, or use pattern instead of prefix")
	case s.section == "metrics" && !slices.ContainsFunc(metadataKeyNames, given):
		d.failAt(s.at, "the entry says nothing about the metric: give metric, unit, kind, help, expire or buckets")
	}
}

// compileName compiles name and continue, and finds out which captures become tags.
func compileName(d *document, s *ruleSpec, r *rule) {
	if s.Prefix != nil {
		r.rest = len(r.captures)
		r.captures = append(r.captures, restName)
	} else if s.Continue != nil {
		name, opened := strings.CutPrefix(s.Continue.s, "{")
		name, closed := strings.CutSuffix(name, "}")
		if r.rest = slices.Index(r.captures, name); !opened || !closed || r.rest < 0 {
			d.failAt(*s.Continue, "continue must be one capture of the rule, like \"{rest}\", not %q", s.Continue.s)
		}
	}
	r.name = compileTemplate(d, s.Name, r.captures, "the name is empty: leave the key out to keep the name")
	if s.Name == nil && s.Continue == nil && s.section == "rules" && !r.drop && r.rest < 0 && len(r.captures) > 0 {
		d.failAt(s.at, "the rule captures %s, but does not say what is left: "+
			"add name, such as name: \"some.name\" (or {_} for what is not to become a tag)", strings.Join(r.captures, ", "))
	}
	r.keep = make([]bool, len(r.captures))
	for i, c := range r.captures {
		set := slices.ContainsFunc(s.Tags, func(p textPair) bool { return p.key.s == c })
		r.keep[i] = i != r.rest && !r.name.uses(i) && !set
	}
}

// compileTemplate compiles a template that may be absent, but not empty.
func compileTemplate(d *document, t *text, captures []string, ifEmpty string) template {
	if t == nil {
		return nil
	}
	compiled, err := parseTemplate(t.s, captures)
	if err != nil {
		d.failInside(*t, err)
	} else if len(compiled) == 0 {
		d.failAt(*t, "%s", ifEmpty)
	}
	return compiled
}

func compileTags(d *document, s *ruleSpec, r *rule) {
	for _, p := range s.Tags {
		checkLabel(d, p.key, p.key.s)
		t, err := parseTemplate(p.value.s, r.captures)
		if err != nil {
			d.failInside(p.value, err)
			continue
		}
		r.tags = append(r.tags, tagTemplate{p.key.s, t})
		r.fixesComponent = r.fixesComponent || p.key.s == labelComponent && t.fixed()
	}
	checkTag := func(name text, key string) {
		i := slices.Index(r.captures, name.s)
		isTag := i >= 0 && r.keep[i] || slices.ContainsFunc(r.tags, func(t tagTemplate) bool { return t.name == name.s })
		if !isTag {
			d.failAt(name, "%s names %q, which is no tag of the rule", key, name.s)
		}
	}
	for _, l := range s.Lower {
		checkTag(l, "lower")
		r.lower = append(r.lower, l.s)
	}
	for _, p := range s.Map {
		checkTag(p.key, "map")
		m := valueMap{tag: p.key.s, values: make(map[string]string)}
		for _, v := range d.textPairs(p.value, "map."+p.key.s) {
			m.values[v.key.s] = v.value.s
		}
		r.maps = append(r.maps, m)
	}
}

func checkKind(d *document, t text, known []string) metric.Kind {
	if !slices.Contains(known, t.s) {
		d.failAt(t, "no kind %q: use %s", t.s, strings.Join(known, ", "))
	}
	kind, _ := metric.ParseKind(t.s)
	return kind
}

// compileMetadata compiles metric, kind, unit, help, expire and buckets.
func compileMetadata(d *document, s *ruleSpec, r *rule) {
	r.metric = compileTemplate(d, s.Metric, r.captures,
		"metric is empty: leave the key out to name the metric after the base name")
	r.metricText = s.Metric.value()
	if s.Kind != nil {
		r.kind = checkKind(d, *s.Kind, settableKinds())
	}
	if s.Unit != nil {
		r.hasUnit = true
		r.unit = naming.CanonicalUnit(s.Unit.s)
		if r.unit == "" && s.Unit.s != "none" {
			known := naming.Units()
			d.failAt(*s.Unit, "no unit %q%s: known are %s, and none",
				s.Unit.s, hint(s.Unit.s, known), strings.Join(known, ", "))
		}
	}
	r.help = s.Help
	if s.Expire != nil {
		v, err := time.ParseDuration(s.Expire.s)
		if err != nil || v <= 0 {
			d.failAt(*s.Expire, "%q is no duration above zero: write 90s, 10m or 1h30m", s.Expire.s)
		}
		r.expiry = v
	}
	r.buckets = compileBuckets(d, s.Buckets)
}

func compileBuckets(d *document, bounds []text) []float64 {
	if len(bounds) > maxBuckets {
		d.failAt(bounds[0], "%d buckets are too many: at most %d are allowed", len(bounds), maxBuckets)
	}
	var buckets []float64
	for _, b := range bounds {
		v, err := strconv.ParseFloat(b.s, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			d.failAt(b, "%q is no number for a bucket: +Inf is always there by itself", b.s)
			continue
		}
		if n := len(buckets); n > 0 && v <= buckets[n-1] {
			d.failAt(b, "bucket %s is not above the one before: list the bounds in ascending order", b.s)
		}
		buckets = append(buckets, v)
	}
	return buckets
}
