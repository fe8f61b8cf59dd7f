package store

import (
	"math"

	"loggregator_exporter/metric"
)

// A counter reaches the exporter as a delta, as a total, or as both, where the total is mostly not the emitter's: it is what an agent
// added up on the way, which is wrong in known ways. How a series is counted follows from what an honest total can and cannot do:
//
//   - A total that comes with a delta d says that the total before it was total-d. Of samples of one running total in any order, one that is
//     above the highest seen so far, h, has total-d >= h, however many others were lost.
//   - Totals that are lower than h are late (agents send over several streams: up to 107 ms were measured) or begin anew. Late ones
//     change nothing, since h holds their deltas already.
//
// From that come two modes. In the first, the highest total counts: order does not matter, and losses on the way mend themselves. A
// series leaves it for good for the second, which adds up deltas, where its totals cannot be right:
//
//   - instances share it: an agent keys its running totals without the instance id, so that each instance would show the sum of all;
//   - it falls behind the deltas, or has begun anew maxFalls times: an agent with more than 10,000 counters empties its map, again and again.
//
// The second mode is not left since what made the totals wrong lasts as long as the agent's load does, and every change of mode risks
// counting twice what is on its way at that moment. It is exact as long as nothing is lost; its order does not matter either.
//
// A total that begins anew is believed only after a second low sample, fallGrace after the first one, with no higher one between; the value
// stands still until then and nothing is lost by it. A total with deltas is an agent's, so the emitter has not begun anew: the
// value goes on from where it was. A total without deltas is the emitter's own, which restarted: the value falls, as the counter itself did, and
// Prometheus' rate() adds up what follows. No value falls for any other reason.
const (
	// fallGrace is some twenty times the greatest delay that was measured between the streams of an agent.
	fallGrace = int64(2e9)
	maxFalls  = 3
)

// counterSide is what a counter needs while its totals are not simply rising.
type counterSide struct {
	// offset is what the count is ahead of the total, modulo 2^64: totals that an agent began anew lag behind.
	offset uint64
	falls  int
	fall   fall
	start  int64 // our clock when the count was 0, nanoseconds; 0 where nobody saw it
}

// fall is a run of samples below the highest total, on which it is not decided yet whether they are late.
type fall struct {
	since  int64 // our clock at the first one; 0 where there is no fall
	stamp  int64 // the newest timestamp
	start  uint64
	top    uint64 // the totals of the run cover start to top
	deltas uint64
	old    bool // timestamps are older than that of the value: late, unless the emitter's clock was set back
}

func (f *fall) add(env *metric.Envelope, stamp int64) {
	start := env.Total - min(env.Delta, env.Total)
	if f.since == 0 {
		f.since, f.start = env.Arrived, start
	}
	f.stamp = max(f.stamp, stamp)
	f.start = min(f.start, start)
	f.top = max(f.top, env.Total)
	f.deltas = addUp(f.deltas, env.Delta)
}

// counterSides keeps the sides, of which position 0 stands for none.
type counterSides struct {
	all  []counterSide
	free []uint32
}

func (c *counterSides) take() uint32 {
	if n := len(c.free); n > 0 {
		pos := c.free[n-1]
		c.free = c.free[:n-1]
		return pos
	}
	if len(c.all) == 0 {
		c.all = append(c.all, counterSide{})
	}
	c.all = append(c.all, counterSide{})
	return uint32(len(c.all) - 1)
}

func (c *counterSides) put(pos uint32) {
	c.all[pos] = counterSide{}
	c.free = append(c.free, pos)
}

// setCounter takes one sample of a counter, see above.
func (s *Store) setCounter(pos uint32, e *series, env *metric.Envelope) metric.Outcome {
	mode := e.flags & (flagTotals | flagDeltas | flagMet | flagShared)
	known := mode == flagTotals|flagMet || mode == flagTotals && env.Delta == 0
	if high := uint64(e.aux); known && e.extra == 0 && env.Total > high && env.Delta <= env.Total-high {
		// Fast path: a total that rises as it should.
		e.stamp = max(e.stamp, clampStamp(env.Timestamp, env.Arrived))
		e.aux = int64(env.Total)
		s.setCount(e, env.Total)
		return metric.Stored
	}
	if env.Delta > 0 && env.Total > 0 && e.flags&flagMet == 0 {
		s.meetSiblings(pos, e)
	}
	if e.flags&flagShared != 0 && env.Delta > 0 && e.flags&flagDeltas == 0 {
		s.sumDeltas(e, s.count(e))
	}
	stamp := clampStamp(env.Timestamp, env.Arrived)
	switch {
	case e.flags&flagDeltas != 0:
		e.stamp = max(e.stamp, stamp)
		e.aux = int64(addUp(uint64(e.aux), env.Delta))
		s.setCount(e, uint64(e.aux))
	case e.flags&flagTotals != 0:
		return s.total(e, env, stamp)
	case env.Total > 0:
		e.flags |= flagTotals
		e.stamp, e.aux = stamp, int64(env.Total)
		s.setCount(e, env.Total)
	case env.Delta > 0:
		e.stamp = stamp
		s.sumDeltas(e, env.Delta)
		s.side(e).start = env.Arrived
	}
	return metric.Stored
}

// total takes a sample of a series whose highest total counts.
func (s *Store) total(e *series, env *metric.Envelope, stamp int64) metric.Outcome {
	high := uint64(e.aux)
	switch {
	case env.Total > high && env.Delta <= env.Total-high, env.Total == high && env.Delta == 0:
		s.endFall(e)
		e.stamp = max(e.stamp, stamp)
		e.aux = int64(env.Total)
		s.setCount(e, s.count(e))
		return metric.Stored
	case env.Total > high, env.Total == high && stamp > e.stamp:
		// No sample of the running total can be this one: it began anew, and there is nothing to wait for.
		side := s.side(e)
		if side.fall.old {
			side.fall = fall{}
		}
		side.fall.add(env, stamp)
		s.beginAnew(e, side)
		return metric.Stored
	case env.Total == high && stamp == e.stamp:
		return metric.Stored // the same sample once more
	}
	return s.low(e, env, stamp)
}

// low takes a sample that is late, or the first ones of a total that begins anew.
func (s *Store) low(e *series, env *metric.Envelope, stamp int64) metric.Outcome {
	outcome, grace, old := metric.Stored, fallGrace, stamp < e.stamp
	if old {
		outcome, grace = metric.Outdated, outdatedLimit
	}
	side := s.side(e)
	switch f := &side.fall; {
	case f.since == 0, f.old && !old:
		*f = fall{old: old}
		f.add(env, stamp)
	case old && !f.old:
		// Late, while newer ones seem to begin anew.
	default:
		f.add(env, stamp)
		if env.Arrived-f.since >= grace {
			s.beginAnew(e, side)
			outcome = metric.Stored
		}
	}
	return outcome
}

// beginAnew believes the fall.
func (s *Store) beginAnew(e *series, side *counterSide) {
	f := side.fall
	e.stamp = f.stamp
	if f.deltas == 0 {
		side.offset, side.start = 0, f.since
		e.aux = int64(f.top)
		s.endFall(e)
		s.setCount(e, f.top)
		return
	}
	// What the totals rose by would hold lost samples too, but samples of two maps of the agent may be among them: rather too few than too many.
	count := addUp(s.count(e), f.deltas)
	side.falls++
	if f.deltas > f.top-f.start || side.falls >= maxFalls {
		s.sumDeltas(e, count)
		return
	}
	side.offset = count - f.top
	side.fall = fall{}
	e.aux = int64(f.top)
	s.setCount(e, count)
}

// endFall forgets a fall, and with it the side where nothing else needs it.
func (s *Store) endFall(e *series) {
	if e.extra == 0 {
		return
	}
	side := &s.counters.all[e.extra]
	side.fall = fall{}
	if side.offset == 0 && side.start == 0 {
		s.counters.put(e.extra)
		e.extra = 0
	}
}

// sumDeltas makes a series add up deltas from a count on.
func (s *Store) sumDeltas(e *series, count uint64) {
	if e.extra != 0 {
		s.counters.put(e.extra)
		e.extra = 0
	}
	e.flags = e.flags&^flagTotals | flagDeltas
	e.aux = int64(count)
	s.setCount(e, count)
}

// side returns the side of a series, valid until another is taken.
func (s *Store) side(e *series) *counterSide {
	if e.extra == 0 {
		e.extra = s.counters.take()
	}
	return &s.counters.all[e.extra]
}

// count is the number that the series has counted to.
func (s *Store) count(e *series) uint64 {
	if e.extra == 0 || e.flags&flagTotals == 0 {
		return uint64(e.aux)
	}
	return uint64(e.aux) + s.counters.all[e.extra].offset
}

// start is when a counter was 0, where that is known.
func (s *Store) start(e *series) int64 {
	if e.extra == 0 || e.flags&(flagTotals|flagDeltas) == 0 {
		return 0
	}
	return s.counters.all[e.extra].start
}

// setCount shows a count. It is kept as an integer beside, so that a sum of many fractions does not drift.
func (s *Store) setCount(e *series, count uint64) {
	c := s.conversions[e.conversion]
	e.value = float64(count) * c.mul / c.div
}

// addUp adds and stays at the end of the range.
func addUp(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// freeCounter forgets what a counter has beside its entry. The entry's tag set and name are still there.
func (s *Store) freeCounter(e *series) {
	if e.flags&(flagTotals|flagDeltas) != 0 && e.extra != 0 {
		s.counters.put(e.extra)
	}
	if e.flags&flagMet != 0 {
		s.leaveSiblings(e)
	}
}
