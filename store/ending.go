package store

import "loggregator_exporter/metric"

// end takes a live entry out of its family and frees what begin made for it; a counter keeps its count.
func (s *registry) end(pos entryPos, e *entry) {
	key := seriesKey{e.family, e.labels}
	f, kind := s.families.at(key.family), s.entries.kindOf(e)
	switch {
	case f.makeup == ofParts:
		s.composites.end(e)
	case f.makeup == ofDistributions, f.typ == metric.TypeHistogram, f.typ == metric.TypeSummary && kind.timer():
		s.distributions.remove(e.distribution())
		e.extra, e.stamp, e.aux = 0, 0, 0
	case kind.timer():
		s.counters.remove(e)
	case kind == nameGauge:
		e.value = s.conversions.undo(e.conversion, e.value)
	}
	e.conversion = 0
	s.limits.countLive(s.entries.tagsets.at(e.tagset).sender, -1)
	s.limits.parts++
	e.gen++ // before the family looks which of its series are alive
	s.families.removeSeries(key, pos)
}

// makeLoose makes an entry loose, whatever it was. A part may leave its composite empty: the caller removes
// the composite, or attaches the part again.
func (s *registry) makeLoose(pos entryPos) {
	e := s.entries.at(pos)
	switch e.state {
	case stateLive:
		s.end(pos, e)
	case statePart:
		s.composites.detach(pos)
	case stateLoose:
	default:
		if e.state == stateRefused {
			e.extra = 0
			e.flags &^= refusalFlags
		}
		s.limits.others--
		s.limits.parts++
	}
	s.entries.tag(e, false, false)
	e.state = stateLoose
	e.setDependsOn(ref{})
	e.gen++
}

// remove removes an entry, and what existed only because of it: it is the only way in which an entry goes away. Its
// parts become loose.
func (s *registry) remove(pos entryPos) {
	e := s.entries.at(pos)
	var composite ref
	family := familyPos(0)
	if e.state == statePart && s.entries.alive(e.dependsOn()) {
		composite = e.dependsOn()
	}
	if e.state == stateLive && s.families.at(e.family).makeup == ofParts {
		family = e.family
	}
	s.removeAlone(pos)
	if composite.pos != 0 {
		if whole := s.entries.at(composite.pos); whole.state == stateLive {
			family = whole.family
			if s.composites.at(whole.composite()).empty() {
				s.removeAlone(composite.pos)
			}
		}
	}
	s.endBareFamily(family)
}

// removeAlone is remove without what follows from it.
func (s *registry) removeAlone(pos entryPos) {
	s.makeLoose(pos)
	if e := s.entries.at(pos); s.entries.kindOf(e).counter() {
		s.counters.remove(e)
	}
	s.limits.parts--
	s.entries.remove(pos)
}

// endFamily ends a family: its composites are removed, its other series become loose.
func (s *registry) endFamily(pos familyPos) {
	composite := s.families.at(pos).makeup == ofParts
	for _, m := range s.families.members(pos) {
		switch {
		case !s.entries.alive(m):
		case composite:
			s.removeAlone(m.pos)
		default:
			s.makeLoose(m.pos)
		}
	}
}

// endBareFamily ends a family of composites that has lost its last bucket and quantile: what is left are x_sum and
// x_count of a histogram that is at another exporter now, or nowhere. Their next samples show them as series of
// their own, which go on with what they have counted. The family's names have to be free at once, so this costs up
// to 0.5 µs for each composite; no rules run.
func (s *registry) endBareFamily(pos familyPos) {
	if pos == 0 {
		return
	}
	if f := s.families.at(pos); f.makeup == ofParts && f.live > 0 && f.points == 0 {
		s.endFamily(pos)
	}
}
