package store

import (
	"fmt"

	"loggregator_exporter/metric"
)

// expose gives an entry its exposed series, or refuses it. Composites and timers may take the place of others.
func (s *Store) expose(pos uint32, e *series, id *Identity, r *Resolved) metric.Outcome {
	switch {
	case id.Composite != metric.TypeGauge:
		return s.exposeComposite(pos, e, id, r)
	case id.Kind == metric.KindTimer:
		if ending := s.compositesAt(r); len(ending) > 0 {
			if s.refusedFor(ownFamily, e, id, r) {
				return metric.OverLimit
			}
			s.endComposites(ending)
		}
	}
	return s.exposeAs(pos, e, id, r)
}

func (s *Store) exposeComposite(pos uint32, e *series, id *Identity, r *Resolved) metric.Outcome {
	ending := s.inTheWay(r)
	for _, family := range append([]uint32{ownFamily}, ending...) {
		if s.refusedFor(family, e, id, r) {
			return metric.OverLimit
		}
	}
	held := s.makeWay(ending)
	outcome := s.exposeAs(pos, e, id, r)
	if e.state != stateLive {
		s.letGo(held)
		return outcome
	}
	s.adopt(pos)
	s.takeIn(held)
	return outcome
}

// refusedFor refuses an entry that has no room, before others make way for it. They are to move to its family, so that theirs must have
// room for one more; ownFamily has.
func (s *Store) refusedFor(family uint32, e *series, id *Identity, r *Resolved) bool {
	reason := s.full(&s.families.all[family], e.tagset)
	if reason != "" {
		s.refuseFull(e, id, r, family, reason)
	}
	return reason != ""
}

// exposeAs gives an entry its exposed series, or refuses it where that, or the family's name, is another's.
func (s *Store) exposeAs(pos uint32, e *series, id *Identity, r *Resolved) metric.Outcome {
	family, ok := s.families.claim(r, id.Composite != metric.TypeGauge)
	f := &s.families.all[family]
	if !ok {
		e.setOwner(ref{family, f.gen})
		e.flags |= flagFamily
		s.refuse(e, metric.Conflict, id, r, fmt.Sprintf("%s of type %s has the name of this %s", f.name, f.typ, r.Type))
		return metric.Conflict
	}
	labels := s.labels.intern(metric.RenderLabels(r.Labels))
	key := exposedKey{family, labels}
	if owner, taken := s.exposed[key]; taken {
		s.labels.release(labels)
		o := s.slab.at(owner)
		e.setOwner(ref{owner, o.gen})
		if kind := s.ids.names[e.name].kind; kind.timer() && kind == s.ids.names[o.name].kind {
			// What tells the two apart becomes no label of a timer: they are one series, and their observations add up.
			e.state = stateJoined
			s.others++
			return metric.Stored
		}
		s.refuse(e, metric.Conflict, id, r, fmt.Sprintf("its series belongs to raw name %q", s.ids.names[o.name].text))
		return metric.Conflict
	}
	if reason := s.full(f, e.tagset); reason != "" {
		s.labels.release(labels)
		s.refuseFull(e, id, r, family, reason)
		if f.live == 0 {
			s.families.release(family)
		}
		return metric.OverLimit
	}
	s.exposed[key] = pos
	s.ids.owners.all[s.ids.tagsets[e.tagset].owner].live++
	e.state, e.family, e.labels = stateLive, family, labels
	e.conversion = s.convert(r.Mul, r.Div)
	switch {
	case f.composite:
		e.extra = s.composites.take()
	case f.typ == metric.TypeHistogram:
		e.extra = s.newHistogram(len(f.bounds), e.arrived)
	case f.typ == metric.TypeSummary && s.ids.names[e.name].kind.timer():
		e.extra = s.newWindow(e.arrived)
	}
	f.live++
	f.fresh = append(f.fresh, member{ref: ref{pos, e.gen}})
	s.live++
	s.countOverrides(r.Metric, r.Overrides)
	return metric.Stored
}

// refuse notes an entry that lost to its owner, or had no room.
func (s *Store) refuse(e *series, outcome metric.Outcome, id *Identity, r *Resolved, reason string) {
	e.state = stateRefused
	s.others++
	e.extra = s.refusals.add(outcome, r.Metric, id.Name, reason)
	if !id.ResponseSize { // the sample is counted by its duration
		s.refusals.count(e.extra)
	}
}

// refuseAgain counts one more sample of a refused entry.
func (s *Store) refuseAgain(e *series) metric.Outcome {
	if s.ids.names[e.name].kind != nameHTTPSize { // the sample is counted by its duration
		s.refusals.count(e.extra)
	}
	if e.flags&(flagFull|flagCrowded) != 0 {
		return metric.OverLimit
	}
	return metric.Conflict
}

// stillRefused says whether what an entry was refused for is still there.
func (s *Store) stillRefused(e *series) bool {
	owner := e.owner()
	if e.flags&flagFull != 0 {
		f := &s.families.all[owner.pos]
		return s.ownerFull(e.tagset) || f.gen == owner.gen && s.familyFull(f)
	}
	if e.flags&flagFamily != 0 {
		return s.families.all[owner.pos].gen == owner.gen
	}
	if !s.slab.alive(owner) {
		return false
	}
	return e.flags&flagCrowded == 0 || len(s.composites.all[s.slab.at(owner.pos).extra].pieces) >= maxPieces
}
