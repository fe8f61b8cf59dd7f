package store

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
)

// maxPieces bounds the buckets or quantiles of one composite.
const maxPieces = 512

// composite is what a series of a composite family consists of.
type composite struct {
	pieces []compositePiece // by bound, +Inf last, or by quantile
	// at are the bounds without +Inf, converted, or the quantiles. It is replaced, never changed, since scrapes hold it; composites of a
	// family that have the same share it.
	at []float64
	// Positions of x_sum and x_count, beyond 1, or 0.
	sum, count uint32
}

// compositePiece is a bucket or a quantile.
type compositePiece struct {
	at  float64
	pos uint32
}

// composites keeps them, and the positions that are free.
type composites struct {
	all  []composite
	free []uint32
}

func (c *composites) take() uint32 {
	if n := len(c.free); n > 0 {
		pos := c.free[n-1]
		c.free = c.free[:n-1]
		return pos
	}
	c.all = append(c.all, composite{})
	return uint32(len(c.all) - 1)
}

// put frees a composite and returns the positions of what it was made of.
func (c *composites) put(pos uint32) []uint32 {
	pieces := slices.Collect(c.all[pos].all())
	c.all[pos] = composite{}
	c.free = append(c.free, pos)
	return pieces
}

// all yields the positions of what a composite is made of.
func (c *composite) all() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, p := range c.pieces {
			if !yield(p.pos) {
				return
			}
		}
		for _, p := range [...]uint32{c.sum, c.count} {
			if p > 0 && !yield(p-1) {
				return
			}
		}
	}
}

// find returns where a bound or quantile is, or belongs.
func (c *composite) find(at float64) (int, bool) {
	return slices.BinarySearchFunc(c.pieces, at, func(p compositePiece, at float64) int { return cmp.Compare(p.at, at) })
}

// sharePieces makes c.at anew. A family remembers the longest list it had, which most of its series have as well.
func (c *composite) sharePieces(f *family) {
	at := make([]float64, 0, len(c.pieces))
	for _, p := range c.pieces {
		if !math.IsInf(p.at, 1) {
			at = append(at, p.at)
		}
	}
	switch {
	case slices.Equal(at, f.shared):
		at = f.shared
	case len(at) >= len(f.shared):
		f.shared = at
	}
	c.at = at
}

// attach makes an entry a piece of a live composite. Where that has one already, or too many, it says what stands in the way: a piece, or the
// composite itself.
func (s *Store) attach(pos uint32, e *series, of uint32, p *piece) (against uint32, reason string) {
	owner := s.slab.at(of)
	f := &s.families.all[owner.family]
	c := &s.composites.all[owner.extra]
	switch p.role {
	case roleBucket, roleQuantile:
		at := p.at
		if p.role == roleBucket {
			conv := s.conversions[owner.conversion]
			at = at * conv.mul / conv.div
		}
		i, taken := c.find(at)
		switch {
		case taken:
			return c.pieces[i].pos, fmt.Sprintf("its %s is that of another series of this %s", p.role.tag(), f.typ)
		case len(c.pieces) >= maxPieces:
			return of, fmt.Sprintf("a %s has %d of tag %s at most", f.typ, maxPieces, p.role.tag())
		}
		c.pieces = slices.Insert(c.pieces, i, compositePiece{at, pos})
		c.sharePieces(f)
		f.pieces++
	case roleSum, roleCount:
		place := &c.sum
		if p.role == roleCount {
			place = &c.count
		}
		if *place > 0 {
			return *place - 1, fmt.Sprintf("this %s has it from another series", f.typ)
		}
		*place = pos + 1
	case roleNone:
	}
	e.state = statePiece
	e.setOwner(ref{of, owner.gen})
	e.expiry, e.conversion = owner.expiry, 0
	if p.role == roleQuantile || p.role == roleSum {
		e.conversion = owner.conversion
		conv := s.conversions[e.conversion]
		e.value = e.value * conv.mul / conv.div // of one that was withdrawn
	}
	s.pieces++
	return 0, ""
}

// detach takes a piece from its composite, which ends with its last piece; its family ends with the last bucket or quantile.
func (s *Store) detach(pos uint32, e *series) {
	of := e.owner()
	if !s.slab.alive(of) || s.slab.at(of.pos).state != stateLive {
		return
	}
	owner := s.slab.at(of.pos)
	family, c := owner.family, &s.composites.all[owner.extra]
	f := &s.families.all[family]
	had := f.pieces
	switch pos + 1 {
	case c.sum:
		c.sum = 0
	case c.count:
		c.count = 0
	default:
		c.pieces = slices.DeleteFunc(c.pieces, func(p compositePiece) bool { return p.pos == pos })
		c.sharePieces(f)
		f.pieces--
	}
	lost := f.pieces < had
	if len(c.pieces) == 0 && c.sum == 0 && c.count == 0 {
		s.free(of.pos)
	}
	if lost {
		s.disband(family)
	}
}

// left says whether a piece is no longer sent while its composite is: an emitter that restarts with other buckets never sends the old
// ones again, and they must not stand beside the new ones until they expire.
func (s *Store) left(e *series) bool {
	of := e.owner()
	return e.pace.known() && s.slab.alive(of) && s.slab.at(of.pos).arrived-e.arrived >= e.pace.after()
}

// withdraw takes a live gauge or counter out of its family, so that it can become a piece. It keeps what it has counted.
func (s *Store) withdraw(pos uint32) {
	e := s.slab.at(pos)
	family := e.family
	s.conceal(e)
	if e.flags&flagUntagged != 0 {
		e.flags &^= flagUntagged
		s.ids.countUntagged(e.name, -1)
	}
	if s.ids.names[e.name].kind == nameGauge {
		conv := s.conversions[e.conversion]
		e.value = e.value * conv.div / conv.mul // as it was sent: the composite may have another unit
	}
	e.state, e.conversion = statePiece, 0
	e.setOwner(ref{pos, e.gen}) // of the past: it is nobody's
	e.gen++                     // the lists of its family know it as it was
	s.pieces++
	if e.flags&flagMet != 0 {
		s.rejoinSiblings(ref{pos, e.gen - 1}, ref{pos, e.gen}, e)
	}
	s.leaveFamily(family)
}

// conceal gives back what a live entry had for being exposed.
func (s *Store) conceal(e *series) {
	delete(s.exposed, exposedKey{e.family, e.labels})
	s.ids.owners.all[s.ids.tagsets[e.tagset].owner].live--
	s.labels.release(e.labels)
	s.live--
}

// histogramOf reads a histogram into the reader's memory; nil where nothing is known of it yet.
func (r *Reader) histogramOf(s *Store, e *series) (out *Histogram, start int64) {
	f := &s.families.all[e.family]
	if f.composite {
		return r.readHistogram(s, &s.composites.all[e.extra])
	}
	h := &s.hists[e.extra]
	return r.histogram(h, f.bounds), h.start
}

// readHistogram reads a composite of counters into the reader's memory. What is not yet in all pieces is not shown: the total is that of
// +Inf, or x_count, or of the highest bucket there is, and no bucket exceeds the one above it, nor the highest the total. Each of
// them is a counter that falls at a reset only, so these minima are too.
func (r *Reader) readHistogram(s *Store, c *composite) (h *Histogram, start int64) {
	from := len(r.counts)
	start = math.MaxInt64
	take := func(pos uint32) uint64 {
		e := s.slab.at(pos)
		start = min(start, s.start(e))
		return s.count(e)
	}
	n := len(c.at)
	r.counts = append(slices.Grow(r.counts, n+1), make([]uint64, n+1)...)
	counts := r.counts[from : from+n+1 : from+n+1]
	totalled := true
	switch {
	case len(c.pieces) > n:
		counts[n] = take(c.pieces[n].pos)
	case r.has(s, c.count):
		counts[n] = take(c.count - 1)
	case n > 0:
		counts[n], totalled = math.MaxUint64, false
	default:
		return nil, 0
	}
	for i := n - 1; i >= 0; i-- {
		counts[i] = min(counts[i+1], take(c.pieces[i].pos))
	}
	if !totalled {
		counts[n] = counts[n-1]
	}
	total := counts[n]
	for i := n; i > 0; i-- {
		counts[i] -= counts[i-1]
	}
	sum, summed := r.sumOf(s, c)
	r.hists = append(r.hists, Histogram{Bounds: c.at, Counts: counts, Count: total, Sum: sum, Unsummed: !summed})
	return &r.hists[len(r.hists)-1], start
}

// readSummary reads a composite of gauges into the reader's memory.
func (r *Reader) readSummary(s *Store, c *composite) (out *Summary, start int64) {
	from := len(r.quantiles)
	for _, p := range c.pieces {
		r.quantiles = append(r.quantiles, s.slab.at(p.pos).value)
	}
	sum, summed := r.sumOf(s, c)
	x := Summary{
		Quantiles: c.at, Values: r.quantiles[from:len(r.quantiles):len(r.quantiles)], Sum: sum, Unsummed: !summed, Uncounted: !r.has(s, c.count),
	}
	if !x.Uncounted {
		e := s.slab.at(c.count - 1)
		x.Count, start = s.count(e), s.start(e)
	}
	r.summaries = append(slices.Grow(r.summaries, 1), x)
	return &r.summaries[len(r.summaries)-1], start
}

// has says whether a composite has the x_sum or x_count whose position, beyond 1, is given. One that is overdue is at another exporter now, where
// it must not stand twice until the next sweep.
func (r *Reader) has(s *Store, place uint32) bool {
	return place > 0 && !s.expired(s.slab.at(place-1), r.family.now)
}

// sumOf is the value of x_sum; NaN where there is none.
func (r *Reader) sumOf(s *Store, c *composite) (sum float64, ok bool) {
	if !r.has(s, c.sum) {
		return math.NaN(), false
	}
	return s.slab.at(c.sum - 1).value, true
}
