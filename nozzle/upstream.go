package nozzle

import (
	"bytes"
	"maps"
	"strings"
	"sync"

	"loggregator_exporter/metric"
)

// What is lost before it reaches the exporter, Loggregator's components count themselves: in a counter named dropped that
// travels in the same stream, with the component in the tag origin and the side of it in the tag direction.
const (
	droppedName   = "dropped"
	upstreamScope = "loggregator." // of which all origins of Loggregator are

	// The two labels come from the stream: beyond these bounds they are counted under otherOrigin.
	maxUpstreamKeys  = 64
	maxUpstreamLabel = 64
	otherOrigin      = "other"
)

type upstreamKey struct{ origin, direction string }

// upstream adds up what Loggregator lost.
type upstream struct {
	mu   sync.Mutex
	lost map[upstreamKey]uint64
}

// newUpstream makes room for the components whose counters reach every reader of the RLP.
func newUpstream() *upstream {
	lost := map[upstreamKey]uint64{}
	for _, origin := range []string{"loggregator.doppler", "loggregator.rlp"} {
		for _, direction := range []string{"ingress", "egress"} {
			lost[upstreamKey{origin, direction}] = 0
		}
	}
	return &upstream{lost: lost}
}

// note takes the delta of a counter of Loggregator's own losses; it does nothing for any other envelope.
func (u *upstream) note(e *metric.Envelope) {
	if string(e.Name) != droppedName {
		return
	}
	origin := e.Tag("origin")
	if !bytes.HasPrefix(origin, []byte(upstreamScope)) {
		return
	}
	direction := e.Tag("direction")
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.lost[upstreamKey{string(origin), string(direction)}]; known {
		u.lost[upstreamKey{string(origin), string(direction)}] += e.Delta
		return
	}
	key := upstreamKey{strings.ToValidUTF8(string(origin), "\uFFFD"), strings.ToValidUTF8(string(direction), "\uFFFD")}
	if len(origin) > maxUpstreamLabel || len(direction) > maxUpstreamLabel || len(u.lost) >= maxUpstreamKeys {
		key = upstreamKey{otherOrigin, ""}
	}
	u.lost[key] += e.Delta
}

func (u *upstream) snapshot() map[upstreamKey]uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.lost)
}
