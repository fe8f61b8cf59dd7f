package nozzle

import (
	"bytes"
	"hash/maphash"
	"maps"
	"sync"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
)

// What is lost before it reaches the exporter, Loggregator's components count themselves: in a counter named dropped that
// travels in the same stream, with the component in the tag origin and the side of it in the tag direction. Releases before 2017 have
// several names for it, of the origins DopplerServer and MetronAgent, see olderLosses.
const (
	upstreamScope = "loggregator." // of which all origins of Loggregator are

	ingress = "ingress"
	egress  = "egress"

	// The two labels come from the stream: beyond these bounds they are counted under otherOrigin.
	maxUpstreamKeys  = 64
	maxUpstreamLabel = 64
	otherOrigin      = "other"

	// maxUpstreamEmitters bounds the components of which a total is kept: a large foundation has some hundreds of agents. Totals of more are
	// not counted; deltas always are.
	maxUpstreamEmitters = 1 << 14
)

// olderLosses returns the side on which a counter of Loggregator before 2017 counts losses, or "". TruncatingBuffer.totalDroppedMessages and
// sinks.dropped are left out: they count once more, and for all readers, what TruncatingBuffer.DroppedMessages tells the reader concerned.
// So are losses on ways that do not lead here: of syslog drains, Log Cache and Metric Store.
func olderLosses(name []byte) string {
	switch string(name) {
	case "MessageBuffer.droppedMessageCount", "listeners.shedEnvelopes":
		return ingress
	case "doppler.shedEnvelopes", "messageRouter.totalDroppedMessages", "TruncatingBuffer.DroppedMessages":
		return egress
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

// upstreamEmitter is one component that says totals.
type upstreamEmitter struct {
	total  uint64
	stamp  int64 // of the total
	deltas bool  // it says deltas: its totals are an agent's, and of no interest
}

// upstream adds up what Loggregator lost.
type upstream struct {
	seed maphash.Seed

	mu       sync.Mutex
	lost     map[upstreamKey]uint64
	emitters map[uint64]upstreamEmitter // by a hash of their identity: should two meet in one, a loss may be missed
}

// newUpstream makes room for the components whose counters reach every reader of the RLP.
func newUpstream() *upstream {
	lost := map[upstreamKey]uint64{}
	for _, origin := range []string{"loggregator.doppler", "loggregator.rlp"} {
		for _, direction := range []string{ingress, egress} {
			lost[upstreamKey{origin, direction}] = 0
		}
	}
	return &upstream{seed: maphash.MakeSeed(), lost: lost, emitters: map[uint64]upstreamEmitter{}}
}

// note takes a counter of Loggregator's own losses; it does nothing for any other envelope.
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
	case !bytes.HasPrefix(origin, []byte(upstreamScope)):
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	lost := u.since(e)
	if _, known := u.lost[upstreamKey{string(origin), string(direction)}]; known {
		u.lost[upstreamKey{string(origin), string(direction)}] += lost
		return
	}
	key := upstreamKey{metric.Printable(string(origin)), metric.Printable(string(direction))}
	if len(origin) > maxUpstreamLabel || len(direction) > maxUpstreamLabel || len(u.lost) >= maxUpstreamKeys {
		key = upstreamKey{otherOrigin, ""}
	}
	u.lost[key] += lost
}

// since returns what an emitter lost since its last sample. It is the delta, which needs no order. One that never says a delta but a total
// is counted from its first total on: what it lost before is no news. A total that falls with a newer timestamp is that of a restarted emitter;
// one with an older timestamp is late.
func (u *upstream) since(e *metric.Envelope) uint64 {
	id := u.emitter(e)
	s, known := u.emitters[id]
	if !known && len(u.emitters) >= maxUpstreamEmitters {
		return e.Delta
	}
	if e.Delta > 0 {
		if !s.deltas {
			u.emitters[id] = upstreamEmitter{deltas: true}
		}
		return e.Delta
	}
	if s.deltas || known && e.Total <= s.total && e.Timestamp <= s.stamp {
		return 0
	}
	u.emitters[id] = upstreamEmitter{total: e.Total, stamp: max(e.Timestamp, s.stamp)}
	switch {
	case !known:
		return 0
	case e.Total < s.total:
		return e.Total
	default:
		return e.Total - s.total
	}
}

// emitter identifies who sent a counter, whatever the order of its tags.
func (u *upstream) emitter(e *metric.Envelope) uint64 {
	h := maphash.Bytes(u.seed, e.SourceID) ^ maphash.Bytes(u.seed, e.InstanceID)*3 ^ maphash.Bytes(u.seed, e.Name)*5
	for i := range e.Tags {
		t := &e.Tags[i]
		h += (maphash.Bytes(u.seed, t.Key) | 1) * maphash.Bytes(u.seed, t.Value)
	}
	return h
}

func (u *upstream) snapshot() map[upstreamKey]uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.lost)
}
