package tagger

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"loggregator_exporter/metric"
)

// maxRuleCaptures bounds the captures of a rule over all of its patterns, the rest behind a prefix included.
const maxRuleCaptures = maxCaptures + 1

// rule is a compiled rule of any section of a rule file, or of a mapping file. It never changes.
type rule struct {
	id       string
	hasOwnID bool // the file gives the id; otherwise it is derived from file and pattern
	place    place
	layer    int // layerUser or layerCatalogue
	when     *condition

	source    string     // the first pattern, or the regular expression, as written
	sequences []sequence // what patterns and prefix stand for
	regex     *regexp.Regexp
	isPrefix  bool

	captures []string // names over all patterns, each once
	keep     []bool   // by capture: it becomes a tag
	name     template // nil: the name stays
	rest     int      // the capture that is matched against all rules again; -1 for none
	drop     bool
	tags     []tagTemplate
	lower    []string
	maps     []valueMap
	// fixesComponent says that a tag template sets the component to text that does not come from the name.
	fixesComponent bool

	metadata
	dropLabels     []string
	renameLabels   []metric.Label
	skipQuarantine bool

	// Of mappings of statsd_exporter:
	isMapping   bool    // it matches whole names only, and its name is final
	honorLabels bool    // tags of the envelope win over its labels
	scale       float64 // values are multiplied by it
	noName      string  // Result.Invalid for names that the template makes empty
}

// The user's rules come before those of the catalogue.
const (
	layerUser = iota
	layerCatalogue
)

// metadata is what a rule says about the metric, apart from name and tags. Zero values say nothing.
type metadata struct {
	kind       metric.Kind
	unit       string // canonical
	hasUnit    bool   // unit counts, even if it is ""
	help       string
	metric     template // of Result.MetricBase
	metricText string   // metric as written
	expiry     time.Duration
	buckets    []float64
}

// place is a position in a file.
type place struct {
	file         string
	line, column int
}

func (p place) String() string {
	return p.file + ":" + strconv.Itoa(p.line) + ":" + strconv.Itoa(p.column)
}

type tagTemplate struct {
	name  string
	value template
}

type valueMap struct {
	tag    string
	values map[string]string
}

// convert applies `lower` and `map` to the value of a tag.
func (r *rule) convert(tag, value string) string {
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

// appendTags appends the rule's tags to dst. Tags that dst has already stay: an earlier rule of the chain wins.
func (r *rule) appendTags(dst []metric.Label, s *Subject, values []string) []metric.Label {
	for i, keep := range r.keep {
		if keep && values[i] != "" {
			dst = appendTag(dst, r.captures[i], r.convert(r.captures[i], values[i]))
		}
	}
	for i := range r.tags {
		t := &r.tags[i]
		v := t.value.expand(s, values)
		if r.honorLabels {
			if sent := metric.LabelValue(s.Tags, t.name); sent != "" {
				v = sent
			}
		}
		if v != "" {
			dst = appendTag(dst, t.name, r.convert(t.name, v))
		}
	}
	return dst
}

// appendTag appends a tag unless its value is empty or dst has one of that name.
func appendTag(dst []metric.Label, name, value string) []metric.Label {
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

// decisions records which properties of a metric rules have set so far, as far as its Result does not show it.
type decisions struct {
	kind, unit     bool
	fixedComponent bool // the component in the tags does not come from the name
}

// addMetadata sets what the rule says about the metric and no earlier rule has said.
func (r *rule) addMetadata(dst *Result, made *decisions, s *Subject, values []string) {
	if r.kind != metric.KindNone && !made.kind {
		dst.Kind, made.kind = r.kind, true
	}
	if r.hasUnit && !made.unit {
		dst.Unit, made.unit = r.unit, true
	}
	if dst.Help == "" {
		dst.Help = r.help
	}
	if dst.MetricBase == "" && r.metric != nil {
		dst.MetricBase = r.metric.expand(s, values)
	}
	if dst.Expiry == 0 {
		dst.Expiry = r.expiry
	}
	if dst.Buckets == nil {
		dst.Buckets = r.buckets
	}
	if r.isMapping {
		dst.Final, dst.Scale = true, r.scale
	}
	dst.DropLabels = append(dst.DropLabels, r.dropLabels...)
	dst.RenameLabels = append(dst.RenameLabels, r.renameLabels...)
}

// appendTagsRead appends the names of the envelope tags that the rule reads.
func (r *rule) appendTagsRead(names []string) []string {
	if r.when != nil {
		for _, c := range r.when.tags {
			names = append(names, c.name)
		}
	}
	names = r.metric.appendTagsRead(r.name.appendTagsRead(names))
	for _, t := range r.tags {
		names = t.value.appendTagsRead(names)
		if r.honorLabels {
			names = append(names, t.name)
		}
	}
	for _, l := range r.renameLabels {
		names = append(names, l.Name)
	}
	return names
}

func (r *rule) readsSourceID() bool {
	return r.when != nil && r.when.sourceID != nil || r.name.readsSourceID() || r.metric.readsSourceID() ||
		slices.ContainsFunc(r.tags, func(t tagTemplate) bool { return t.value.readsSourceID() })
}
