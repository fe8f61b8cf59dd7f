package nozzle

import (
	"maps"
	"testing"
	"time"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
)

// TestUpstreamLosses: a loss is counted once, whether it is told as a delta, as a total or as both, in any order.
func TestUpstreamLosses(t *testing.T) {
	type sample struct {
		after        time.Duration
		delta, total uint64
	}
	const sec = time.Second
	for name, tc := range map[string]struct {
		metric, origin, direction string
		samples                   []sample
		want                      map[upstreamKey]uint64
	}{
		"deltas with an agent's totals": {
			"dropped", "loggregator.rlp", "egress",
			[]sample{{0, 5, 505}, {2 * sec, 7, 519}, {sec, 7, 512}, {3 * sec, 0, 519}},
			map[upstreamKey]uint64{{"loggregator.rlp", "egress"}: 19},
		},
		"totals only: what was lost before is no news": {
			"dropped", "loggregator.doppler", "ingress",
			[]sample{{0, 0, 500}, {2 * sec, 0, 510}, {sec, 0, 505}, {3 * sec, 0, 510}, {4 * sec, 0, 512}},
			map[upstreamKey]uint64{{"loggregator.doppler", "ingress"}: 12},
		},
		"totals only, restarted": {
			"dropped", "loggregator.metron", "",
			[]sample{{0, 0, 0}, {sec, 0, 10}, {2 * sec, 0, 3}, {3 * sec, 0, 4}},
			map[upstreamKey]uint64{{"loggregator.metron", ""}: 14},
		},
		"a total first, deltas from then on": {
			"dropped", "loggregator.rlp", "egress",
			[]sample{{0, 0, 500}, {sec, 3, 503}, {2 * sec, 0, 503}},
			map[upstreamKey]uint64{{"loggregator.rlp", "egress"}: 3},
		},
		"an older doppler whose reader is too slow": {
			"TruncatingBuffer.DroppedMessages", "DopplerServer", "",
			[]sample{{0, 100, 100}},
			map[upstreamKey]uint64{{"DopplerServer", "egress"}: 100},
		},
		"an older agent": {
			"MessageBuffer.droppedMessageCount", "MetronAgent", "",
			[]sample{{0, 2, 0}, {0, 3, 0}},
			map[upstreamKey]uint64{{"MetronAgent", "ingress"}: 5},
		},
		"the same name of another origin":       {"doppler.shedEnvelopes", "app", "", []sample{{0, 2, 0}}, nil},
		"what somebody else drops":              {"dropped", "router", "egress", []sample{{0, 2, 0}}, nil},
		"what says the same for all readers":    {"TruncatingBuffer.totalDroppedMessages", "DopplerServer", "", []sample{{0, 2, 0}}, nil},
		"another counter of the same component": {"ingress", "loggregator.rlp", "", []sample{{0, 2, 0}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream()
			for i, s := range tc.samples {
				e := &metric.Envelope{Kind: metric.KindCounter, Timestamp: 1 + int64(s.after), Name: []byte(tc.metric), Delta: s.delta, Total: s.total}
				e.AddTag([]byte("origin"), []byte(tc.origin))
				e.AddTag([]byte("direction"), []byte(tc.direction))
				if i%2 == 1 {
					e.Tags[0], e.Tags[1] = e.Tags[1], e.Tags[0]
				}
				u.note(e)
			}
			want := newUpstream().snapshot()
			maps.Copy(want, tc.want)
			wiretest.RequireEqual(t, "losses", u.snapshot(), want)
		})
	}
}

// TestUpstreamIsBounded: totals of components without end take no memory without end, and a loss that is told as a delta still counts.
func TestUpstreamIsBounded(t *testing.T) {
	u := newUpstream()
	lose := func(i int, delta, total uint64) {
		e := &metric.Envelope{Kind: metric.KindCounter, Timestamp: 1, Name: []byte(filter.DroppedName), Delta: delta, Total: total}
		e.AddTag([]byte("origin"), []byte("loggregator.rlp"))
		e.AddTag([]byte("direction"), []byte("egress"))
		e.AddTag([]byte("ip"), []byte{byte(i >> 16), byte(i >> 8), byte(i)})
		u.note(e)
	}
	for i := range 2 * maxUpstreamEmitters {
		lose(i, 0, 1)
	}
	lose(3*maxUpstreamEmitters, 7, 7)
	if n, lost := len(u.emitters), u.snapshot()[upstreamKey{"loggregator.rlp", "egress"}]; n != maxUpstreamEmitters || lost != 7 {
		t.Fatalf("%d emitters, %d lost", n, lost)
	}
	if n := testing.AllocsPerRun(1000, func() {
		u.note(&metric.Envelope{Kind: metric.KindCounter, Name: []byte(filter.DroppedName), Delta: 1})
	}); n > 2 {
		t.Errorf("%v allocations beside the envelope's", n)
	}
}
