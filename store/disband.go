package store

import "slices"

// disband ends a family of composites that has lost its last bucket and quantile: what is left are x_sum and x_count of a histogram that is
// at another exporter now, or nowhere. They wait for their next samples, which show them by themselves, and keep what they have counted.
// The family's names have to be free at once, so that it costs up to 0.5 µs for each composite; no rules run.
func (s *Store) disband(family uint32) {
	f := &s.families.all[family]
	if !f.composite || f.pieces > 0 {
		return
	}
	for _, m := range slices.Concat(f.sorted, f.fresh) {
		if !s.slab.alive(m.ref) {
			continue
		}
		c := &s.composites.all[s.slab.at(m.pos).extra]
		if c.sum > 0 {
			e := s.slab.at(c.sum - 1)
			conv := s.conversions[e.conversion]
			e.value, e.conversion = e.value*conv.div/conv.mul, 0 // as it was sent
		}
		c.sum, c.count = 0, 0
		s.free(m.pos)
	}
}

// bare says whether all buckets and quantiles of a family of composites are overdue, so that it is not to be shown. In general the first one
// tells.
func (f *Family) bare() bool {
	for chunk := range slices.Chunk(f.members, readChunkHistogram) {
		if f.store.showsPiece(chunk, f.now) {
			return false
		}
	}
	return true
}

// showsPiece says whether one of the composites has a bucket or quantile that is not overdue.
func (s *Store) showsPiece(chunk []member, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range chunk {
		if !s.slab.alive(chunk[i].ref) {
			continue
		}
		for _, p := range s.composites.all[s.slab.at(chunk[i].pos).extra].pieces {
			if !s.expired(s.slab.at(p.pos), now) {
				return true
			}
		}
	}
	return false
}

// end frees the buckets and quantiles of a family that are overdue, as the next sweep would: until they have gone, x_sum and x_count cannot
// be shown by themselves.
func (f *Family) end() {
	for chunk := range slices.Chunk(f.members, readChunkHistogram) {
		f.store.endPieces(chunk, f.now)
	}
}

func (s *Store) endPieces(chunk []member, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range chunk {
		if !s.slab.alive(chunk[i].ref) {
			continue
		}
		for _, p := range slices.Clone(s.composites.all[s.slab.at(chunk[i].pos).extra].pieces) {
			if s.expired(s.slab.at(p.pos), now) {
				s.free(p.pos)
			}
		}
	}
}

// past is what a gauge or counter holds of its samples.
type past struct {
	value      float64 // of a gauge, as it was sent
	stamp, aux int64
	flags      uint8
	pace       pace
	side       counterSide
}

// pastOf returns what an entry without a conversion holds.
func (s *Store) pastOf(e *series) past {
	p := past{value: e.value, stamp: e.stamp, aux: e.aux, flags: e.flags & (flagTotals | flagDeltas | flagShared), pace: e.pace}
	if p.flags&(flagTotals|flagDeltas) != 0 && e.extra != 0 {
		p.side = s.counters.all[e.extra]
	}
	return p
}

// resume makes a new entry go on where another of the same identity was.
func (s *Store) resume(e *series, p *past) {
	e.stamp, e.aux, e.pace = p.stamp, p.aux, p.pace
	e.flags |= p.flags
	if s.ids.names[e.name].kind == nameGauge {
		conv := s.conversions[e.conversion]
		e.value = p.value * conv.mul / conv.div
		return
	}
	if p.side != (counterSide{}) {
		*s.side(e) = p.side
	}
	s.setCount(e, s.count(e))
}
