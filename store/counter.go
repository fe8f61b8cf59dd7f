package store

import (
	"math"

	"loggregator_exporter/metric"
)

// A counter reaches the exporter as a delta, as a total, or as both, where the total is mostly not the emitter's but
// what an agent has added up on the way. That is wrong in known ways, so a series is counted by what a right total
// can and cannot do:
//
//   - A total that comes with a delta d says that the total before it was total-d. Of samples of one running total in
//     any order, one that is above the highest seen so far, h, has total-d >= h, however many others were lost.
//   - A total lower than h is late (agents send over several streams: up to 107 ms were measured), or the running
//     total began anew. Late samples change nothing, since h contains their deltas already.
//   - Delta 0 with total 0, a counter that is idle, makes the agent set its running total to 0. It is no restart: if
//     the next sample has a delta, the count goes on from where it was.
//   - A total without a delta is the emitter's own. One that is higher than h and older says that the emitter has
//     restarted since: it is late as well.
//
// From that follow two modes. In the first, the highest total counts: order does not matter, and losses on the way
// are made up for by the next sample. A series leaves it for good for the second, which adds up deltas, where its
// totals cannot be right:
//
//   - instances share it: an agent keys its running totals without the instance id, so that each instance would show
//     the sum of all;
//   - it falls behind the deltas, or has begun anew maxRestarts times: an agent with more than 10,000 counters empties
//     its map again and again.
//
// The second mode is never left, because what made the totals wrong lasts as long as the agent's load, and every
// change of mode risks counting twice what is under way at that moment. It is exact as long as nothing is lost, in
// any order.
//
// A total that began anew is believed after a second low sample, restartGrace after the first one, with no higher
// one in between; until then the value stands still and nothing is lost. A total with deltas is an agent's, so that
// the emitter has not begun anew: the value goes on from where it was. A total without deltas is the emitter's own,
// which has restarted: the value falls, as the counter itself did, and Prometheus' rate() adds up what follows. No
// value falls for any other reason.
const (
	// restartGrace is some twenty times the greatest delay that was measured between the streams of an agent.
	restartGrace = int64(2e9)
	maxRestarts  = 3
)

type counterPos uint32

// counterState is what a counter needs beside its entry while its totals do not simply rise.
type counterState struct {
	// offset is how far the count is ahead of the total, modulo 2^64: totals that an agent began anew lag behind.
	offset   uint64
	restarts int
	low      lowRun
	start    int64 // when the count was 0, nanoseconds, by our clock or that of since; 0 if unknown
	since    int64 // when the sender began to count, as it says; 0 if it does not: see setSince
	// began is the timestamp with which the agent's running total began anew, 0 if it has not; from is that of the
	// running total before, and before the highest total of that one.
	began, from int64
	before      uint64
}

// beginAnew notes that the running total whose highest is high was followed by another one.
func (s *counterState) beginAnew(stamp int64, high uint64) {
	s.from, s.began, s.before = s.began, stamp, high
}

// lowRun is a run of samples below the highest total; it is not decided yet whether they are late.
type lowRun struct {
	since  int64 // our clock at the first one; 0 if there is no run
	first  int64 // the oldest timestamp
	stamp  int64 // the newest timestamp
	start  uint64
	top    uint64 // the totals of the run cover start to top
	deltas uint64
	old    bool // timestamps are older than that of the value: late, unless the emitter's clock was set back
}

func (r *lowRun) add(of *sample, stamp int64) {
	start := of.total - min(of.delta, of.total)
	if r.since == 0 {
		r.since, r.start, r.first = of.arrived, start, stamp
	}
	r.first = min(r.first, stamp)
	r.stamp = max(r.stamp, stamp)
	r.start = min(r.start, start)
	r.top = max(r.top, of.total)
	r.deltas = addUp(r.deltas, of.delta)
}

// counters counts. Its methods work on entries of counters.
type counters struct {
	states      arena[counterPos, counterState]
	totals      sharedTotals
	conversions *conversions
}

// set takes one sample of a counter, see above.
func (c *counters) set(pos entryPos, e *entry, of *sample) metric.Outcome {
	mode := e.flags & (flagTotals | flagDeltas | flagBoth | flagShared)
	known := mode == flagTotals|flagBoth || mode == flagTotals && of.delta == 0
	stamp := clampStamp(of.stamp, of.arrived)
	if high := uint64(e.aux); known && e.extra == 0 && of.total > high && of.delta <= of.total-high &&
		(stamp >= e.stamp || mode != flagTotals) {
		// Fast path: a total that rises as it should.
		e.stamp = max(e.stamp, stamp)
		e.aux = int64(of.total)
		c.show(e, of.total)
		return metric.Stored
	}
	if of.delta > 0 && of.total > 0 && e.flags&flagBoth == 0 {
		c.totals.join(pos, e)
	}
	if e.flags&flagShared != 0 && of.delta > 0 && e.flags&flagDeltas == 0 {
		c.switchToDeltas(e, c.count(e))
	}
	switch {
	case e.flags&flagDeltas != 0:
		e.stamp = max(e.stamp, stamp)
		e.aux = int64(c.conversions.add(e.conversion, uint64(e.aux), of.delta))
		c.show(e, uint64(e.aux))
	case e.flags&flagTotals != 0:
		return c.total(e, of, stamp)
	case of.total > 0:
		e.flags |= flagTotals
		e.stamp, e.aux = stamp, int64(of.total)
		c.show(e, of.total)
	case of.delta > 0:
		e.stamp = stamp
		c.switchToDeltas(e, of.delta)
		c.state(e).start = of.arrived
	}
	return metric.Stored
}

// total takes a sample of a series whose highest total counts.
func (c *counters) total(e *entry, of *sample, stamp int64) metric.Outcome {
	high, state := uint64(e.aux), c.known(e)
	switch {
	case state != nil && stamp < state.began:
		return c.ofTotalBefore(e, state, of, stamp)
	case of.total == 0 && of.delta == 0 && e.flags&flagBoth != 0 && of.stamp > 0 && stamp > e.stamp:
		c.zero(e, stamp)
		return metric.Stored
	case of.total > high && stamp < e.stamp && of.delta == 0 && e.flags&flagBoth == 0:
		// The emitter's own total was higher before: it restarted in between.
		return c.below(e, of, stamp)
	case of.total > high && of.delta <= of.total-high, of.total == high && of.delta == 0:
		c.endRun(e)
		e.stamp = max(e.stamp, stamp)
		e.aux = int64(of.total)
		c.show(e, c.count(e))
		return metric.Stored
	case of.total > high, of.total == high && stamp > e.stamp:
		// No sample of the running total can be this one: it began anew, and there is nothing to wait for.
		state := c.state(e)
		if state.low.old {
			state.low = lowRun{}
		}
		state.low.add(of, stamp)
		c.restart(e, state)
		return metric.Stored
	case of.total == high && stamp == e.stamp:
		return metric.Stored // the same sample once more
	}
	return c.below(e, of, stamp)
}

// zero takes a sample without delta and total, newer than the value: the running total goes on from 0.
func (c *counters) zero(e *entry, stamp int64) {
	state := c.state(e)
	if state.low.top > 0 && !state.low.old {
		late := state.low.stamp > stamp
		c.restart(e, state) // its samples are not late: the running total had begun anew
		if late || e.flags&flagDeltas != 0 {
			return
		}
		state = c.state(e)
	}
	state.beginAnew(stamp, uint64(e.aux))
	state.offset, e.aux = c.count(e), 0
	state.low = lowRun{}
	e.stamp = stamp
}

// ofTotalBefore takes a sample that is older than the running total, and makes up for what the one before it lacks.
func (c *counters) ofTotalBefore(e *entry, state *counterState, of *sample, stamp int64) metric.Outcome {
	if of.total <= state.before || stamp < state.from {
		return c.below(e, of, stamp)
	}
	state.offset += of.total - state.before
	state.before = of.total
	c.show(e, c.count(e))
	return metric.Stored
}

// below takes a sample that is late, or the first ones of a total that began anew.
func (c *counters) below(e *entry, of *sample, stamp int64) metric.Outcome {
	outcome, grace, old := metric.Stored, restartGrace, stamp < e.stamp
	if old {
		outcome, grace = metric.Outdated, outdatedLimit
	}
	state := c.state(e)
	switch r := &state.low; {
	case r.since == 0, r.old && !old:
		*r = lowRun{old: old}
		r.add(of, stamp)
	case old && !r.old:
		// Late, while newer samples seem to begin anew.
	default:
		r.add(of, stamp)
		if of.arrived-r.since >= grace && (r.top > 0 || e.flags&flagBoth == 0) {
			c.restart(e, state)
			outcome = metric.Stored
		}
	}
	return outcome
}

// restart believes that the running total began anew with the low run.
func (c *counters) restart(e *entry, state *counterState) {
	r := state.low
	e.stamp = r.stamp
	if r.deltas == 0 {
		// What is late of the emitter's life before is not added to this one.
		state.began, state.from = r.first, math.MaxInt64
		state.offset, state.start = 0, r.since
		e.aux = int64(r.top)
		c.endRun(e)
		c.show(e, r.top)
		return
	}
	// The rise of the totals would include lost samples, but may mix samples of two maps of the agent: better too few
	// than too many.
	count := addUp(c.count(e), r.deltas)
	state.restarts++
	if r.deltas > r.top-r.start || state.restarts >= maxRestarts {
		c.switchToDeltas(e, count)
		return
	}
	state.beginAnew(r.first, uint64(e.aux))
	state.offset = count - r.top
	state.low = lowRun{}
	e.aux = int64(r.top)
	c.show(e, count)
}

// endRun forgets the low run, and with it the state if nothing else needs it.
func (c *counters) endRun(e *entry) {
	state := c.known(e)
	if state == nil {
		return
	}
	state.low = lowRun{}
	if state.offset == 0 && state.start == 0 {
		c.states.remove(e.counterState())
		e.extra = 0
	}
}

// switchToDeltas makes a series add up deltas, starting from a count.
func (c *counters) switchToDeltas(e *entry, count uint64) {
	if e.extra != 0 {
		c.states.remove(e.counterState())
		e.extra = 0
	}
	e.flags = e.flags&^flagTotals | flagDeltas
	e.aux = int64(count)
	c.show(e, count)
}

// countOne counts an observation. Nothing was counted before the first one, so the start is known.
func (c *counters) countOne(e *entry, arrived int64) {
	if e.flags&flagDeltas == 0 {
		c.switchToDeltas(e, 0)
		c.state(e).start = arrived
	}
	e.stamp = arrived
	e.aux = int64(addUp(uint64(e.aux), 1))
	c.show(e, uint64(e.aux))
}

// known returns the state of a series, or nil if it has none.
func (c *counters) known(e *entry) *counterState {
	if e.extra == 0 || e.flags&(flagTotals|flagDeltas) == 0 {
		return nil
	}
	return c.states.at(e.counterState())
}

// state returns the state of a series, made if there is none. It is valid until another is made.
func (c *counters) state(e *entry) *counterState {
	if e.extra == 0 {
		e.extra = uint32(c.states.add(counterState{}))
	}
	return c.states.at(e.counterState())
}

// count is the number that the series has counted to.
func (c *counters) count(e *entry) uint64 {
	if e.extra == 0 || e.flags&flagTotals == 0 {
		return uint64(e.aux)
	}
	return uint64(e.aux) + c.states.at(e.counterState()).offset
}

// start is when a counter was 0, or 0 if that is unknown.
func (c *counters) start(e *entry) int64 {
	if state := c.known(e); state != nil {
		return state.start
	}
	return 0
}

// show sets the value of a series from its count, which is kept as an integer: a sum of many fractions would drift.
func (c *counters) show(e *entry, count uint64) {
	e.value = c.conversions.count(e.conversion, count)
}

// remove frees what a counter has beside its entry. The entry still has its tag set and name.
func (c *counters) remove(e *entry) {
	if c.known(e) != nil {
		c.states.remove(e.counterState())
	}
	if e.flags&flagBoth != 0 {
		c.totals.leave(e)
	}
	e.extra, e.aux = 0, 0
	e.flags &^= flagTotals | flagDeltas | flagBoth | flagShared
}

// addUp adds and stays at the end of the range.
func addUp(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// setSince takes one sample of a counter whose sender says since when it counts, as OpenTelemetry's do: of such a
// counter nothing has to be guessed. Totals go by the rules for the clocks of gauges: the newest stay. A sender that
// began later has restarted, and the value falls as the counter did. Of deltas those count that are newer than all
// before; what comes late may be counted already.
func (c *counters) setSince(pos entryPos, e *entry, of *sample) metric.Outcome {
	stamp, since := clampStamp(of.stamp, of.arrived), of.began
	if since > stamp {
		return c.set(pos, e, of)
	}
	state := c.known(e)
	if state == nil || state.since == 0 {
		state = c.state(e)
		*state = counterState{}
	}
	isDelta := of.total == 0 && (of.delta > 0 || e.flags&flagDeltas != 0)
	switch late := stamp < e.stamp || !isDelta && since < state.since; {
	case late && state.staysOutdated(of.arrived):
		return metric.Outdated
	case isDelta && stamp == e.stamp:
		return metric.Duplicate
	}
	state.low = lowRun{}
	switch wasDelta := e.flags&flagDeltas != 0; {
	case isDelta && wasDelta:
		e.aux = int64(c.conversions.add(e.conversion, uint64(e.aux), of.delta))
	case isDelta:
		e.flags = e.flags&^flagTotals | flagDeltas
		e.aux, state.start = int64(of.delta), min(since, of.arrived)
	default:
		e.flags = e.flags&^flagDeltas | flagTotals
		if wasDelta || since != state.since {
			state.start = min(since, of.arrived) // readers accept none that is ahead of our clock
		} else if of.total < uint64(e.aux) {
			state.start = of.arrived // it has restarted all the same
		}
		e.aux = int64(of.total)
	}
	e.stamp, state.since = stamp, since
	c.show(e, uint64(e.aux))
	return metric.Stored
}

// staysOutdated is entry.staysOutdated for counters, whose entries have their count where those of gauges have the time
// of the first outdated sample.
func (s *counterState) staysOutdated(arrived int64) bool {
	if s.low.since == 0 || s.low.since > arrived {
		s.low = lowRun{since: arrived, old: true}
	}
	return arrived-s.low.since < outdatedLimit
}
