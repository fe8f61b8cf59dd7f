package store

import (
	"fmt"

	"loggregator_exporter/metric"
)

// sample is what finds the entry of one sample. It borrows the memory of the writer and the envelope, and lives on
// the stack.
type sample struct {
	key        []byte // the envelope's identity, see appendIdentity
	name, unit []byte
	hash       uint64 // of the key
	arrived    int64
	tagset     tagsetPos // of the key, kept from one point of an envelope to the next; 0 if it is not known
	kind       nameKind
	invalid    string // why the envelope's samples are invalid, or ""
}

// findOrAdd returns the entry of a sample. If the outcome is Stored, it is live or a part, and its arrival time is
// set; any other outcome is final for the sample. Samples that have no valid name or identity are refused and
// counted. The caller holds the lock.
func (s *registry) findOrAdd(of *sample) (entryPos, metric.Outcome) {
	switch {
	case len(of.name) > metric.MaxNameBytes:
		s.refusals.countName(metric.Invalid, of.name, reasonLongName)
		return 0, metric.Invalid
	case of.invalid != "" || len(of.name) == 0:
		s.refusals.countName(metric.Invalid, of.name, of.invalid)
		return 0, metric.Invalid
	}
	if of.tagset == 0 {
		of.tagset = s.entries.findTagset(of.hash, of.key)
	}
	nameHash := s.entries.hashName(of.kind, of.name, of.unit)
	if of.tagset != 0 {
		if n := s.entries.findName(nameHash, of.kind, of.name, of.unit); n != 0 {
			// Fast path: both halves are known, and so is the pair.
			if pos := s.entries.find(of.tagset, n); pos != 0 {
				return s.revisit(pos, of)
			}
		}
	}
	// Slow path: once for each series.
	return s.add(of, nameHash)
}

// revisit returns what is known about an entry. What it was refused for may have gone; then it is settled anew.
func (s *registry) revisit(pos entryPos, of *sample) (entryPos, metric.Outcome) {
	e := s.entries.at(pos)
	if (s.expiry.on || e.state == statePart || e.state == stateLoose) && of.kind.learns() {
		e.pace = e.pace.learn(e.arrived, of.arrived)
	}
	e.arrived = of.arrived
	switch e.state {
	case stateLive:
		return pos, metric.Stored
	case stateDropped:
		return pos, metric.DroppedByRule
	case stateRefused:
		if s.stillRefused(e) {
			return pos, s.refuseAgain(e)
		}
	case stateJoined, statePart:
		if other := e.dependsOn(); s.entries.alive(other) {
			if outcome, ok := s.revisitOther(other.pos, of.arrived); ok {
				if e.state == stateJoined {
					pos = other.pos
				}
				return pos, outcome
			}
			s.remove(other.pos)
		}
	case stateLoose, stateFree:
	}
	of.tagset = 0 // it may be removed with the entry
	s.makeLoose(pos)
	return s.settle(pos)
}

// revisitOther is revisit for the composite of a part, and for the timer that another one has joined. ok is false if
// it is refused for something that has gone.
func (s *registry) revisitOther(pos entryPos, arrived int64) (outcome metric.Outcome, ok bool) {
	e := s.entries.at(pos)
	e.arrived = arrived
	switch e.state {
	case stateLive:
		return metric.Stored, true
	case stateDropped:
		return metric.DroppedByRule, true
	default:
		if s.stillRefused(e) {
			return s.refuseAgain(e), true
		}
		return 0, false
	}
}

// add makes the entry of an identity that is not known, unless there is no room: then its samples cost no rules.
func (s *registry) add(of *sample, nameHash uint64) (entryPos, metric.Outcome) {
	if !s.hasRoom(of) {
		s.refuseUnkept(of.kind, of.name)
		return 0, metric.OverLimit
	}
	if of.tagset == 0 {
		of.tagset = s.entries.internTagset(of.hash, of.key)
	}
	pos := s.entries.add(of.tagset, s.entries.internName(nameHash, of.kind, of.name, of.unit), of.arrived)
	s.limits.parts++
	of.tagset = 0 // it may be removed with the entry
	return s.settle(pos)
}

func (s *registry) hasRoom(of *sample) bool {
	p := partNameOf(of.kind, of.name, of.unit, of.key)
	if p.role == roleNone || !s.identification.Load().Composites {
		return !s.limits.full()
	}
	s.key = compositeKey(s.key[:0], of.key, p.role.tag())
	switch known := s.knownComposite(s.key, p.base) != 0; {
	case known:
		return !s.limits.fullOfParts()
	case p.role == roleSum, p.role == roleCount:
		return !s.limits.full()
	default:
		return !s.limits.full() && !s.limits.fullOfParts()
	}
}

// settle decides what becomes of a loose entry. The position is 0 if the entry was not kept.
func (s *registry) settle(pos entryPos) (entryPos, metric.Outcome) {
	id := s.entries.identityOf(s.entries.at(pos))
	r := s.resolver.Resolve(&id)
	if !r.Dropped && r.Invalid == "" {
		if at, outcome, ok := s.compose(pos, &r); ok {
			return at, outcome
		}
	}
	return s.settleAlone(pos, &id, &r)
}

// settleAlone decides what becomes of a loose entry that is no part.
func (s *registry) settleAlone(pos entryPos, id *Identity, r *Resolved) (entryPos, metric.Outcome) {
	e := s.entries.at(pos)
	if s.limits.full() {
		s.refuseUnkept(s.entries.kindOf(e), []byte(id.Name))
		s.remove(pos)
		return 0, metric.OverLimit
	}
	s.entries.tag(e, r.Untagged)
	e.expiry = s.expiry.period(r.Expiry)
	if s.expiry.on && e.pace == 0 {
		e.pace = s.expiry.begin(s.entries.contentHash(e))
	}
	var outcome metric.Outcome
	switch {
	case r.Invalid != "":
		outcome = metric.Invalid
		e.setDependsOn(ref{pos, e.gen}) // on itself, which is alive until a reload: stillRefused stays true
		s.refuse(e, outcome, id.Name, "", r.Invalid)
	case r.Dropped:
		outcome = metric.DroppedByRule
		s.setAside(e, stateDropped)
	default:
		outcome = s.expose(pos, e, id, r)
	}
	if id.Composite != metric.TypeGauge {
		s.attachEarlierParts(pos)
	}
	if e.state == stateJoined {
		owner := e.dependsOn().pos
		s.entries.at(owner).arrived = e.arrived
		s.removeCrowded(pos)
		return owner, outcome
	}
	if e.state == stateLive || e.state == stateDropped && id.Composite != metric.TypeGauge {
		return pos, outcome
	}
	return s.removeCrowded(pos), outcome
}

// setAside gives a loose entry a state other than live; it loses its value.
func (s *registry) setAside(e *entry, to state) {
	if s.entries.kindOf(e).counter() {
		s.counters.remove(e)
	}
	e.value, e.stamp, e.aux, e.state = 0, 0, 0, to
	s.limits.parts--
	s.limits.others++
}

// removeCrowded removes an entry that is not live if there are many such; the rules then run for each of its samples.
func (s *registry) removeCrowded(pos entryPos) entryPos {
	if !s.limits.crowded() {
		return pos
	}
	s.remove(pos)
	return 0
}

// expose gives a loose entry its exposed series, or refuses it.
func (s *registry) expose(pos entryPos, e *entry, id *Identity, r *Resolved) metric.Outcome {
	makeup := s.entries.kindOf(e).makeup()
	family := s.families.find(r, makeup)
	if family == 0 {
		blocker, reason := s.makeWay(e, id, r)
		switch {
		case blocker != 0 && reason == "":
			f := s.families.at(blocker)
			e.setRefusingFamily(blocker, f.gen)
			e.flags |= flagFamily
			s.refuse(e, metric.Conflict, id.Name, r.Metric, conflictReason(f, blocker, r, makeup))
			return metric.Conflict
		case reason != "":
			return s.refuseFull(e, blocker, id, r, reason)
		}
		family = s.families.create(r, makeup)
	}
	f := s.families.at(family)
	key := seriesKey{family, s.families.labels.intern(metric.RenderLabels(r.Labels))}
	if owner := s.families.series[key]; owner != 0 {
		s.families.labels.release(key.labels)
		o := s.entries.at(owner)
		e.setDependsOn(ref{owner, o.gen})
		if kind := s.entries.kindOf(e); kind.timer() && kind == s.entries.kindOf(o) {
			// What distinguishes the two is no label: they are one series, and their observations add up.
			s.setAside(e, stateJoined)
			return metric.Stored
		}
		reason := fmt.Sprintf("its series belongs to raw name %q", s.entries.names.at(o.name).text)
		s.refuse(e, metric.Conflict, id.Name, r.Metric, reason)
		return metric.Conflict
	}
	if reason := s.limits.refuses(f, s.entries.tagsets.at(e.tagset).sender); reason != "" {
		s.families.labels.release(key.labels)
		outcome := s.refuseFull(e, family, id, r, reason)
		s.families.removeIfEmpty(family)
		return outcome
	}
	s.begin(pos, e, key, r)
	s.overrides.count(r.Metric, r.Overrides)
	return metric.Stored
}

// conflictReason says why a series of a makeup cannot have a name that the family has.
func conflictReason(f *family, pos familyPos, r *Resolved, m makeup) string {
	switch {
	case pos == ownFamily:
		return "its name begins like those of the exporter's own metrics, or of metrics.compatibility"
	case f.name != r.Metric, f.typ != r.Type:
		return fmt.Sprintf("%s of type %s has the name of this %s", f.name, f.typ, r.Type)
	case f.makeup != m:
		return fmt.Sprintf("%s %s, unlike this one", f.name, f.makeup)
	default:
		return fmt.Sprintf("a reload gives %s other buckets, and its series with the old ones are not retired yet", f.name)
	}
}

// makeWay ends the families that must give way to a new one: to composites, those of x_sum and x_count; to timers,
// those of other histograms and summaries, which must not take the name of the gorouter's requests. If another family
// has one of the names it is returned, and nothing ends; likewise, with a reason, if a limit has no room for the new
// series, or for those that would follow it into its family.
func (s *registry) makeWay(e *entry, id *Identity, r *Resolved) (blocker familyPos, reason string) {
	composite := id.Composite != metric.TypeGauge
	ending := s.families.blockers(r)
	for _, pos := range ending {
		givesWay := composite && s.families.isPartFamily(pos, r.Metric) ||
			id.Kind == metric.KindTimer && s.families.at(pos).makeup != ofValues
		if !givesWay {
			return pos, ""
		}
	}
	if composite {
		ending = s.families.partFamiliesOf(r)
	}
	sender := s.entries.tagsets.at(e.tagset).sender
	for _, pos := range ending {
		f := s.families.at(pos)
		if f.makeup != ofValues {
			f = &family{}
		}
		if reason := s.limits.refuses(f, sender); reason != "" {
			return pos, reason
		}
	}
	for _, pos := range ending {
		s.endFamily(pos)
	}
	return 0, ""
}

// begin makes a loose entry the owner of a series.
func (s *registry) begin(pos entryPos, e *entry, key seriesKey, r *Resolved) {
	s.limits.parts--
	s.limits.countLive(s.entries.tagsets.at(e.tagset).sender, 1)
	e.state, e.family, e.labels = stateLive, key.family, key.labels
	s.families.addSeries(key, ref{pos, e.gen})
	e.conversion = s.conversions.intern(s.conversionOf(e, r))
	switch f, kind := s.families.at(key.family), s.entries.kindOf(e); {
	case f.makeup == ofParts:
		e.extra = uint32(s.composites.add(composite{}))
	case f.makeup == ofDistributions:
		e.extra = uint32(s.distributions.add(distribution{}))
	case f.typ == metric.TypeHistogram:
		e.extra = uint32(s.distributions.add(newTimerHistogram(len(f.bounds), s.nativeHistograms, e.arrived)))
	case f.typ == metric.TypeSummary && kind.timer():
		e.extra = uint32(s.distributions.add(newTimerSummary(e.arrived)))
	case kind.counter():
		s.counters.show(e, s.counters.count(e))
	default:
		e.value = s.conversions.apply(e.conversion, e.value)
	}
}

// end takes a live entry out of its family and frees what begin made for it; a counter keeps its count.
func (s *registry) end(e *entry) {
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
	s.families.removeSeries(key, s.entries.alive)
}

// makeLoose makes an entry loose, whatever it was. A part may leave its composite empty: the caller removes
// the composite, or attaches the part again.
func (s *registry) makeLoose(pos entryPos) {
	e := s.entries.at(pos)
	switch e.state {
	case stateLive:
		s.end(e)
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
	s.entries.tag(e, false)
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
		case !s.entries.alive(m.ref):
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

// refuse notes why a loose entry has no series.
func (s *registry) refuse(e *entry, outcome metric.Outcome, raw, exposed, reason string) {
	s.setAside(e, stateRefused)
	e.extra = uint32(s.refusals.add(outcome, exposed, raw, reason))
	if s.entries.kindOf(e) != nameHTTPSize { // its sample is counted with the duration's
		s.refusals.count(e.refusal())
	}
}

// refuseFull refuses an entry that a limit has no room for. It is tried again once there may be some.
func (s *registry) refuseFull(e *entry, family familyPos, id *Identity, r *Resolved, reason string) metric.Outcome {
	e.setRefusingFamily(family, s.families.at(family).gen)
	e.flags |= flagFull
	s.refuse(e, metric.OverLimit, id.Name, r.Metric, reason)
	return metric.OverLimit
}

// refuseUnkept counts a sample for whose entry there is no room.
func (s *registry) refuseUnkept(kind nameKind, name []byte) {
	if kind != nameHTTPSize { // its sample is counted with the duration's
		s.refusals.countName(metric.OverLimit, name, reasonMaxSeries)
	}
}

// refuseAgain counts one more sample of a refused entry.
func (s *registry) refuseAgain(e *entry) metric.Outcome {
	if s.entries.kindOf(e) != nameHTTPSize { // its sample is counted with the duration's
		s.refusals.count(e.refusal())
	}
	return s.refusals.all[e.refusal()].Outcome
}

// stillRefused reports whether what an entry was refused for still exists.
func (s *registry) stillRefused(e *entry) bool {
	if e.flags&(flagFull|flagFamily) != 0 {
		pos, gen := e.refusingFamily()
		f := s.families.at(pos)
		if e.flags&flagFamily != 0 {
			return f.gen == gen
		}
		return s.limits.senderFull(s.entries.tagsets.at(e.tagset).sender) || f.gen == gen && s.limits.familyFull(f)
	}
	other := e.dependsOn()
	if !s.entries.alive(other) {
		return false
	}
	if e.flags&flagCrowded == 0 {
		return true
	}
	of := s.entries.at(other.pos)
	return of.state == stateLive && len(s.composites.at(of.composite()).points) >= maxParts
}
