package nozzle

import (
	"fmt"
	"maps"
	"strings"
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
				e := &metric.Envelope{
					Kind:      metric.KindCounter,
					Timestamp: 1 + int64(s.after),
					Name:      []byte(tc.metric),
					Delta:     s.delta,
					Total:     s.total,
				}
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

// TestUpstreamTotals: per emitter the larger of the deltas and of the growth of its agent's total is what was lost,
// whatever the agent does to its totals.
func TestUpstreamTotals(t *testing.T) {
	type sample struct {
		stamp, arrived time.Duration
		delta, total   uint64
		tag            string // vm of it, as key=value; index=a if empty
	}
	const sec, minute = time.Second, time.Minute
	for name, tc := range map[string]struct {
		samples []sample
		want    uint64
	}{
		"measured: three minutes of which one sample came": {
			[]sample{{0, 0, 0, 0, ""}, {1 * minute, 1 * minute, 0, 0, ""}, {4 * minute, 4 * minute, 12_441, 464_792, ""}, {5 * minute, 5 * minute, 0, 0, ""}}, 464_792,
		},
		"samples that were lost": {
			[]sample{{0, 0, 5, 105, ""}, {10 * sec, 10 * sec, 3, 120, ""}}, 5 + 15,
		},
		"late samples are in the growth already": {
			[]sample{{0, 0, 5, 505, ""}, {2 * sec, 2 * sec, 7, 519, ""}, {sec, 2 * sec, 7, 512, ""}, {3 * sec, 3 * sec, 1, 520, ""}}, 5 + 14 + 1,
		},
		"the agent sets an idle total to 0": {
			[]sample{{0, 0, 5, 105, ""}, {1 * sec, 1 * sec, 0, 0, ""}, {2 * sec, 2 * sec, 7, 7, ""}, {3 * sec, 3 * sec, 0, 0, ""}, {4 * sec, 4 * sec, 2, 2, ""}},
			5 + 7 + 2,
		},
		"the sample with 0 is lost, too": {
			[]sample{{0, 0, 5, 105, ""}, {9 * sec, 9 * sec, 7, 17, ""}}, 5 + 17,
		},
		"the agent empties its map each time": {
			[]sample{{0, 0, 5, 105, ""}, {1 * sec, 1 * sec, 4, 4, ""}, {2 * sec, 2 * sec, 4, 4, ""}, {3 * sec, 3 * sec, 6, 6, ""}}, 5 + 4 + 4 + 6,
		},
		"a sample from before a 0 comes after it": {
			[]sample{{0, 0, 5, 105, ""}, {2 * sec, 1 * sec, 0, 0, ""}, {1 * sec, 2 * sec, 3, 108, ""}, {3 * sec, 3 * sec, 1, 1, ""}}, 5 + 3 + 1,
		},
		"a 0 comes late": {
			[]sample{{0, 0, 5, 105, ""}, {2 * sec, 1 * sec, 3, 3, ""}, {1 * sec, 2 * sec, 0, 0, ""}, {3 * sec, 3 * sec, 1, 4, ""}}, 5 + 3 + 1,
		},
		"two VMs": {
			[]sample{{0, 0, 5, 105, ""}, {0, 0, 3, 9003, "index=b"}, {sec, sec, 5, 110, ""}, {sec, sec, 3, 9013, "index=b"}}, 5 + 3 + 5 + 10,
		},
		"two VMs by their addresses": {
			[]sample{{0, 0, 5, 105, "ip=1"}, {0, 0, 3, 9003, "ip=2"}, {sec, sec, 5, 110, "ip=1"}, {sec, sec, 3, 9013, "ip=2"}}, 5 + 3 + 5 + 10,
		},
		"two emitters that nothing tells apart": {
			[]sample{{0, 0, 5, 105, "job=x"}, {0, 0, 3, 9003, "job=x"}, {2 * sec, sec, 5, 110, "job=x"}, {sec, sec, 3, 9013, "job=x"}}, 5 + 3 + 5 + 3,
		},
		"two instances on one VM share their agent's total": {
			[]sample{{0, 0, 5, 105, "instance=0"}, {sec, sec, 3, 108, "instance=1"}, {2 * sec, 2 * sec, 5, 113, "instance=0"}}, 5 + 3 + 5,
		},
		"the counter was at another exporter for an hour": {
			[]sample{{0, 0, 5, 105, ""}, {60 * minute, 60 * minute, 3, 9000, ""}, {61 * minute, 61 * minute, 3, 9010, ""}}, 5 + 3 + 10,
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream()
			for _, s := range tc.samples {
				e := &metric.Envelope{
					Kind: metric.KindCounter, Name: []byte(filter.DroppedName), Delta: s.delta, Total: s.total,
					Timestamp: 1 + int64(s.stamp), Arrived: 1 + int64(s.arrived),
				}
				e.AddTag([]byte("origin"), []byte("loggregator.rlp"))
				e.AddTag([]byte("direction"), []byte("egress"))
				key, value, _ := strings.Cut(s.tag, "=")
				switch key {
				case "":
					e.AddTag([]byte("index"), []byte("a"))
				case "instance":
					e.InstanceID = []byte(value)
					e.AddTag([]byte("index"), []byte("a"))
				default:
					e.AddTag([]byte(key), []byte(value))
				}
				u.note(e)
			}
			want := newUpstream().snapshot()
			want[upstreamKey{"loggregator.rlp", "egress"}] = tc.want
			wiretest.RequireEqual(t, "losses", u.snapshot(), want)
		})
	}
}

// TestUpstreamIsLogged: when Loggregator begins to lose, and when it has not for some time, by component; once each.
func TestUpstreamIsLogged(t *testing.T) {
	u := newUpstream()
	var lines chan logLine
	u.log, lines = newTestLog()
	for _, s := range []struct {
		after  time.Duration
		origin string
		lost   uint64
		want   string
	}{
		{0, "loggregator.rlp", 0, ""},
		{time.Minute, "loggregator.rlp", 5, "WARN Loggregator loses envelopes loggregator.rlp egress lost=5"},
		{2 * time.Minute, "loggregator.rlp", 7, ""},
		{2 * time.Minute, "loggregator.metron", 1, "WARN Loggregator loses envelopes loggregator.metron egress lost=1"},
		{3 * time.Minute, "loggregator.rlp", 0, ""},
		{4 * time.Minute, "loggregator.rlp", 3, ""},
		{5 * time.Minute, "loggregator.rlp", 0, ""},
		{7 * time.Minute, "loggregator.rlp", 0, "INFO Loggregator loses no more envelopes loggregator.rlp egress lost=15 for=3m0s"},
		{8 * time.Minute, "loggregator.rlp", 0, ""},
		{8 * time.Minute, "loggregator.metron", 0, "INFO Loggregator loses no more envelopes loggregator.metron egress lost=1 for=0s"},
		{9 * time.Minute, "loggregator.rlp", 2, "WARN Loggregator loses envelopes loggregator.rlp egress lost=2"},
		{12 * time.Minute, "loggregator.rlp", 0, "INFO Loggregator loses no more envelopes loggregator.rlp egress lost=2 for=0s"},
	} {
		e := &metric.Envelope{
			Kind: metric.KindCounter, Name: []byte(filter.DroppedName), Delta: s.lost,
			Timestamp: 1 + int64(s.after), Arrived: 1 + int64(s.after),
		}
		e.AddTag([]byte("origin"), []byte(s.origin))
		e.AddTag([]byte("direction"), []byte("egress"))
		u.note(e)
		got := ""
		select {
		case line := <-lines:
			got = fmt.Sprint(line.level, " ", line.message, " ", line.attrs["origin"], " ", line.attrs["direction"])
			for _, key := range []string{"lost", "for"} {
				if value := line.attrs[key]; value != "" {
					got += " " + key + "=" + value
				}
			}
		default:
		}
		if got != s.want || len(lines) > 0 {
			t.Errorf("after %v, %s lost %d: %q, want %q", s.after, s.origin, s.lost, got, s.want)
		}
	}
}

// TestUpstreamIsBounded: totals of components without end take no memory without end, and a loss that is told as a
// delta still counts.
func TestUpstreamIsBounded(t *testing.T) {
	u := newUpstream()
	lose := func(i int, delta, total uint64) {
		e := &metric.Envelope{
			Kind:      metric.KindCounter,
			Timestamp: 1,
			Name:      []byte(filter.DroppedName),
			Delta:     delta,
			Total:     total,
		}
		e.AddTag([]byte("origin"), []byte("loggregator.rlp"))
		e.AddTag([]byte("direction"), []byte("egress"))
		e.AddTag([]byte("ip"), []byte{byte(i >> 16), byte(i >> 8), byte(i)})
		u.note(e)
	}
	for i := range 2 * maxUpstreamEmitters {
		lose(i, 0, 1)
	}
	lose(3*maxUpstreamEmitters, 7, 7)
	if n, lost := len(u.emitters), u.snapshot()[upstreamKey{"loggregator.rlp", "egress"}]; n != maxUpstreamEmitters ||
		lost != 7 {
		t.Fatalf("%d emitters, %d lost", n, lost)
	}
	if n := testing.AllocsPerRun(1000, func() {
		u.note(&metric.Envelope{Kind: metric.KindCounter, Name: []byte(filter.DroppedName), Delta: 1})
	}); n > 2 {
		t.Errorf("%v allocations beside the envelope's", n)
	}
}
