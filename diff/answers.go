package diff

import (
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger/naming"
)

// Answers are what another exporter makes of names, in the place of rules and settings. They say nothing of buckets,
// and of HTTP requests only what becomes of durations.
type Answers struct {
	known map[string]*resolver.Explanation // by identity
	tags  map[string]bool                  // that a name has
}

// NewAnswers keeps what an exporter said of names, in their order. Names that it would refuse are left out.
func NewAnswers(names []*Name, said []resolver.Explanation) *Answers {
	a := Answers{known: map[string]*resolver.Explanation{}, tags: map[string]bool{"origin": true}}
	for _, n := range names {
		for _, t := range n.Tags {
			a.tags[t.Name] = true
		}
	}
	m := made{resolver: &a, identifier: store.NewIdentifier(&a)}
	for i, n := range names {
		for at := range ofCount {
			if id, ok := m.identity(n, at); ok {
				a.known[keyOf(id)] = &said[i]
			}
		}
	}
	return &a
}

// keyOf tells identities apart.
func keyOf(id *store.Identity) string {
	var b strings.Builder
	write := func(text string) {
		b.WriteString(text)
		b.WriteByte(0)
	}
	write(id.Kind.String())
	write(id.Composite.String())
	write(id.Name)
	write(id.Unit)
	write(id.SourceID)
	write(id.InstanceID)
	for _, t := range id.Tags {
		write(t.Name)
		write(t.Value)
	}
	return b.String()
}

// Identification implements store.Resolver. All tags tell timers apart: which of them the other exporter looks at is
// not known.
func (a *Answers) Identification() store.Identification {
	return store.Identification{HTTPTags: a.tags, TimerTags: a.tags, Composites: true}
}

// Resolve implements store.Resolver.
func (a *Answers) Resolve(id *store.Identity) store.Resolved { return a.Explain(id, nil).Resolved }

// Explain implements Resolver. Steps are not known.
func (a *Answers) Explain(id *store.Identity, _ *resolver.Trace) (out resolver.Resolution) {
	out.Mul, out.Div = 1, 1
	said := a.known[keyOf(id)]
	if said == nil {
		// A part of a histogram or summary: only its composite was asked for.
		out.Metric = id.Name
		return out
	}
	out.Metric, out.Help, out.Dropped = said.Metric, said.Help, said.Dropped
	out.DefaultHelp = said.Help == resolver.DefaultHelp(said.Base)
	out.Rules.Base, out.Rules.Rule, out.Rules.Unit, out.Rules.Help = said.Base, said.Rule, said.Unit, said.Help
	out.Rules.Dropped = said.Dropped
	out.Rules.Kind, _ = metric.ParseKind(said.Kind)
	out.Type = typeOf(id, out.Rules.Kind)
	if out.Metric == "" && !out.Dropped {
		out.Invalid = "the exporter makes no series of it"
	}
	out.Labels = labelsIn(said.Labels)
	out.Rules.Tags = labelsIn(said.Tags)
	// The unit of the values is the one that the name ends in. How they were converted into it follows.
	unit := said.Unit
	if id.Kind == metric.KindTimer {
		unit = "seconds"
	}
	named := naming.Style{}.Name("x", unit, out.Type)
	if named.Unit != "" && strings.HasSuffix(strings.TrimSuffix(said.Metric, "_total"), "_"+named.Unit) {
		out.Unit = named.Unit
		if id.Kind != metric.KindTimer {
			out.Mul, out.Div = named.Mul, named.Div
		}
	}
	return out
}

func labelsIn(m map[string]string) (labels []metric.Label) {
	for name, value := range m {
		labels = append(labels, metric.Label{Name: name, Value: value})
	}
	metric.RenderLabels(labels) // sorts them
	return labels
}

func typeOf(id *store.Identity, kind metric.Kind) metric.Type {
	switch {
	case id.Composite != metric.TypeGauge:
		return id.Composite
	case id.Kind == metric.KindTimer, kind == metric.KindHistogram:
		return metric.TypeHistogram
	case kind == metric.KindSummary:
		return metric.TypeSummary
	case kind == metric.KindCounter:
		return metric.TypeCounter
	default:
		return metric.TypeGauge
	}
}
