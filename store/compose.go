package store

import (
	"slices"
	"strings"

	"loggregator_exporter/metric"
)

// admitPiece makes the entry of a piece, and its composite where there is none yet. It is false where the entry is none: it is then
// as any other. That does not depend on which of the pieces came first: a composite takes x_sum and x_count with it that were
// exposed by themselves, and its family takes the place of those that other emitters' x_sum and x_count made.
func (s *Store) admitPiece(w *Writer, hash uint64, tagset *uint32, nameHash uint64, kind nameKind, name, unit []byte, arrived int64) (pos uint32, outcome metric.Outcome, ok bool) {
	p := pieceOf(kind, name, unit, w.key)
	if p.role == roleNone || s.dialect != nil {
		return 0, metric.Stored, false
	}
	c := &s.composer
	c.key = compositeKey(c.key[:0], w.key, p.role.tag())
	of, ok := s.compositeOf(&p, w.key, c.key, kind, name)
	if !ok {
		return 0, metric.Stored, false
	}
	if _, known := s.lookup(c.key, of, p.base); s.pieces >= s.maxSeries || !known && s.live >= s.maxSeries {
		s.refusals.countOverLimit(name)
		return 0, metric.OverLimit, true
	}
	if s.droppedByRule(w.key, kind, name) {
		return 0, metric.Stored, false
	}
	compositeTagset := noTagset
	_, outcome = s.series(c, s.ids.hashBytes(c.key), &compositeTagset, of, p.base, nil, arrived)
	composite, known := s.lookup(c.key, of, p.base)
	if !known {
		return 0, outcome, true
	}
	*tagset = noTagset // what made way may have been the last to have it
	namePos := s.internPair(w, hash, tagset, nameHash, kind, name, unit)
	pos = s.place(*tagset, namePos, arrived)
	return pos, s.compose(pos, composite, outcome, &p), true
}

// compositeOf says which kind of composite a piece belongs to, if any.
func (s *Store) compositeOf(p *piece, key, compositeKey []byte, kind nameKind, name []byte) (nameKind, bool) {
	switch p.role {
	case roleBucket:
		return nameHistogram, true
	case roleQuantile:
		return nameSummary, true
	default:
		if of, known := s.knownComposite(compositeKey, p.base); known || s.live >= s.maxSeries {
			return of, known
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
func (s *Store) revisitPiece(e *series, arrived int64) (metric.Outcome, bool) {
	of := e.owner()
	if !s.slab.alive(of) {
		return metric.Stored, false
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
	r := s.resolve(&id)
	return r.Dropped
}

// claimedComposite says which kind of composite x_sum or x_count belongs to because its name, as it would be exposed, is written by a
// family of composites, which x itself would be of.
func (s *Store) claimedComposite(key, compositeKey []byte, kind nameKind, name, base []byte) (nameKind, bool) {
	id := identityOf(key, kind, name)
	r := s.resolve(&id)
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
		if x := s.resolve(&id); !x.Dropped && x.Metric == s.families.all[pos].name {
			return of, true
		}
	}
	return 0, false
}

// makeWay ends the families that stand where a new family of composites would write x_sum and x_count, and returns their series.
// Where anything else is in the way as well, all stay.
func (s *Store) makeWay(r *Resolved) []uint32 {
	if _, found := s.families.claims[r.Metric]; found || !r.Composite {
		return nil
	}
	var ending []uint32
	for _, n := range writtenNames(r.Metric, r.Type) {
		pos, found := s.families.claims[n]
		if !found || slices.Contains(ending, pos) {
			continue
		}
		f := &s.families.all[pos]
		sum := f.typ == metric.TypeGauge && f.name == r.Metric+"_sum"
		count := f.typ == metric.TypeCounter && strings.TrimSuffix(f.name, "_total") == r.Metric+"_count"
		if !sum && !count {
			return nil
		}
		ending = append(ending, pos)
	}
	var held []uint32
	for _, pos := range ending {
		f := &s.families.all[pos]
		for _, m := range slices.Concat(f.sorted, f.fresh) {
			if s.slab.alive(m.ref) {
				s.withdraw(m.pos)
				held = append(held, m.pos)
			}
		}
	}
	return held
}

// endComposites ends a family of composites that stands where timers are to be: whoever sends a histogram of the name of the gorouter's
// must not take that away.
func (s *Store) endComposites(r *Resolved) {
	for _, n := range writtenNames(r.Metric, r.Type) {
		pos, found := s.families.claims[n]
		if !found || !s.families.all[pos].composite {
			continue
		}
		f := &s.families.all[pos]
		for _, m := range slices.Concat(f.sorted, f.fresh) {
			if s.slab.alive(m.ref) {
				s.free(m.pos)
			}
		}
	}
}

// letGo forgets withdrawn series: they come back with their next sample.
func (s *Store) letGo(held []uint32) {
	for _, pos := range held {
		s.free(pos)
	}
}

// takeIn makes withdrawn series pieces of their own composites, of a kind.
func (s *Store) takeIn(held []uint32, of nameKind) {
	for _, pos := range held {
		e := s.slab.at(pos)
		if e.state != statePiece || s.slab.alive(e.owner()) {
			continue // its composite has taken it
		}
		n := &s.ids.names[e.name]
		key := []byte(s.ids.tagsets[e.tagset].key)
		p := pieceOf(n.kind, []byte(n.text), []byte(n.unit), key)
		if p.role != roleSum && p.role != roleCount {
			s.free(pos)
			continue
		}
		w := Writer{identifier: identifier{key: compositeKey(nil, key, "")}}
		tagset := noTagset
		composite, outcome := s.series(&w, s.ids.hashBytes(w.key), &tagset, of, p.base, nil, e.arrived)
		if s.slab.alive(e.owner()) {
			continue
		}
		if outcome != metric.Stored {
			s.free(pos)
			continue
		}
		if _, reason := s.attach(pos, e, composite, &p); reason != "" {
			s.free(pos)
			continue
		}
		s.pieces-- // withdraw has counted it
	}
}

// adopt makes x_sum and x_count that came before their composite pieces of it. Those of one that rules drop go with it.
func (s *Store) adopt(composite uint32) {
	owner := s.slab.at(composite)
	base := s.ids.names[owner.name].text
	key := []byte(s.ids.tagsets[owner.tagset].key)
	for _, p := range []struct {
		role   role
		kind   nameKind
		suffix []byte
	}{{roleSum, nameGauge, suffixSum}, {roleCount, nameCounter, suffixCount}} {
		name := append([]byte(base), p.suffix...)
		for _, k := range pieceKeys(key, p.role) {
			if pos, ok := s.lookup(k, p.kind, name); ok {
				s.adoptOne(pos, composite, &piece{role: p.role})
			}
		}
	}
}

func (s *Store) adoptOne(pos, composite uint32, p *piece) {
	e := s.slab.at(pos)
	switch {
	case e.state == stateLive:
		s.withdraw(pos)
	case e.state == statePiece && !s.slab.alive(e.owner()):
	case e.state == stateRefused:
		s.free(pos) // it comes back as a piece
		return
	default:
		return
	}
	owner := s.slab.at(composite)
	if owner.state == stateLive {
		if _, reason := s.attach(pos, e, composite, p); reason == "" {
			s.pieces--
			owner.arrived = max(owner.arrived, e.arrived)
			return
		}
	}
	s.free(pos)
}
