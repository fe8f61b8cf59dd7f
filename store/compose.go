package store

import "loggregator_exporter/metric"

// admitPiece makes the entry of a piece, and its composite where there is none yet. It is false where the entry is none: it is then
// as any other. That does not depend on which of the pieces came first: a composite takes x_sum and x_count with it that were
// exposed by themselves, and its family takes the place of those that other emitters' x_sum and x_count made.
func (s *Store) admitPiece(want *wanted, nameHash uint64) (pos uint32, outcome metric.Outcome, ok bool) {
	p := pieceOf(want.kind, want.name, want.unit, want.key)
	if p.role == roleNone || !s.identification.Load().Composites {
		return 0, metric.Stored, false
	}
	s.pieceKey = compositeKey(s.pieceKey[:0], want.key, p.role.tag())
	of, ok := s.compositeOf(&p, want.key, s.pieceKey, want.kind, want.name)
	if !ok {
		return 0, metric.Stored, false
	}
	if _, known := s.lookup(s.pieceKey, of, p.base); s.pieces >= s.maxSeries || s.others >= s.maxSeries || !known && s.live >= s.maxSeries {
		s.refusals.countOverLimit(want.name)
		return 0, metric.OverLimit, true
	}
	if s.droppedByRule(want.key, want.kind, want.name) {
		return 0, metric.Stored, false
	}
	_, outcome = s.series(&wanted{key: s.pieceKey, name: p.base, hash: s.ids.hashBytes(s.pieceKey), arrived: want.arrived, tagset: noTagset, kind: of})
	want.tagset = noTagset // what made way may have been the last to have it
	composite, known := s.lookup(s.pieceKey, of, p.base)
	if !known {
		return 0, outcome, true
	}
	namePos := s.internPair(want, nameHash)
	pos = s.place(want.tagset, namePos, want.arrived)
	outcome = s.compose(pos, composite, outcome, &p)
	if s.slab.at(pos).state == stateRefused {
		s.forgetRefused(pos, &want.tagset)
	}
	return pos, outcome, true
}

// compositeOf says which kind of composite a piece belongs to, if any.
func (s *Store) compositeOf(p *piece, key, compositeKey []byte, kind nameKind, name []byte) (nameKind, bool) {
	switch p.role {
	case roleBucket:
		return nameHistogram, true
	case roleQuantile:
		return nameSummary, true
	default:
		if of, known := s.knownComposite(compositeKey, p.base); known || s.live >= s.maxSeries || s.others >= s.maxSeries {
			return of, known // where there is no room, samples must not cost rules
		}
		return s.claimedComposite(key, compositeKey, kind, name, p.base)
	}
}

// compose makes a new entry a piece of a composite, whose outcome is the piece's too.
func (s *Store) compose(pos, composite uint32, outcome metric.Outcome, p *piece) metric.Outcome {
	e, owner := s.slab.at(pos), s.slab.at(composite)
	if outcome != metric.Stored {
		e.state = statePiece
		e.setOwner(ref{composite, owner.gen})
		s.pieces++
		return outcome
	}
	against, reason := s.attach(pos, e, composite, p)
	if reason == "" {
		return metric.Stored
	}
	outcome = metric.Conflict
	if against == composite {
		outcome = metric.OverLimit
		e.flags |= flagCrowded
	}
	e.setOwner(ref{against, s.slab.at(against).gen})
	n := &s.ids.names[e.name]
	s.refuse(e, outcome, &Identity{Name: n.text}, &Resolved{Metric: s.families.all[owner.family].name}, reason)
	return outcome
}

// revisitPiece is revisit for a piece: it is false where the piece has to be made anew.
func (s *Store) revisitPiece(pos uint32, e *series, arrived int64) (metric.Outcome, bool) {
	of := e.owner()
	if !s.slab.alive(of) {
		return metric.Stored, e.stamp != 0 && s.takeInOne(ref{pos, e.gen})
	}
	owner := s.slab.at(of.pos)
	owner.arrived = arrived
	switch owner.state {
	case stateLive:
		return metric.Stored, true
	case stateDropped:
		return metric.DroppedByRule, true
	default:
		if s.stillRefused(owner) {
			return s.refuseAgain(owner), true
		}
		s.free(of.pos)
		return metric.Stored, false
	}
}

// lookup returns the entry of an identity and a name without a unit.
func (s *Store) lookup(key []byte, kind nameKind, name []byte) (uint32, bool) {
	tagset, ok := s.ids.findTagset(s.ids.hashBytes(key), key)
	if !ok {
		return 0, false
	}
	n, ok := s.ids.findName(s.ids.hashName(kind, name, nil), kind, name, nil)
	if !ok {
		return 0, false
	}
	return s.find(tagset, n)
}

// knownComposite says which kind of composite there is of an identity and a name.
func (s *Store) knownComposite(key, base []byte) (nameKind, bool) {
	for _, kind := range []nameKind{nameHistogram, nameSummary} {
		if pos, ok := s.lookup(key, kind, base); ok {
			if state := s.slab.at(pos).state; state == stateLive || state == stateDropped {
				return kind, true
			}
		}
	}
	return 0, false
}

// identityOf is identity for an entry that is not there.
func identityOf(key []byte, kind nameKind, name []byte) Identity {
	source, instance, tags := parseIdentity(string(key))
	return Identity{
		Kind: kind.kind(), Composite: kind.composite(), Name: string(name), SourceID: source, InstanceID: instance, Tags: tags,
	}
}

func (s *Store) droppedByRule(key []byte, kind nameKind, name []byte) bool {
	id := identityOf(key, kind, name)
	r := s.resolver.Resolve(&id)
	return r.Dropped
}

// claimedComposite says which kind of composite x_sum or x_count belongs to because its name, as it would be exposed, is written by a
// family of composites, which x itself would be of.
func (s *Store) claimedComposite(key, compositeKey []byte, kind nameKind, name, base []byte) (nameKind, bool) {
	id := identityOf(key, kind, name)
	r := s.resolver.Resolve(&id)
	if r.Dropped {
		return 0, false
	}
	for _, n := range writtenNames(r.Metric, r.Type) {
		pos, ok := s.families.claims[n]
		if !ok || !s.families.all[pos].composite {
			continue
		}
		of := nameHistogram
		if s.families.all[pos].typ == metric.TypeSummary {
			of = nameSummary
		}
		id := identityOf(compositeKey, of, base)
		if x := s.resolver.Resolve(&id); !x.Dropped && x.Metric == s.families.all[pos].name {
			return of, true
		}
	}
	return 0, false
}
