package store

import (
	"loggregator_exporter/metric"
)

// sample is one sample on its way into the store: what finds its entry, and what it says. It borrows the memory of the
// writer.
type sample struct {
	key        []byte // the envelope's identity, see appendIdentity
	name, unit []byte
	hash       uint64 // of the key
	nameHash   uint64
	arrived    int64
	tagset     tagsetPos // of the key, 0 if it is not known
	kind       nameKind
	sameKey    bool   // the key is that of the sample before
	follows    bool   // it belongs to the sample before, as the size of a response does: see Writer.takeAll
	invalid    string // why the envelope's samples are invalid, or ""

	// Set by locate.
	nameAt   namePos
	found    entryPos // perhaps the entry
	pairHash uint64

	stamp, began int64   // as in metric.Envelope
	value        float64 // of a gauge; seconds or bytes of a timer
	delta, total uint64  // of a counter
	trace        TraceID // of a timer
}

// findOrAdd returns the entry of a sample. If the outcome is Stored, it is live or a part, and its arrival time is
// set; any other outcome is final for the sample. Samples that have no valid name or identity are refused and
// counted. The caller holds the lock.
func (s *registry) findOrAdd(of *sample) (entryPos, metric.Outcome) {
	switch {
	case len(of.name) > metric.MaxNameBytes:
		s.refusals.countName(metric.Invalid, of, reasonLongName)
		return 0, metric.Invalid
	case of.invalid != "" || len(of.name) == 0:
		s.refusals.countName(metric.Invalid, of, of.invalid)
		return 0, metric.Invalid
	}
	if of.tagset == 0 {
		of.tagset = s.entries.findTagset(of.hash, of.key)
	}
	if of.tagset != 0 {
		if n := s.entries.findName(of.nameHash, of.kind, of.name, of.unit); n != 0 {
			// Fast path: both halves are known, and so is the pair.
			if pos := s.entries.find(of.tagset, n); pos != 0 {
				return s.revisit(pos, of)
			}
		}
	}
	// Slow path: once for each series.
	return s.add(of)
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
			return pos, s.refusals.count(s.entries.kindOf(e), e.refusal(), e.arrived)
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
			return s.refusals.count(s.entries.kindOf(e), e.refusal(), e.arrived), true
		}
		return 0, false
	}
}

// add makes the entry of an identity that is not known, unless there is no room: then its samples cost no rules.
func (s *registry) add(of *sample) (entryPos, metric.Outcome) {
	if !s.hasRoom(of) {
		s.refusals.countName(metric.OverLimit, of, reasonMaxSeries)
		return 0, metric.OverLimit
	}
	if of.tagset == 0 {
		of.tagset = s.entries.internTagset(of.hash, of.key)
	}
	if s.resting {
		s.resting = false
		s.wake <- struct{}{} // it has room: Run rests only after it has taken what was there
	}
	pos := s.entries.add(of.tagset, s.entries.internName(of.nameHash, of.kind, of.name, of.unit), of.arrived)
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
	switch known := s.entries.knownComposite(s.key, p.base) != 0; {
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
	id, r := s.resolve(s.entries.at(pos))
	if !r.Dropped && r.Invalid == "" {
		if at, outcome, ok := s.compose(pos, &r); ok {
			return at, outcome
		}
	}
	return s.settleAlone(pos, id, &r)
}

// resolve asks the resolver what becomes of an entry. The identity and the labels are valid until the next call.
func (s *registry) resolve(e *entry) (id *Identity, r Resolved) {
	if s.session == nil {
		s.session = s.resolver
		if of, ok := s.resolver.(sessions); ok {
			s.session = of.Session()
		}
	}
	s.resolved++
	id = &s.identity
	if key := s.entries.tagsets.at(e.tagset).key; id.Sender != key {
		id.Sender = key
		id.SourceID, id.InstanceID, id.Tags = appendTags(id.Tags[:0], key)
	}
	name := s.entries.names.at(e.name)
	id.Kind, id.Composite, id.ResponseSize = name.kind.kind(), name.kind.composite(), name.kind == nameHTTPSize
	id.Name, id.Unit = name.text, name.unit
	r = s.session.Resolve(id)
	if r.Text == nil {
		r.Text = []byte(metric.RenderLabels(r.Labels))
	}
	return id, r
}

// settleAlone decides what becomes of a loose entry that is no part.
func (s *registry) settleAlone(pos entryPos, id *Identity, r *Resolved) (entryPos, metric.Outcome) {
	e := s.entries.at(pos)
	if s.limits.full() {
		s.countRefused(e, metric.OverLimit, reasonMaxSeries)
		s.remove(pos)
		return 0, metric.OverLimit
	}
	s.entries.tag(e, r.Untagged, r.Described)
	e.expiry = s.expiry.period(r.Expiry)
	if s.expiry.on && e.pace == 0 {
		e.pace = s.expiry.begin(s.entries.contentHash(e))
	}
	var outcome metric.Outcome
	switch {
	case r.Invalid != "":
		outcome = metric.Invalid
		e.setDependsOn(ref{pos, e.gen}) // on itself, which is alive until a reload: stillRefused stays true
		s.refuse(e, outcome, "", cause{reason: r.Invalid})
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
			s.refuse(e, metric.Conflict, r.Metric, cause{reason: conflictReason(f, blocker, r, makeup)})
			return metric.Conflict
		case reason != "":
			return s.refuseFull(e, blocker, r, reason)
		}
		family = s.families.create(r, makeup)
	}
	f := s.families.at(family)
	key := seriesKey{family, s.families.labels.intern(r.Text)}
	if owner := s.families.owner(key); owner != 0 {
		s.families.labels.release(key.labels)
		o := s.entries.at(owner)
		e.setDependsOn(ref{owner, o.gen})
		if kind := s.entries.kindOf(e); kind.timer() && kind == s.entries.kindOf(o) {
			// What distinguishes the two is no label: they are one series, and their observations add up.
			s.setAside(e, stateJoined)
			return metric.Stored
		}
		s.refuse(e, metric.Conflict, r.Metric, cause{rival: s.rival(o)})
		return metric.Conflict
	}
	if reason := s.limits.refuses(f, s.entries.tagsets.at(e.tagset).sender); reason != "" {
		s.families.labels.release(key.labels)
		outcome := s.refuseFull(e, family, r, reason)
		s.families.removeIfEmpty(family)
		return outcome
	}
	s.begin(pos, e, key, r)
	s.overrides.count(r.Metric, r.Overrides)
	return metric.Stored
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
			f = &family{} // its series do not follow into the new one: there is only the sender's limit to look at
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
	e.conversion = s.conversions.intern(conversionOf(s.entries.kindOf(e), r))
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
