package foundation

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
)

// AgentOptions say how the agents of the VMs treat what they forward to the RLP.
type AgentOptions struct {
	// Reorder spreads what is emitted back to back over five streams, which overtake one another by up to 107 ms. What is
	// emitted with a pause stays in order.
	Reorder bool
	// Totals is how many running totals an agent holds before it forgets all of them, 10,000 by default; -1 is no limit.
	Totals int
	// KeepIdle keeps the running total of an idle counter, which the real agent sets to 0. An exporter that begins later,
	// or gets a counter from another one, can then show the sum of all deltas, as tests with several exporters compare.
	KeepIdle bool
}

const (
	agentTotals  = 10_000
	agentStreams = 5
	// The least and the most envelopes that are read from one stream before another one.
	streamRunFrom, streamRunTo = 8, 100
	agentLateness              = 107 * time.Millisecond
)

// arrival is an envelope and when it reaches the RLP, counted from the first of its burst.
type arrival struct {
	after    time.Duration
	envelope *loggregator_v2.Envelope
}

// spread returns a burst in the order in which it arrives by an agent's streams.
func spread(burst []*loggregator_v2.Envelope, rng *rand.Rand) []arrival {
	var streams [][]*loggregator_v2.Envelope
	byNumber := make([][]*loggregator_v2.Envelope, agentStreams)
	for _, e := range burst {
		n := rng.IntN(agentStreams)
		byNumber[n] = append(byNumber[n], e)
	}
	for _, s := range byNumber {
		if len(s) > 0 {
			streams = append(streams, s)
		}
	}
	var runs [][]*loggregator_v2.Envelope
	for len(streams) > 0 {
		at := rng.IntN(len(streams))
		n := min(streamRunFrom+rng.IntN(streamRunTo-streamRunFrom+1), len(streams[at]))
		runs = append(runs, streams[at][:n])
		if streams[at] = streams[at][n:]; len(streams[at]) == 0 {
			streams = slices.Delete(streams, at, at+1)
		}
	}
	arrivals := make([]arrival, 0, len(burst))
	for i, run := range runs {
		for _, e := range run {
			arrivals = append(arrivals, arrival{agentLateness * time.Duration(i) / time.Duration(len(runs)), e})
		}
	}
	return arrivals
}

// bursts holds the envelopes that agents keep until a burst is over, in order to reorder them.
type bursts struct {
	machines []*machine
}

func (b *bursts) add(m *machine, e *loggregator_v2.Envelope) {
	if len(m.agent.burst) == 0 {
		b.machines = append(b.machines, m)
	}
	m.agent.burst = append(m.agent.burst, e)
}

// release publishes the envelopes that are held; with a clock, each at the time at which it arrives.
func (b *bursts) release(ctx context.Context, clock bool, publish func(*loggregator_v2.Envelope)) error {
	var all []arrival
	for _, m := range b.machines {
		all = append(all, spread(m.agent.burst, m.rng)...)
		m.agent.burst = nil
	}
	b.machines = b.machines[:0]
	slices.SortStableFunc(all, func(x, y arrival) int { return cmp.Compare(x.after, y.after) })
	began := time.Now()
	for _, a := range all {
		if left := a.after - time.Since(began); clock && left > 0 && !sleep(ctx, left) {
			return ctx.Err()
		}
		publish(a.envelope)
	}
	return nil
}
