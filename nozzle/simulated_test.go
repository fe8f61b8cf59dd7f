package nozzle

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle/filter"
)

// simulated is a foundation in a bubble of synctest, with the real protocols over connections in memory.
type simulated struct {
	t       *testing.T
	f       *foundation.Foundation
	network *foundation.Memory
}

func simulate(t *testing.T, options foundation.Options) *simulated {
	t.Helper()
	s := &simulated{t: t, network: &foundation.Memory{}}
	options.Network = s.network
	var err error
	if s.f, err = foundation.New(options); err != nil {
		t.Fatal(err)
	}
	if err := s.f.Listen(); err != nil {
		t.Fatal(err)
	}
	run(t, s.f.Run)
	synctest.Wait() // for a round that nobody reads: the first reader is greeted with one of its own
	return s
}

// read runs a source of a kind on the foundation and returns its account and what ends it.
func (s *simulated) read(kind string, stream StreamOptions, newSink func() Sink) (*SourceLedger, func()) {
	s.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if kind != nameRLP {
		set := setup(s.f, httpsKinds[kind].url(s.f))
		set.dial, set.stream = s.network.Dial, stream
		r := newHTTPS(s.t, kind, set, newSink, log)
		return r.ledger.Source(kind), run(s.t, r.source.Run)
	}
	ledger, _ := newTestLedger(s.t)
	r, err := newRLP(RLPOptions{Address: s.f.RLPAddress(), TLSConfig: s.f.ClientTLS()}, stream,
		testEnv(ledger, newSink, log))
	if err != nil {
		s.t.Fatal(err)
	}
	r.dialer = func(ctx context.Context, address string) (net.Conn, error) {
		return s.network.Dial(ctx, "tcp", address)
	}
	return ledger.Source(nameRLP), run(s.t, r.Run)
}

func sharded(name string) StreamOptions {
	return StreamOptions{ShardID: "shard", DeterministicName: name, Selectors: filter.Kinds}
}
