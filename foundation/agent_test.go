package foundation

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
)

func deltaOne(name, instance string) *v2 {
	return &v2{
		SourceId:   "s",
		InstanceId: instance,
		Message:    &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: name, Delta: 1}},
	}
}

// With 10,100 counters that have deltas only, every total was 1; with 10,000 they rise.
func TestAgentForgetsItsTotals(t *testing.T) {
	for _, tt := range []struct {
		counters, limit int
		want            uint64 // total in the third round
	}{
		{10_100, 0, 1},
		{10_000, 0, 3},
		{10_100, -1, 3},
		{11, 10, 1},
	} {
		a := agent{limit: tt.limit}
		for round := range uint64(3) {
			for i := range tt.counters {
				e := deltaOne(strconv.Itoa(i), "0")
				a.total(e)
				if want := min(round+1, tt.want); e.GetCounter().Total != want {
					t.Fatalf(
						"%d counters, limit %d, round %d: total %d, want %d",
						tt.counters,
						tt.limit,
						round,
						e.GetCounter().Total,
						want,
					)
				}
			}
		}
	}
}

func TestInstancesShareATotal(t *testing.T) {
	var a agent
	one, two := deltaOne("n", "0"), deltaOne("n", "1")
	other := deltaOne("n", "0")
	other.Tags = map[string]string{"k": "v"}
	for _, e := range []*v2{one, two, other} {
		a.total(e)
	}
	if one.GetCounter().Total != 1 || two.GetCounter().Total != 2 || other.GetCounter().Total != 1 {
		t.Errorf(
			"totals %d, %d and, with another tag, %d",
			one.GetCounter().Total,
			two.GetCounter().Total,
			other.GetCounter().Total,
		)
	}
	given := deltaOne("n", "0")
	given.GetCounter().Total = 77
	if a.total(given); given.GetCounter().Total != 77 {
		t.Errorf("a total that was sent became %d", given.GetCounter().Total)
	}
}

// The real agent showed these totals: an idle counter that has neither delta nor total sets its running total to 0.
func TestAgentZeroesItsTotals(t *testing.T) {
	kept := newAgent(AgentOptions{KeepIdle: true})
	for i, want := range []uint64{5, 5, 12} {
		e := deltaOne("dropped", "0")
		e.GetCounter().Delta = []uint64{5, 0, 7}[i]
		if kept.total(e); e.GetCounter().Total != want {
			t.Errorf("kept: total %d, want %d", e.GetCounter().Total, want)
		}
	}
	var a agent
	for i, step := range []struct{ delta, want uint64 }{{5, 5}, {0, 0}, {0, 0}, {7, 7}, {0, 0}, {0, 0}, {3, 3}, {4, 7}} {
		e := deltaOne("dropped", "0")
		e.GetCounter().Delta = step.delta
		if a.total(e); e.GetCounter().Total != step.want || e.GetCounter().Delta != step.delta {
			t.Errorf("envelope %d: delta %d, total %d, want %d", i, e.GetCounter().Delta, e.GetCounter().Total, step.want)
		}
	}
}

// Of 500 totals back to back, 4 to 62 arrived behind a higher one that was sent later, and none more than 107 ms late.
func TestSpreadReordersAsMeasured(t *testing.T) {
	burst := make([]*v2, 500)
	for i := range burst {
		burst[i] = deltaOne("n", "0")
		burst[i].GetCounter().Total = uint64(i + 1)
	}
	for seed := range uint64(1000) {
		arrivals := spread(burst, rand.New(rand.NewPCG(seed, 0)))
		seen := make(map[uint64]bool)
		backwards := 0
		for i, a := range arrivals {
			total := a.envelope.GetCounter().Total
			seen[total] = true
			if i > 0 && total < arrivals[i-1].envelope.GetCounter().Total {
				backwards++
			}
			if i > 0 && a.after < arrivals[i-1].after || a.after < 0 || a.after > 107*time.Millisecond {
				t.Fatalf("seed %d: arrival after %v", seed, a.after)
			}
		}
		if len(seen) != len(burst) || backwards < 4 || backwards > 62 {
			t.Fatalf("seed %d: %d of %d arrived, %d backwards", seed, len(seen), len(burst), backwards)
		}
	}
}

// With agents that reorder, readers get the same envelopes, some totals of a burst behind higher ones; without, none.
func TestReorderIsSwitchable(t *testing.T) {
	for _, reorder := range []bool{false, true} {
		f := newFoundation(t, Options{Agents: AgentOptions{Reorder: reorder}})
		serve(t, f)
		stream := subscribe(
			t,
			f,
			&loggregator_v2.EgressBatchRequest{
				Selectors:        []*loggregator_v2.Selector{counterSelector("")},
				UsePreferredTags: true,
			},
		)
		m := f.machines[0]
		out, err := f.outlet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			out.native(m, deltaOne("n", "0"))
		}
		if err := f.bursts.release(t.Context(), false, f.rlp.publish); err != nil {
			t.Fatal(err)
		}
		backwards, last := 0, uint64(0)
		for _, e := range receive(t, stream, 500) {
			if e.GetCounter().Total < last {
				backwards++
			}
			last = e.GetCounter().Total
		}
		if reorder != (backwards >= 4) || !reorder && backwards > 0 {
			t.Errorf("reorder %v: %d backwards", reorder, backwards)
		}
		// One by one, none can be late.
		last = 0
		for range 20 {
			out.native(m, deltaOne("slow", "0"))
			if err := f.bursts.release(t.Context(), true, f.rlp.publish); err != nil {
				t.Fatal(err)
			}
			if e := receive(t, stream, 1)[0]; e.GetCounter().Total != last+1 {
				t.Fatalf("total %d after %d", e.GetCounter().Total, last)
			}
			last++
		}
	}
}
