package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"loggregator_exporter/metric"
)

// Resolver turns identities into series. It is immutable.
type Resolver interface {
	// Resolve says what becomes of an identity. It is called when an entry is settled, on its first sample, after a
	// refusal ends and on reload, with the lock of the store held: it must not call the store. It keeps neither id nor
	// what it points to.
	Resolve(id *Identity) Resolved
	// Identification says what belongs to the identity of a series.
	Identification() Identification
}

// Session resolves identities for one store, and keeps what they have in common: most new series have a name that
// others have, and come with others of their sender. It is not for concurrent use.
type Session interface {
	// Resolve is that of the Resolver. The labels that it returns are valid until the next call.
	Resolve(id *Identity) Resolved
}

// sessions is a Resolver that has sessions. Of others the store uses Resolve itself.
type sessions interface {
	Session() Session
}

// Identification says what belongs to the identity of a series.
type Identification struct {
	// HTTPTags are the envelope tags that belong to the identity of an HTTP request, TimerTags those of other timers,
	// with source id and instance id. All tags belong to the identity of a gauge or counter. scheme and host of an HTTP
	// request are those of its tag uri.
	HTTPTags, TimerTags map[string]bool
	// StatusCodes says that the tag status_code of an HTTP request belongs to its identity as it is sent, and not as a
	// class such as 2xx.
	StatusCodes bool
	// Composites says that the histograms and summaries that Cloud Foundry's prom scraper has taken apart are put
	// together again. If not, each of their parts is a series.
	Composites bool
}

// Identity is one metric of one emitter as it was sent, before any rule.
type Identity struct {
	Kind metric.Kind
	// Composite is TypeHistogram or TypeSummary if Name is the name of a histogram or summary that is put together from
	// its parts, else TypeGauge.
	Composite metric.Type
	// ResponseSize asks for the second family of an HTTP timer.
	ResponseSize         bool
	Name, Unit           string
	SourceID, InstanceID string
	Tags                 []metric.Label // sorted by name, names unique, as on the wire
	// Sender stands for source id, instance id and tags: identities with the same have the same of them. "" if it is not
	// known.
	Sender string
}

// Resolved is what an identity becomes in the exposition.
type Resolved struct {
	Dropped  bool   // no series: a rule drops it
	Invalid  string // no series: why its samples are invalid, or ""
	Untagged bool   // neither a rule matched the name nor the quarantine found anything in it
	// Described says that an entry of metrics describes the metric; it counts where Untagged is set.
	Described bool

	Metric      string
	Type        metric.Type
	Unit        string // the base unit that Metric ends in
	Help        string
	DefaultHelp bool      // neither a rule nor the catalogue has a help text; Help is made from the base name
	Buckets     []float64 // upper bounds of the histogram of a timer, ascending, without +Inf
	Labels      []metric.Label
	// Text is set by sessions in the place of Labels: it is what metric.RenderLabels makes of them.
	Text []byte

	// Mul and Div convert an emitted value: value*Mul/Div.
	Mul, Div float64
	// Expiry is the time without samples after which the series is removed; 0 for the configuration's.
	Expiry time.Duration
	// Overrides are the labels that were set twice, with different values.
	Overrides []string
}

// Same says whether two identities become series alike. Their labels are in order.
func (r *Resolved) Same(other *Resolved) bool {
	return r.Dropped == other.Dropped && r.Invalid == other.Invalid && r.Metric == other.Metric && r.Type == other.Type &&
		r.Unit == other.Unit && r.Help == other.Help && r.Mul == other.Mul && r.Div == other.Div &&
		r.Expiry == other.Expiry && slices.Equal(r.Buckets, other.Buckets) && slices.Equal(r.Labels, other.Labels)
}

// Identities returns the identities of the samples of an envelope, in order, as a store with this resolver would
// look them up. It fails if the store would count a sample as invalid.
func Identities(r Resolver, e *metric.Envelope) ([]Identity, error) {
	return NewIdentifier(r).Identities(e)
}

// Identifier is for tools that ask for the identities of many envelopes: it keeps the memory that this takes.
type Identifier struct {
	of Identification
	identifier
}

// NewIdentifier makes an Identifier for the identities that stores with this resolver have.
func NewIdentifier(r Resolver) *Identifier {
	d := &Identifier{of: r.Identification()}
	d.identification = &d.of
	return d
}

// Identities is the function of this name.
func (d *Identifier) Identities(e *metric.Envelope) ([]Identity, error) {
	var invalid string
	if e.Kind == metric.KindTimer {
		invalid = d.identifyTimer(e).invalid
	} else {
		invalid = d.identify(e)
	}
	switch invalid {
	case "":
	case reasonTags:
		return nil, fmt.Errorf("%s (%d tags, %d bytes each and %d together)",
			invalid, metric.MaxTags, metric.MaxValueBytes, metric.MaxIdentityBytes)
	default:
		return nil, errors.New(invalid)
	}
	kind, points := nameKindOf(e.Kind), e.Points
	if kind != nameGauge {
		points = []metric.Point{{Name: e.Name, Unit: e.Unit}}
	}
	out := make([]Identity, 0, len(points))
	for i := range points {
		p := &points[i]
		switch {
		case len(p.Name) == 0:
			return nil, errors.New("it has no name")
		case len(p.Name) > metric.MaxNameBytes:
			return nil, fmt.Errorf("its name has %d bytes, the limit is %d", len(p.Name), metric.MaxNameBytes)
		}
		if composite, key, base, ok := compositeOf(e.Kind, p, d.key); ok && d.of.Composites {
			out = append(out, newIdentity(string(key), composite, string(base)))
			continue
		}
		id := newIdentity(string(d.key), kind, string(p.Name))
		id.Unit = string(p.Unit)
		out = append(out, id)
	}
	return out, nil
}
