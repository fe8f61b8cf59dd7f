package store

import "loggregator_exporter/metric"

// setSince takes one sample of a counter whose sender says since when it counts, as OpenTelemetry's do: of such a
// counter nothing has to be guessed. Totals go by the rules for the clocks of gauges: the newest stay. A sender that
// began later has restarted, and the value falls as the counter did. Of deltas those count that are newer than all
// before; what comes late may be counted already.
func (c *counters) setSince(pos entryPos, e *entry, env *metric.Envelope) metric.Outcome {
	stamp, since := clampStamp(env.Timestamp, env.Arrived), env.Began
	if since > stamp {
		return c.set(pos, e, env)
	}
	state := c.known(e)
	if state == nil || state.since == 0 {
		state = c.state(e)
		*state = counterState{}
	}
	isDelta := env.Total == 0 && (env.Delta > 0 || e.flags&flagDeltas != 0)
	switch late := stamp < e.stamp || !isDelta && since < state.since; {
	case late && state.staysOutdated(env.Arrived):
		return metric.Outdated
	case isDelta && stamp == e.stamp:
		return metric.Duplicate
	}
	state.low = lowRun{}
	switch wasDelta := e.flags&flagDeltas != 0; {
	case isDelta && wasDelta:
		e.aux = int64(c.conversions.add(e.conversion, uint64(e.aux), env.Delta))
	case isDelta:
		e.flags = e.flags&^flagTotals | flagDeltas
		e.aux, state.start = int64(env.Delta), min(since, env.Arrived)
	default:
		e.flags = e.flags&^flagDeltas | flagTotals
		if wasDelta || since != state.since {
			state.start = min(since, env.Arrived) // readers accept none that is ahead of our clock
		} else if env.Total < uint64(e.aux) {
			state.start = env.Arrived // it has restarted all the same
		}
		e.aux = int64(env.Total)
	}
	e.stamp, state.since = stamp, since
	c.show(e, uint64(e.aux))
	return metric.Stored
}

// staysOutdated is that of an entry, whose place for the time a counter needs for its count.
func (s *counterState) staysOutdated(arrived int64) bool {
	if s.low.since == 0 || s.low.since > arrived {
		s.low = lowRun{since: arrived, old: true}
	}
	return arrived-s.low.since < outdatedLimit
}
