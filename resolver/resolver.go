// Package resolver turns the identity of a metric into its series: it runs the rules, names the result, and joins the
// labels that come from the name with those of the envelope.
package resolver

import (
	"fmt"
	"slices"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

// The families of HTTP requests have fixed names under every naming style.
const (
	timerHTTP        = "http"
	httpDurationBase = "http_request_duration"
	httpSizeBase     = "http_response_size"
)

// Options configure a Resolver.
type Options struct {
	Tagger      *tagger.Tagger
	Naming      naming.Style
	Environment string // value of the label environment; "" for no such label
	Labels      LabelOptions
	HTTP        HTTPOptions
}

// LabelOptions change the labels of every series: they are renamed, then dropped; constants win over labels of
// envelopes.
type LabelOptions struct {
	Add    []metric.Label
	Drop   []string
	Rename []Rename
}

// Rename gives a label another name. It is refused, and counted, if the series has a label of that name.
type Rename struct {
	From, To string
}

// HTTPOptions shape the histograms of timers.
type HTTPOptions struct {
	Buckets     []float64 // upper bounds of durations in seconds, ascending, without +Inf
	SizeBuckets []float64 // upper bounds of response sizes in bytes, ascending, without +Inf
	Labels      []string  // the labels that HTTP requests may have
}

// Resolver implements store.Resolver. It is immutable.
type Resolver struct {
	options    Options
	httpLabels map[string]bool // the labels that HTTP requests may have

	identification store.Identification
}

// New makes a resolver.
func New(o Options) *Resolver {
	r := &Resolver{options: o, httpLabels: map[string]bool{labelEnvironment: true}}
	for _, l := range o.HTTP.Labels {
		r.httpLabels[l] = true
	}
	for _, l := range o.Labels.Add {
		r.httpLabels[l.Name] = true
	}
	r.identification = store.Identification{
		HTTPTags: tagsOf(o.HTTP.Labels), StatusCodes: slices.Contains(o.HTTP.Labels, tagStatusCode), Composites: true,
	}
	r.identification.TimerTags = tagsOf(usualLabels[:])
	for tag := range r.identification.HTTPTags {
		if tag != tagStatusCode {
			r.identification.TimerTags[tag] = true
		}
	}
	for _, tag := range o.Tagger.TagsRead(metric.KindTimer) {
		r.identification.TimerTags[tag] = true
	}
	return r
}

// Resolution is what an identity becomes, with what the rules said about it.
type Resolution struct {
	store.Resolved

	Rules tagger.Result
}

// Trace records how an identity was resolved.
type Trace struct {
	Rules tagger.Trace
	// Sources says for each label where its value came from. It stays empty with Rules.NoAttempts.
	Sources map[string]string
	// Removed are labels that the series would have but for a rule or setting, in the order in which they were removed. It
	// stays empty with Rules.NoAttempts.
	Removed []RemovedLabel
}

// Tagger returns the rules that the resolver runs.
func (r *Resolver) Tagger() *tagger.Tagger { return r.options.Tagger }

// Options returns the options that the resolver was made with.
func (r *Resolver) Options() Options { return r.options }

// Identification implements store.Resolver.
func (r *Resolver) Identification() store.Identification { return r.identification }

// Resolve implements store.Resolver.
func (r *Resolver) Resolve(id *store.Identity) store.Resolved { return r.Explain(id, nil).Resolved }

// ApplyRules runs the rules on a name, and makes no series of what they leave; see tagger.Tagger.Apply.
func (r *Resolver) ApplyRules(id *store.Identity, dst *tagger.Result, tr *tagger.Trace) {
	subject := subjectOf(id)
	subject.SourceID, subject.Tags = id.SourceID, id.Tags
	r.options.Tagger.Apply(&subject, dst, tr)
}

// Kept says what a name would become if no rule dropped it, without labels.
func (r *Resolver) Kept(id *store.Identity) store.Resolved {
	var out Resolution
	subject := subjectOf(id)
	subject.SourceID, subject.Tags, subject.KeepDropped = id.SourceID, id.Tags, true
	r.resolveName(id, &subject, &out, nil)
	return out.Resolved
}

// KeptSeries is Kept with labels.
func (r *Resolver) KeptSeries(id *store.Identity) store.Resolved {
	subject := subjectOf(id)
	subject.KeepDropped = true
	return r.explain(id, &subject, nil).Resolved
}

// As many as there are usually at most: tags of an origin, tags of a name, and labels of a series beside constants, and
// tags of the name and of the envelope.
const (
	usualOriginTags = 3
	usualTags       = 5
	usualOthers     = 4
)

// Explain is Resolve with more to show. It records each step in tr unless that is nil.
func (r *Resolver) Explain(id *store.Identity, tr *Trace) Resolution {
	subject := subjectOf(id)
	return r.explain(id, &subject, tr)
}

func (r *Resolver) explain(id *store.Identity, subject *tagger.Subject, tr *Trace) Resolution {
	var out Resolution
	subject.SourceID, subject.Tags = id.SourceID, id.Tags
	var steps *tagger.Trace
	if tr != nil {
		steps = &tr.Rules
	}
	if r.resolveName(id, subject, &out, steps); out.Rules.Dropped {
		return out
	}
	b := labelBuilder{rules: &out.Rules}
	if tr != nil && !tr.Rules.NoAttempts {
		b.trace = tr
	}
	b.labels = make([]metric.Label, 0, len(r.options.Labels.Add)+len(out.Rules.Tags)+len(id.Tags)+usualOthers)
	r.label(id, &b)
	out.Labels, out.Overrides = b.labels, b.overrides
	return out
}

// subjectOf returns what rules look at, without source id and tags.
func subjectOf(id *store.Identity) tagger.Subject {
	s := tagger.Subject{Origin: metric.LabelValue(id.Tags, "origin"), Name: id.Name, Unit: id.Unit, Kind: id.Kind}
	if s.Origin == "" && !metric.IsGUID(id.SourceID) {
		s.Origin = id.SourceID
	}
	return s
}

// resolveName fills in all but the labels. Of the identity it looks at name and kind.
func (r *Resolver) resolveName(id *store.Identity, s *tagger.Subject, out *Resolution, tr *tagger.Trace) {
	tags := make([]metric.Label, usualOriginTags+usualTags)
	out.Rules.OriginTags, out.Rules.Tags = tags[:0:usualOriginTags], tags[usualOriginTags:usualOriginTags]
	r.options.Tagger.Apply(s, &out.Rules, tr)
	out.Invalid, out.Expiry = out.Rules.Invalid, out.Rules.Expiry
	if out.Dropped = out.Rules.Dropped && out.Invalid == ""; out.Rules.Dropped {
		return
	}
	out.Untagged, out.Described = out.Rules.Rule == "" && !isHTTP(id), out.Rules.Described
	r.name(id, out)
}

func isHTTP(id *store.Identity) bool { return id.Kind == metric.KindTimer && id.Name == timerHTTP }

// name fills in the family's name, type, unit and help, and the conversion of values.
func (r *Resolver) name(id *store.Identity, out *Resolution) {
	base, unit, style := out.Rules.Base, out.Rules.Unit, r.options.Naming
	if m := out.Rules.MetricBase; m != "" {
		base, style.Verbatim = m, false // metrics of different meaning share the base name
	}
	out.Help = out.Rules.Help
	switch {
	case isHTTP(id):
		base, unit = r.http(id, out)
		style.Verbatim = false
	case id.Kind == metric.KindTimer:
		out.Type, out.Buckets, unit = metric.TypeHistogram, r.options.HTTP.Buckets, "seconds"
		// A unit stated by the name is replaced by the base unit's word.
		if stated := naming.UnitOfName(base); stated != "" && style.Name(base, stated, out.Type).Unit == unit {
			unit = stated
		}
	case id.Composite != metric.TypeGauge:
		out.Type = id.Composite
	case id.Kind == metric.KindHistogram: // no rule makes anything else of it
		out.Type, out.Rules.Kind = metric.TypeHistogram, id.Kind
	case id.Kind == metric.KindSummary:
		out.Type, out.Rules.Kind = metric.TypeSummary, id.Kind
	case out.Rules.Kind == metric.KindCounter:
		out.Type = metric.TypeCounter
	default:
		out.Type = metric.TypeGauge
	}
	if id.Kind == metric.KindTimer && len(out.Rules.Buckets) > 0 {
		out.Buckets = out.Rules.Buckets
	}
	named := style.Name(base, unit, out.Type)
	if out.Rules.Final {
		named = naming.Name{Metric: base, Mul: out.Rules.Scale, Div: 1}
	}
	// Names are text: two names whose invalid bytes are replaced by the same characters are one in every format.
	out.Metric, out.Unit, out.Mul, out.Div = metric.Printable(named.Metric), named.Unit, named.Mul, named.Div
	if id.Kind == metric.KindTimer {
		out.Mul, out.Div = 1, 1 // observations are seconds and bytes already
	}
	if out.Help == "" {
		out.DefaultHelp = true
		out.Help = DefaultHelp(out.Rules.Base)
	}
}

// DefaultHelp is the HELP of metrics that no rule has a text for.
func DefaultHelp(base string) string {
	return fmt.Sprintf("Cloud Foundry metric %s.", metric.Printable(base))
}

// http fills in what is fixed for the two families of HTTP requests, and returns their base name and unit.
func (r *Resolver) http(id *store.Identity, out *Resolution) (base, unit string) {
	out.Type = metric.TypeHistogram
	if id.ResponseSize {
		out.Buckets = r.options.HTTP.SizeBuckets
		out.Help = "Length of HTTP responses, seen by the gorouter."
		return httpSizeBase, "bytes"
	}
	out.Buckets = r.options.HTTP.Buckets
	out.Help = "Time from the first byte of a request to the last of its response, seen by the gorouter."
	return httpDurationBase, "seconds"
}

// usualLabels are what every timer may have beside the labels of HTTP requests and the tags that a rule reads.
var usualLabels = [...]string{
	"component", "index", "origin", "app_id", "bosh_deployment", "bosh_job_name", "bosh_job_id", "bosh_job_ip",
}

// tagsOf lists the envelope tags that labels can come from.
func tagsOf(labels []string) map[string]bool {
	tags := map[string]bool{}
	for _, l := range labels {
		switch l {
		case labelStatus:
			tags[tagStatusCode] = true
		case "component", "target_component":
			tags["component"], tags["origin"] = true, true
		case "index":
			tags["origin"] = true
		}
		found := false
		for tag, label := range tagLabels {
			if label == l {
				tags[tag], found = true, true
			}
		}
		if !found && l != labelStatus {
			tags[l] = true
		}
	}
	return tags
}
