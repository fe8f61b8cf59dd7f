package store

import (
	"loggregator_exporter/metric"
)

// Placement is what a store has made of the identity of a sample.
type Placement struct {
	// Outcome is what becomes of samples with this identity: Stored, Conflict, OverLimit, DroppedByRule or Invalid. Of one
	// that the store does not know it is Filtered.
	Outcome metric.Outcome
	// Identity tells the identities of a store apart; 0 if the store does not know it.
	Identity uint32
	// Series tells the series of a store apart: it is that of the sample or, if this is a conflict, that of another
	// identity which the sample would need. 0 if there is none. Removed series give it to others.
	Series uint32
	// IsPart says that the sample is a part of a histogram or summary, whose series is Series.
	IsPart bool
	// Reason says why the sample is not stored, Blocker which family has its name, where one is in the way.
	Reason, Blocker string

	// What the series is called and what it means. Of a sample that is not stored it is what the resolver wants.
	Metric, Help, Unit string
	DefaultHelp        bool // as in Resolved
	Type               metric.Type
	Labels             metric.Labels
	Bounds             []float64 // of a timer's histogram
	Mul, Div           float64   // as in Resolved
}

// Placements appends what the store has made of the samples of an envelope, in their order; of an HTTP request first
// the duration, then the size of the response. It is for tools: it allocates, and resolves again what was refused.
func (w *Writer) Placements(dst []Placement, e *metric.Envelope) []Placement {
	switch e.Kind {
	case metric.KindGauge:
		invalid := w.identify(e)
		for i := range e.Points {
			dst = append(dst, w.placement(invalid, nameGauge, e.Points[i].Name, e.Points[i].Unit))
		}
	case metric.KindCounter:
		kind := nameCounter
		if e.Fractional {
			kind = nameFractionalCounter
		}
		dst = append(dst, w.placement(w.identify(e), kind, e.Name, e.Unit))
	case metric.KindHistogram, metric.KindSummary:
		dst = append(dst, w.placement(w.identify(e), nameKindOf(e.Kind), e.Name, e.Unit))
	case metric.KindTimer:
		w.identification = w.store.identification.Load()
		invalid, kinds := w.identifyTimer(e).invalid, []nameKind{nameTimer}
		if string(e.Name) == timerHTTP {
			kinds = []nameKind{nameHTTPDuration, nameHTTPSize}
		}
		for _, kind := range kinds {
			dst = append(dst, w.placement(invalid, kind, e.Name, nil))
		}
	case metric.KindNone, metric.KindLog, metric.KindEvent:
	}
	return dst
}

// ObservedPlacement is the Placement of what Observe was given.
func (w *Writer) ObservedPlacement(e *metric.Envelope) Placement {
	return w.placement(w.identify(e), nameTimer, e.Name, e.Unit)
}

// placement finds a name with the identity that is in the key.
func (w *Writer) placement(invalid string, kind nameKind, text, unit []byte) Placement {
	if invalid != "" {
		return Placement{Outcome: metric.Invalid, Reason: invalid}
	}
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos := s.entries.lookupWithUnit(w.key, kind, text, unit)
	if pos == 0 {
		return Placement{Outcome: metric.Filtered}
	}
	e := s.entries.at(pos)
	var p Placement
	switch e.state {
	case stateLive:
		p = s.livePlacement(pos)
	case statePart, stateJoined:
		of := e.dependsOn().pos
		p = s.notLivePlacement(of)
		if s.entries.at(of).state == stateLive {
			p = s.livePlacement(of)
		}
		p.IsPart = e.state == statePart
	default:
		p = s.notLivePlacement(pos)
	}
	p.Identity = uint32(pos)
	return p
}

func (s *registry) livePlacement(pos entryPos) Placement {
	e := s.entries.at(pos)
	f, c := s.families.at(e.family), &s.conversions[e.conversion]
	return Placement{
		Outcome: metric.Stored, Series: uint32(pos), Metric: f.name, Help: f.help, Unit: f.unit, Type: f.typ,
		Bounds: f.bounds, DefaultHelp: f.defaultHelp, Labels: s.families.labels.text(e.labels), Mul: c.mul, Div: c.div,
	}
}

// notLivePlacement asks the resolver again: the store keeps no more than it needs of what it refuses.
func (s *registry) notLivePlacement(pos entryPos) Placement {
	e := s.entries.at(pos)
	id := s.entries.identityOf(e)
	r := s.resolver.Resolve(&id)
	p := Placement{
		Metric: r.Metric, Help: r.Help, Unit: r.Unit, Type: r.Type, Bounds: r.Buckets, Mul: r.Mul, Div: r.Div,
		Labels: metric.RenderLabels(r.Labels), DefaultHelp: r.DefaultHelp,
	}
	switch {
	case r.Invalid != "":
		p.Outcome, p.Reason = metric.Invalid, r.Invalid
	case r.Dropped:
		p.Outcome, p.Reason = metric.DroppedByRule, "a rule drops it"
	case e.state != stateRefused:
		p.Outcome = metric.Filtered
	case e.flags&flagFull != 0:
		p.Outcome, p.Reason = metric.OverLimit, "a limit is reached"
	case e.flags&flagFamily != 0:
		of, _ := e.refusingFamily()
		f := s.families.at(of)
		p.Outcome, p.Blocker = metric.Conflict, f.name
		p.Reason = conflictReason(f, of, &r, s.entries.kindOf(e).makeup())
	default:
		p.Outcome = metric.Conflict
		owner := s.entries.at(e.dependsOn().pos)
		rival := s.rival(owner)
		other := rival.identity()
		p.Reason = rivalReason(s.resolver, &id, &other)
		p.Series = uint32(e.dependsOn().pos)
		if owner.state == statePart {
			p.Series, p.IsPart = uint32(owner.dependsOn().pos), true
		}
	}
	return p
}
