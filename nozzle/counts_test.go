package nozzle

import (
	"strings"
	"testing"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/wire"
)

// TestCounts: what is read without gathering is what the metrics show, and reading it allocates nothing.
func TestCounts(t *testing.T) {
	ledger, reg := newTestLedger(t)
	log, _ := newTestLog()
	u, err := newUDP(UDPOptions{ListenAddress: "127.0.0.1:0"}, testEnv(ledger, nil, log))
	if err != nil {
		t.Fatal(err)
	}
	u.drops.open(func() (uint32, error) { return 7, nil })
	for i, reason := range []wire.Refusal{wire.Taken + 1, wire.Taken + 2} {
		if err := ledger.count("otlp_points_refused_total", "h", "reason", reason.String(), func() uint64 { return uint64(i) }); err != nil {
			t.Fatal(err)
		}
	}
	account := ledger.Source("rlp")
	account.Reconnecting("lost")
	account.refuse("tls", "", nil)
	account.received.Add(3)
	account.envelopes[malformed].Add(2)
	account.samples[1].Add(4)
	ledger.kinds.counts[kindCounter].Add(6)
	ledger.upstream.lost[upstreamKey{"loggregator.rlp", "egress"}].total = 5

	want := map[string]uint64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasSuffix(f.GetName(), "_total") {
			continue
		}
		for _, m := range f.GetMetric() {
			key := strings.TrimPrefix(f.GetName(), metricPrefix)
			for _, l := range m.GetLabel() {
				key += "/" + l.GetValue()
			}
			want[key] = uint64(m.GetCounter().GetValue())
		}
	}
	got := map[string]uint64{}
	ledger.Counts(func(name, first, second string, n uint64) {
		got[strings.TrimRight(name+"/"+first+"/"+second, "/")] = n
	})
	wiretest.RequireEqual(t, "counts", got, want)
	sum := uint64(0)
	if n := testing.AllocsPerRun(10, func() {
		ledger.Counts(func(_, _, _ string, n uint64) { sum += n })
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
