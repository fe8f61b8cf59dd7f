package store

import (
	"slices"
	"strings"

	"loggregator_exporter/metric"
)

// inTheWay lists the families that stand where a new family of composites would write x_sum and x_count, and make way for it. Where
// anything else is in the way as well, all stay.
func (s *Store) inTheWay(r *Resolved) []uint32 {
	if _, found := s.families.claims[r.Metric]; found {
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
	return ending
}

// makeWay ends families, and returns their series.
func (s *Store) makeWay(ending []uint32) []ref {
	var held []ref
	for _, pos := range ending {
		f := &s.families.all[pos]
		for _, m := range slices.Concat(f.sorted, f.fresh) {
			if s.slab.alive(m.ref) {
				s.withdraw(m.pos)
				held = append(held, ref{m.pos, s.slab.at(m.pos).gen})
			}
		}
	}
	return held
}

// compositesAt lists the families of composites that write names which a family of timers would write.
func (s *Store) compositesAt(r *Resolved) []uint32 {
	var out []uint32
	for _, n := range writtenNames(r.Metric, r.Type) {
		if pos, found := s.families.claims[n]; found && s.families.all[pos].composite && !slices.Contains(out, pos) {
			out = append(out, pos)
		}
	}
	return out
}

// endComposites ends families of composites that stand where timers are to be: whoever sends a histogram of the name of the gorouter's
// must not take that away.
func (s *Store) endComposites(families []uint32) {
	for _, pos := range families {
		f := &s.families.all[pos]
		for _, m := range slices.Concat(f.sorted, f.fresh) {
			if s.slab.alive(m.ref) {
				s.free(m.pos)
			}
		}
	}
}

// letGo forgets withdrawn series: they come back with their next sample.
func (s *Store) letGo(held []ref) {
	for _, r := range held {
		s.free(r.pos)
	}
}

// takenAtOnce bounds how many series are taken in under one hold of the lock. The others follow with their next samples.
const takenAtOnce = 256

// takeIn makes withdrawn series pieces of their own composites.
func (s *Store) takeIn(held []ref) {
	for _, r := range held[:min(len(held), takenAtOnce)] {
		if s.slab.alive(r) && !s.takeInOne(r) && s.slab.alive(r) {
			s.free(r.pos) // it comes back as what it is now
		}
	}
}

// takeInOne makes a withdrawn series a piece, unless it is one by now. It is false where there is no place for it.
func (s *Store) takeInOne(r ref) bool {
	e := s.slab.at(r.pos)
	if s.slab.alive(e.owner()) {
		return true
	}
	n := &s.ids.names[e.name]
	name, key := []byte(n.text), []byte(s.ids.tagsets[e.tagset].key)
	p := pieceOf(n.kind, name, []byte(n.unit), key)
	if p.role != roleSum && p.role != roleCount {
		return false
	}
	want := wanted{key: compositeKey(nil, key, ""), name: p.base, arrived: e.arrived, tagset: noTagset}
	of, ok := s.claimedComposite(key, want.key, n.kind, name, p.base)
	if !ok {
		return false
	}
	want.hash, want.kind = s.ids.hashBytes(want.key), of
	composite, outcome := s.series(&want)
	if outcome != metric.Stored || !s.slab.alive(r) {
		return false
	}
	if s.slab.alive(e.owner()) {
		return true // it was adopted
	}
	if _, reason := s.attach(r.pos, e, composite, &p); reason != "" {
		return false
	}
	s.pieces-- // withdraw has counted it
	return true
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
	case e.state == statePiece && !s.slab.alive(e.owner()) && e.stamp != 0:
	case e.state == statePiece && !s.slab.alive(e.owner()), e.state == stateRefused:
		s.free(pos) // no sample of it was ever stored: it comes back as a piece
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
