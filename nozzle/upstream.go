package nozzle

import (
	"bytes"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
)

// Loggregator's components count what they lose themselves, in a counter named dropped that travels in the same
// stream. Its tag origin names the component, its tag direction the side of it. Releases before 2017 have several
// names for it, of the origins DopplerServer and MetronAgent, see olderLosses. What syslog agents report in
// messages_dropped_per_drain is the same once more, by drain.
const (
	upstreamPrefix = "loggregator." // prefix of the origins of Loggregator's components

	// Values of the tag direction.
	directionIngress = "ingress"
	directionEgress  = "egress"

	// The two labels come from the stream: beyond these bounds losses are counted under otherOrigin.
	maxUpstreamKeys  = 64
	maxUpstreamLabel = 64
	otherOrigin      = "other"

	// maxUpstreamEmitters bounds the emitters of which a total is kept: a large foundation has some thousands. Of more
	// than these only deltas count.
	maxUpstreamEmitters = 1 << 14
)

// olderLosses returns the side on which a counter of Loggregator before 2017 counts losses, or "". It leaves out
// TruncatingBuffer.totalDroppedMessages and sinks.dropped, which count again, and for all readers, what
// TruncatingBuffer.DroppedMessages tells the reader concerned; and losses that do not concern readers: of syslog
// drains, Log Cache and Metric Store.
func olderLosses(name []byte) string {
	switch string(name) {
	case "MessageBuffer.droppedMessageCount", "listeners.shedEnvelopes":
		return directionIngress
	case "doppler.shedEnvelopes", "messageRouter.totalDroppedMessages", "TruncatingBuffer.DroppedMessages":
		return directionEgress
	}
	return ""
}

func olderOrigin(origin []byte) bool {
	switch string(origin) {
	case "DopplerServer", "doppler", "MetronAgent", "metron":
		return true
	}
	return false
}

type upstreamKey struct{ origin, direction string }

// upstreamEmitter holds the last sample, by the emitter's clock, of one component that counts losses.
type upstreamEmitter struct {
	total   uint64
	stamp   int64 // the emitter's clock, in nanoseconds since the epoch
	arrived int64 // our clock, likewise
}

const (
	// upstreamMemory is how long a total is compared with the next one. Where readers share by name, the counter may have
	// been at another exporter in the meantime, which has counted the losses then.
	upstreamMemory = 10 * time.Minute
	// upstreamCalm is how long nothing is lost when a loss counts as over. RLPs send their counters once a minute.
	upstreamCalm = 150 * time.Second
)

// upstreamLoss counts the envelopes that one component lost on one side.
type upstreamLoss struct {
	total uint64
	// Of the losses that go on, or 0.
	began, last int64  // arrival, in nanoseconds since the epoch
	before      uint64 // the total before
}

// upstream adds up what Loggregator lost.
type upstream struct {
	seed maphash.Seed
	log  *slog.Logger // or nil

	mu       sync.Mutex
	lost     map[upstreamKey]*upstreamLoss
	vms      map[upstreamVM]*upstreamVMLoss
	emitters map[uint64]upstreamEmitter // by a hash of what identifies them: if two have one hash, a loss may be missed
}

// newUpstream makes room for the components whose counters reach every reader of the RLP.
func newUpstream() *upstream {
	lost := map[upstreamKey]*upstreamLoss{}
	for _, origin := range []string{"loggregator.doppler", "loggregator.rlp"} {
		for _, direction := range []string{directionIngress, directionEgress} {
			lost[upstreamKey{origin, direction}] = &upstreamLoss{}
		}
	}
	return &upstream{
		seed: maphash.MakeSeed(), lost: lost, vms: map[upstreamVM]*upstreamVMLoss{}, emitters: map[uint64]upstreamEmitter{},
	}
}

// note decides whether a counter reports a loss of Loggregator's, and if so adds it.
func (u *upstream) note(e *metric.Envelope) {
	older := ""
	if string(e.Name) != filter.DroppedName {
		if older = olderLosses(e.Name); older == "" {
			return
		}
	}
	origin, direction := e.Tag("origin"), e.Tag("direction")
	switch {
	case older != "":
		if !olderOrigin(origin) {
			return
		}
		direction = []byte(older)
	case !bytes.HasPrefix(origin, []byte(upstreamPrefix)):
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	lost := u.growth(e)
	key := upstreamKey{string(origin), string(direction)}
	if u.lost[key] == nil {
		key = upstreamKey{metric.Printable(key.origin), metric.Printable(key.direction)}
		if len(origin) > maxUpstreamLabel || len(direction) > maxUpstreamLabel || len(u.lost) >= maxUpstreamKeys {
			key = upstreamKey{otherOrigin, ""}
		}
		if u.lost[key] == nil {
			u.lost[key] = &upstreamLoss{}
		}
	}
	u.add(key, lost, e.Arrived)
	if lost > 0 {
		u.addVM(key, e, lost)
	}
}

// add counts losses, and logs when some begin, and when there were none for a while; mu is held.
func (u *upstream) add(key upstreamKey, lost uint64, now int64) {
	l := u.lost[key]
	switch {
	case lost > 0:
		if l.began == 0 {
			l.began, l.before = now, l.total
			if u.log != nil {
				u.log.Warn("Loggregator loses envelopes", "origin", key.origin, "direction", key.direction, "lost", lost,
					"advice", "the component, or the reader of it, was too slow; docs/metrics.md says what to do")
			}
		}
		l.total += lost
		l.last = now
	case l.began != 0 && now-l.last >= int64(upstreamCalm):
		if u.log != nil {
			u.log.Info("Loggregator loses no more envelopes", "origin", key.origin, "direction", key.direction,
				"lost", l.total-l.before, "for", time.Duration(l.last-l.began).Round(time.Second).String())
		}
		l.began = 0
	}
}

// growth returns how many envelopes an emitter lost since its last sample: the delta, or the growth of the total if
// that is more, since the samples in between may have been lost as well. It is the total of an agent, which
//   - covers all emitters on the VM with this name and these tags, so that their samples continue each other;
//   - becomes 0 when a sample has neither delta nor total, and when the agent restarts or has too many counters;
//   - is in order by timestamp only: a sample that arrives late is part of the growth already, unless its total was
//     from before such a 0.
//
// Of the first sample of an emitter only the delta counts. Without tags that name the VM several emitters may seem to
// be one: then only deltas count, or the growth of totals if there are none.
func (u *upstream) growth(e *metric.Envelope) uint64 {
	id := u.emitterID(e)
	s, known := u.emitters[id]
	if !known && len(u.emitters) >= maxUpstreamEmitters || e.Delta > 0 && e.Total == 0 {
		return e.Delta
	}
	vm := len(e.Tag("index")) > 0 || len(e.Tag("ip")) > 0
	late := known && (e.Timestamp < s.stamp || e.Timestamp == s.stamp && e.Total <= s.total)
	if !late {
		u.emitters[id] = upstreamEmitter{total: e.Total, stamp: e.Timestamp, arrived: e.Arrived}
	}
	switch {
	case !known || e.Arrived-s.arrived > int64(upstreamMemory) || e.Delta > 0 && !vm:
		return e.Delta
	case late && e.Total <= s.total:
		return 0
	case late:
		return e.Delta
	case e.Total < s.total:
		return max(e.Delta, e.Total)
	default:
		return max(e.Delta, e.Total-s.total)
	}
}

// emitterID identifies a counter as agents do: a hash of its source id, name and tags in any order, without the
// instance id.
func (u *upstream) emitterID(e *metric.Envelope) uint64 {
	h := maphash.Bytes(u.seed, e.SourceID) ^ maphash.Bytes(u.seed, e.Name)*5
	for i := range e.Tags {
		t := &e.Tags[i]
		h += (maphash.Bytes(u.seed, t.Key) | 1) * maphash.Bytes(u.seed, t.Value)
	}
	return h
}

// snapshot returns the number of envelopes lost so far.
func (u *upstream) snapshot() map[upstreamKey]uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	lost := make(map[upstreamKey]uint64, len(u.lost))
	for key, l := range u.lost {
		lost[key] = l.total
	}
	return lost
}
