package tagger

import (
	"io/fs"
	"time"

	"loggregator_exporter/metric"
)

// Subject is what rules look at: one metric as its component emitted it.
type Subject struct {
	Origin string
	Name   string
	Unit   string // as emitted
	Kind   metric.Kind
	// SourceID and Tags are the rest of the envelope, for conditions of rules. Tags are sorted by name, names unique,
	// spelt as on the wire.
	SourceID string
	Tags     []metric.Label
}

// Result is what the rules made of a Subject. Its strings are parts of the Subject's or of the rules', so it must not
// outlive memory that the Subject's strings alias.
type Result struct {
	// Base is the name without its dimensions, in its original spelling.
	Base string
	// Tags are the dimensions that came from the name, no name twice, in the order in which rules found them.
	Tags []metric.Label
	// OriginTags are the dimensions that the origin itself holds: component and, where it is spelt like `router__0`,
	// `router_z1/0` or `metrics-demo/z1/0`, index and zone.
	OriginTags []metric.Label
	// Metric is the text that the metric's name is made from in place of Base, where a rule or the catalogue says so, since
	// different things share the base name or one thing has several; "" otherwise.
	Metric string
	// Rule is the id of the last rule that matched; "quarantine" where only the quarantine did; "" where nothing did.
	Rule string
	// Kind, Unit and Help are a rule's or the catalogue's word, else Kind and Unit are the subject's and Help is "". Where the
	// subject's unit says nothing, Unit is what the words of Base state. It is spelt as in Units (a canonical unit), or ""
	// where none is known.
	Kind metric.Kind
	Unit string
	Help string
	// Dropped says that a rule drops the metric.
	Dropped bool
	// Final says that Base is the metric's name as it is to be exposed, without namespace, splitting or conversion, as
	// statsd_exporter mapping files demand.
	Final bool
	// Expiry is the time without samples after which the series goes away; 0 where no rule says so.
	Expiry time.Duration
	// Buckets are the upper bounds of a timer's histogram, ascending; nil where no rule says so. Shared: not to be changed.
	Buckets []float64
	// Statsd is set where Final is. Shared: not to be changed.
	Statsd *StatsdOptions
	// DropLabels and RenameLabels (Name to Value) are for the labels of the series as it would be exposed, wherever they
	// came from.
	DropLabels   []string
	RenameLabels []metric.Label
}

// Reset empties the result and keeps its memory.
func (r *Result) Reset() {
	// Field by field: a composite literal would be built aside and copied.
	r.Base, r.Metric, r.Rule, r.Unit, r.Help = "", "", "", "", ""
	r.Tags, r.OriginTags = r.Tags[:0], r.OriginTags[:0]
	r.DropLabels, r.RenameLabels = r.DropLabels[:0], r.RenameLabels[:0]
	r.Kind, r.Dropped, r.Final = metric.KindNone, false, false
	r.Expiry, r.Buckets, r.Statsd = 0, nil, nil
}

// Tag returns the value of a tag from the name, or "".
func (r *Result) Tag(name string) string { return valueOf(r.Tags, name) }

// OriginTag returns the value of a tag from the origin, or "".
func (r *Result) OriginTag(name string) string { return valueOf(r.OriginTags, name) }

func valueOf(labels []metric.Label, name string) string {
	for i := range labels {
		if labels[i].Name == name {
			return labels[i].Value
		}
	}
	return ""
}

// Source is the text of a rule file. File is what errors and default rule ids call it.
type Source struct {
	File string
	Data []byte
}

// Options say which rules a Tagger has.
type Options struct {
	// UserRules are rule files or statsd_exporter mapping files, in the order in which they are tried.
	UserRules []Source
	// Catalogue holds the built-in rule files (*.yaml, in the order of their names), tried after UserRules; nil for none.
	Catalogue fs.FS
	// Quarantine takes id-like segments out of names that no rule has taken out.
	Quarantine bool
}

// Warning is something in rule files that works, but hardly as intended.
type Warning struct {
	File         string
	Line, Column int
	Rule         string // the rule that is in trouble
	Other        string // the rule that causes it, or ""
	Message      string // the whole of it, with place and rules
}

func (w Warning) String() string { return w.Message }
