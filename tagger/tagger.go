// Package tagger takes the dimensions out of flat metric names: a name goes in, a base name and tags come out.
//
// Rules exist in two forms: as users write them (rule files, mapping files of statsd_exporter) and compiled (a
// Tagger). Files are read strictly, compiled once, and then only read. The store calls Apply once a series, never
// once a sample.
package tagger

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// Subject is what rules look at: one metric as its component emitted it.
type Subject struct {
	Origin string
	Name   string
	Unit   string // as emitted
	Kind   metric.Kind
	// SourceID and Tags are the rest of the envelope, for conditions and templates. Tags are sorted by name, names
	// unique, spelt as on the wire.
	SourceID string
	Tags     []metric.Label
	// KeepDropped asks what the name would become if no rule dropped it: those that do are passed over.
	KeepDropped bool
}

// Result is what the rules made of a Subject. Its strings are parts of the Subject's or of the rules' strings, so
// it must not outlive memory that the Subject's strings alias.
type Result struct {
	// Base is the name without its dimensions, in its original spelling.
	Base string
	// Tags are the dimensions that came from the name, no name twice, in the order in which rules found them.
	Tags []metric.Label
	// OriginTags are the dimensions that the origin holds: component and, if it is spelt like `router__0`,
	// `router_z1/0` or `metrics-demo/z1/0`, index and zone.
	OriginTags []metric.Label
	// MetricBase is the text from which the metric's name is made instead of Base, if a rule or entry sets one: metrics
	// of different meaning may have one base name, and metrics of one meaning several. "" otherwise.
	MetricBase string
	// Rule is the id of the last rule that matched; "quarantine" if only the quarantine found something; "" if
	// nothing did.
	Rule string
	// Described says that an entry of metrics matches the base name.
	Described bool
	// Kind, Unit and Help are what a rule or entry says; without, Kind is the subject's, Help is "", and Unit is the
	// subject's or, if that is no unit of measurement, the one that the words of Base state. Unit is canonical (see
	// Units), "" if unknown.
	Kind metric.Kind
	Unit string
	Help string
	// Dropped is set if the metric has no series: a rule drops it or, if Invalid is not "", it can have no name.
	Dropped bool
	// Invalid is why the metric can have no name: the template of a mapping expanded to an empty text.
	Invalid string
	// Final is set by mappings of statsd_exporter: Base is the metric's name as it is to be exposed, without
	// namespace, splitting or conversion, and values are multiplied by Scale.
	Final bool
	Scale float64
	// Expiry is the time without samples after which the series goes away; 0 if no rule says so.
	Expiry time.Duration
	// Buckets are the upper bounds of a timer's histogram, ascending; nil if no rule says so. They belong to the rule.
	Buckets []float64
	// DropLabels and RenameLabels (Name to Value) apply to the labels of the series as it would be exposed, wherever
	// they come from.
	DropLabels   []string
	RenameLabels []metric.Label
}

// Reset empties the result and keeps its memory.
func (r *Result) Reset() {
	// Field by field: a composite literal would be built on the stack and copied.
	r.Base, r.MetricBase, r.Rule, r.Unit, r.Help, r.Invalid = "", "", "", "", "", ""
	r.Tags, r.OriginTags = r.Tags[:0], r.OriginTags[:0]
	r.DropLabels, r.RenameLabels = r.DropLabels[:0], r.RenameLabels[:0]
	r.Kind, r.Dropped, r.Final, r.Described = metric.KindNone, false, false, false
	r.Scale, r.Expiry, r.Buckets = 0, 0, nil
}

// Tag returns the value of a tag from the name, or "".
func (r *Result) Tag(name string) string { return metric.LabelValue(r.Tags, name) }

// OriginTag returns the value of a tag from the origin, or "".
func (r *Result) OriginTag(name string) string { return metric.LabelValue(r.OriginTags, name) }

// Source is the text of a rule file. Errors and ids of rules call it File.
type Source struct {
	File string
	Data []byte
}

// Options say which rules a Tagger has.
type Options struct {
	// UserRules are rule files or mapping files of statsd_exporter, in the order in which they are tried.
	UserRules []Source
	// Catalogue holds the built-in rule files (*.yaml, in the order of their names), tried after UserRules; nil for none.
	Catalogue fs.FS
	// Quarantine takes id-like parts out of what the rules leave of a name, unless a rule forbids it.
	Quarantine bool
}

// Tagger takes names apart by compiled rules. It is immutable and serves any number of goroutines.
type Tagger struct {
	names, origins, metrics *ruleSet
	quarantine              bool
	units                   map[string]string // canonical unit by spelling, for the usual spellings
}

// New reads and compiles rules. It returns the errors of all files, joined, each a *FileError; the Tagger is nil then.
func New(opts Options) (*Tagger, []Warning, error) {
	l := &loader{ids: make(map[string]place), copies: make(map[string]int)}
	for _, s := range opts.UserRules {
		l.load(s, layerUser)
	}
	if opts.Catalogue != nil {
		if err := l.loadCatalogue(opts.Catalogue); err != nil {
			return nil, nil, fmt.Errorf("built-in rules: %w", err)
		}
	}
	if len(l.errs) > 0 {
		return nil, nil, errors.Join(l.errs...)
	}
	t := l.assemble()
	t.quarantine, t.units = opts.Quarantine, usualUnits()
	return t, t.warnings(), nil
}

// Load compiles rule files alone, without catalogue and quarantine: it is for checking them.
func Load(sources ...Source) (*Tagger, []Warning, error) {
	return New(Options{UserRules: sources})
}

// maxAllSequences bounds what the patterns of all files together stand for.
const maxAllSequences = 200_000

type loader struct {
	ids       map[string]place
	copies    map[string]int // numbers given to derived ids that were taken, by derived id
	files     []*compiledFile
	sequences int
	errs      []error
}

func (l *loader) loadCatalogue(catalogue fs.FS) error {
	names, err := fs.Glob(catalogue, "*.yaml") // sorted
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := fs.ReadFile(catalogue, name)
		if err != nil {
			return err
		}
		l.load(Source{File: name, Data: data}, layerCatalogue)
	}
	return nil
}

func (l *loader) load(s Source, layer int) {
	d := &document{file: s.File}
	f := &compiledFile{}
	if root := d.root(s.Data); root != nil {
		if isMappingFile(root) {
			f.rules = compileMappings(d, root, layer)
		} else {
			f = compileFile(d, root, layer)
		}
	}
	d.rule = ""
	l.makeIDsUnique(d, f.rules)
	l.makeIDsUnique(d, f.origins)
	for _, r := range slices.Concat(f.rules, f.origins, f.metrics) {
		l.sequences += len(r.sequences)
	}
	if l.sequences > maxAllSequences {
		d.failAt(text{}, "the rule files stand for more than %d patterns: remove some rules or alternatives",
			maxAllSequences)
	}
	l.files = append(l.files, f)
	l.errs = append(l.errs, d.errors()...)
}

// makeIDsUnique adds a number to derived ids that are taken. The ids that users give must be unique.
func (l *loader) makeIDsUnique(d *document, rules []*rule) {
	for _, r := range rules {
		if first, taken := l.ids[r.id]; taken {
			if r.hasOwnID {
				d.rule = r.id
				at := text{line: r.place.line, column: r.place.column}
				d.failAt(at, "the id is taken by the rule at %s: choose another", first)
				continue
			}
			id := r.id
			for taken {
				l.copies[id]++
				r.id = id + "#" + strconv.Itoa(l.copies[id]+1)
				_, taken = l.ids[r.id]
			}
		}
		l.ids[r.id] = r.place
	}
	d.rule = ""
}

// assemble makes a Tagger of the rules of all files.
func (l *loader) assemble() *Tagger {
	t := &Tagger{names: newRuleSet(), origins: newRuleSet(), metrics: newRuleSet()}
	for _, f := range l.files {
		for _, r := range f.origins {
			t.origins.add(r, r.sequences)
		}
		for _, r := range f.metrics {
			t.metrics.add(r, r.sequences)
		}
	}
	// Prefixes apply to origins as well, after the rules for origins of all files.
	for _, f := range l.files {
		for _, r := range f.rules {
			if !r.isPrefix {
				t.names.add(r, r.sequences)
				continue
			}
			dotAndRest := sequence{token{lit: "."}, token{cap: &capture{name: restName, typ: typeRest}}}
			t.names.add(r, product(r.sequences, []sequence{dotAndRest}))
			if !usesOrigin(r.sequences) {
				t.origins.add(r, r.sequences)
			}
		}
	}
	t.names.finish()
	t.origins.finish()
	t.metrics.finish()
	return t
}

func usesOrigin(sequences []sequence) bool {
	return slices.ContainsFunc(slices.Concat(sequences...), func(t token) bool {
		return t.cap != nil && t.cap.typ == typeOrigin
	})
}

// TagsRead returns the names of the envelope tags that rules for metrics of a kind read, sorted: in `when`, in
// `{$tag.NAME}`, as labels to rename, and as labels that a mapping with honor_labels takes from the envelope.
// Results can differ only by these tags.
func (t *Tagger) TagsRead(kind metric.Kind) []string {
	var names []string
	for _, set := range []*ruleSet{t.names, t.origins, t.metrics} {
		for _, r := range set.rules {
			if r.when.allowsKind(kind.String()) {
				names = r.appendTagsRead(names)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ReadsSourceID reports whether rules read the source id of a metric, in `when` or in `{$source_id}`.
func (t *Tagger) ReadsSourceID() bool {
	for _, set := range []*ruleSet{t.names, t.origins, t.metrics} {
		if slices.ContainsFunc(set.rules, (*rule).readsSourceID) {
			return true
		}
	}
	return false
}

// usualUnits maps the spellings of units that are seen most to canonical ones, so that Apply need not convert
// their case.
func usualUnits() map[string]string {
	m := make(map[string]string)
	for _, s := range append(naming.Units(), "count", "Count", "counter", "gauge", "metric", "Metric", "total",
		"percentage", "Percent",
		"ms", "ns", "nanos", "s", "kb", "Kb", "KiB", "MiB", "b", "B") {
		m[s] = naming.CanonicalUnit(s)
	}
	return m
}

// unit is the canonical unit that a metric is sent with. OpenTelemetry's 1 of a gauge is a ratio.
func (t *Tagger) unit(s *Subject) string {
	switch {
	case s.Unit == "":
		return ""
	case s.Unit == "1" && s.Kind == metric.KindGauge:
		return "ratio"
	}
	if u, ok := t.units[s.Unit]; ok {
		return u
	}
	return naming.CanonicalUnit(s.Unit)
}
