package tagger

import (
	"regexp"
	"strings"
	"time"

	"loggregator_exporter/metric"
)

// maxRuleCaptures bounds the captures of a rule over all of its patterns, the rest behind a prefix included.
const maxRuleCaptures = maxCaptures + 1

// rule is a compiled rule of any section of a rule file. It is never changed once compiled.
type rule struct {
	id    string
	ownID bool // the id was given, not derived
	place place
	layer int // 0 for the user's, 1 for the catalogue's
	when  *condition

	captures []string // names, each once, over all patterns
	keep     []bool   // by capture: it becomes a tag
	name     template // nil: the name stays
	tags     []tagTemplate
	// fixesComponent says that one of them sets the component, whatever the name is.
	fixesComponent bool
	lower          []string
	maps           []valueMap
	rest           int // the capture that goes on, or -1
	isPrefix       bool
	drop           bool

	kind         metric.Kind // KindNone: not overridden
	unit         string      // canonical
	hasUnit      bool
	help         string
	metric       template // nil: the metric is named after the base name
	metricText   string   // metric as written
	expiry       time.Duration
	buckets      []float64
	dropLabels   []string
	renameLabels []metric.Label
	noQuarantine bool
	final        bool // a mapping of statsd_exporter: for whole names only, and what it says is final
	honor        bool // tags of the envelope win over those of the rule
	statsd       *StatsdOptions
	says         bool // it says something of the metric, apart from name and tags

	// What it was compiled from, for traces and for finding shadowed rules.
	sequences []sequence
	regex     *regexp.Regexp
	source    string // the pattern as written
}

// place is where something stands in a file.
type place struct {
	file         string
	line, column int
}

type tagTemplate struct {
	name  string
	value template
}

type valueMap struct {
	tag    string
	values map[string]string
}

// change is what `lower` and `map` do to the value of a tag.
func (r *rule) change(tag, value string) string {
	for _, l := range r.lower {
		if l == tag {
			value = strings.ToLower(value)
		}
	}
	for i := range r.maps {
		if r.maps[i].tag == tag {
			if v, ok := r.maps[i].values[value]; ok {
				value = v
			}
		}
	}
	return value
}

// setTags appends the rule's tags to dst. A tag that is there stays as it is: what an earlier rule has set wins.
func (r *rule) setTags(dst []metric.Label, s *Subject, values []string) []metric.Label {
	for i, keep := range r.keep {
		if keep && values[i] != "" {
			dst = setTag(dst, r.captures[i], r.change(r.captures[i], values[i]))
		}
	}
	for i := range r.tags {
		t := &r.tags[i]
		v := t.value.expand(s, values)
		if r.honor {
			if sent := valueOf(s.Tags, t.name); sent != "" {
				v = sent
			}
		}
		if v != "" {
			dst = setTag(dst, t.name, r.change(t.name, v))
		}
	}
	return dst
}

func setTag(dst []metric.Label, name, value string) []metric.Label {
	if value == "" {
		return dst
	}
	for i := range dst {
		if dst[i].Name == name {
			return dst
		}
	}
	return append(dst, metric.Label{Name: name, Value: value})
}

// describe sets what a rule says about the metric, apart from name and tags, unless it is set already.
func (r *rule) describe(dst *Result, said *description, s *Subject, values []string) {
	if !r.says {
		return
	}
	if r.kind != metric.KindNone && !said.kind {
		dst.Kind, said.kind = r.kind, true
	}
	if r.hasUnit && !said.unit {
		dst.Unit, said.unit = r.unit, true
	}
	if dst.Help == "" {
		dst.Help = r.help
	}
	if dst.Metric == "" && r.metric != nil {
		dst.Metric = r.metric.expand(s, values)
	}
	if dst.Expiry == 0 {
		dst.Expiry = r.expiry
	}
	if dst.Buckets == nil {
		dst.Buckets = r.buckets
	}
	if r.final {
		dst.Final, dst.Statsd = true, r.statsd
	}
	dst.DropLabels = append(dst.DropLabels, r.dropLabels...)
	dst.RenameLabels = append(dst.RenameLabels, r.renameLabels...)
}

// description tells what of a metric rules have spoken about so far.
type description struct {
	kind, unit     bool
	fixedComponent bool // the component in the tags is none that the name holds
}
