package store

import (
	"fmt"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

// The families of HTTP timers have fixed names, whatever the namespace's other names are made of.
const (
	httpTimer        = "http"
	httpDurationBase = "http_request_duration"
	httpSizeBase     = "http_response_size"
)

// Identity is one metric of one emitter as it was sent, before any rule.
type Identity struct {
	Kind metric.Kind
	// Composite is TypeHistogram or TypeSummary where Name is that of what is put together from pieces; TypeGauge for all else.
	Composite metric.Type
	// ResponseSize asks for the second family of an HTTP timer.
	ResponseSize         bool
	Name, Unit           string
	SourceID, InstanceID string
	Tags                 []metric.Label // sorted by name, names unique, as on the wire
}

// Resolved is what an identity becomes in the exposition.
type Resolved struct {
	tagger.Result

	Metric  string
	Type    metric.Type
	Unit    string // the base unit that Metric ends in
	Help    string
	OwnHelp bool      // Help is made of the base name, since neither a rule nor the catalogue has any
	Buckets []float64 // TypeHistogram
	// Composite says that it is put together from pieces, which bring their own buckets or quantiles.
	Composite bool
	Labels    []metric.Label

	// Mul and Div convert an emitted value: value*Mul/Div.
	Mul, Div float64
	// Overrides are the labels that were asked for twice with different values.
	Overrides []string
}

// Trace records how an identity was resolved, for explain.
type Trace struct {
	Tagger tagger.Trace
	// Sources says for each label where its value came from.
	Sources map[string]string
}

// Resolver turns identities into series: rules, naming, labels. It is read only after it was made.
type Resolver struct {
	tagger      *tagger.Tagger
	naming      tagger.Naming
	environment string
	labels      LabelOptions
	http        HTTPOptions
	timerLabels map[string]bool
	timerTags   map[string]bool // the envelope tags that the labels of timers can come from
	always      map[string]bool // labels that no allow-list takes away
}

// NewResolver makes a resolver of the options that concern it.
func NewResolver(o Options) *Resolver {
	r := &Resolver{
		tagger: o.Tagger, naming: o.Naming, environment: o.Environment, labels: o.Labels, http: o.HTTP,
		timerLabels: map[string]bool{}, timerTags: timerTags(o.HTTP.Labels), always: map[string]bool{},
	}
	for _, l := range o.HTTP.Labels {
		r.timerLabels[l] = true
	}
	r.always["environment"] = true
	for _, l := range o.Labels.Add {
		r.always[l.Name] = true
	}
	return r
}

// Resolve runs the rules, the naming and the labels. With a trace it records each step of the same code.
func (r *Resolver) Resolve(id *Identity, tr *Trace) Resolved {
	out := Resolved{Composite: id.Composite != metric.TypeGauge}
	origin := lookup(id.Tags, "origin")
	subject := tagger.Subject{
		Origin: origin, Name: id.Name, Unit: id.Unit, Kind: id.Kind, SourceID: id.SourceID, Tags: id.Tags,
	}
	if origin == "" && !isGUID(id.SourceID) {
		subject.Origin = id.SourceID
	}
	var steps *tagger.Trace
	if tr != nil {
		steps = &tr.Tagger
	}
	r.tagger.Apply(&subject, &out.Result, steps)
	if out.Dropped {
		return out
	}
	r.name(id, &out)
	b := labelBuilder{resolved: &out, trace: tr}
	r.label(id, &b)
	out.Labels = b.labels
	return out
}

func (r *Resolver) name(id *Identity, out *Resolved) {
	base, unit := out.Base, out.Result.Unit
	fixed := id.Kind == metric.KindTimer && id.Name == httpTimer // whatever the naming
	if m := out.Result.Metric; m != "" {
		// The bare name would be another thing's as well.
		base, fixed = m, true
	}
	out.Help = out.Result.Help
	switch {
	case id.Kind == metric.KindTimer:
		out.Type, out.Buckets, unit = metric.TypeHistogram, r.http.Buckets, "seconds"
		if id.Name == httpTimer {
			base, out.Help = httpDurationBase, "Time from the first byte of a request to the last of its response, seen by the gorouter."
			if id.ResponseSize {
				base, unit, out.Buckets = httpSizeBase, "bytes", r.http.SizeBuckets
				out.Help = "Length of HTTP responses, seen by the gorouter."
			}
		}
	case id.Composite != metric.TypeGauge:
		out.Type = id.Composite
	case out.Kind == metric.KindCounter:
		out.Type = metric.TypeCounter
	default:
		out.Type = metric.TypeGauge
	}
	if out.Type == metric.TypeHistogram && !out.Composite && len(out.Result.Buckets) > 0 {
		out.Buckets = out.Result.Buckets
	}
	naming := r.naming
	if id.Kind == metric.KindTimer && tagger.UnitOfName(base) != "" && id.Name != httpTimer {
		if n := naming.Name(base, tagger.UnitOfName(base), out.Type); n.Unit == unit {
			unit = tagger.UnitOfName(base) // the name says its unit, which the base unit's word replaces
		}
	}
	if fixed {
		naming.Verbatim = false
	}
	named := naming.Name(base, unit, out.Type)
	if out.Final {
		named = tagger.Name{Metric: base, Mul: out.Statsd.Scale, Div: 1}
	}
	// Whatever the sender's bytes, a name is text: two that look alike are one, here as in every format.
	out.Metric, out.Unit, out.Mul, out.Div = metric.Printable(named.Metric), named.Unit, named.Mul, named.Div
	if id.Kind == metric.KindTimer {
		// Timers are taken in seconds, response sizes in bytes: there is nothing left to convert.
		out.Mul, out.Div = 1, 1
	}
	if out.Help == "" {
		out.OwnHelp = true
		out.Help = fmt.Sprintf("Cloud Foundry metric %s.", metric.Printable(out.Base))
	}
}

// timerTags lists the envelope tags that the allowed labels can come from.
func timerTags(labels []string) map[string]bool {
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
