package nozzle

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/foundation"
)

// clockSink notes the longest time without envelopes, by whichever stream they come.
type clockSink struct{ gaps *gaps }

type gaps struct {
	mu      sync.Mutex
	last    time.Time
	longest time.Duration
}

func (g *gaps) max() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.longest
}

func (s clockSink) Write(e *metric.Envelope, tally *metric.Tally) {
	s.gaps.mu.Lock()
	defer s.gaps.mu.Unlock()
	now := time.Now()
	if !s.gaps.last.IsZero() {
		s.gaps.longest = max(s.gaps.longest, now.Sub(s.gaps.last))
	}
	s.gaps.last = now
	tally[metric.Stored] += uint64(e.Samples())
}

// simulated is a foundation in a bubble of synctest, with the real gRPC and TLS over a connection in memory.
type simulated struct {
	t        *testing.T
	f        *foundation.Foundation
	listener *bufconn.Listener
}

func simulate(t *testing.T, options foundation.Options) *simulated {
	t.Helper()
	s := &simulated{t: t, listener: bufconn.Listen(1 << 20)}
	options.RLPListener = s.listener
	var err error
	if s.f, err = foundation.New(options); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// read runs a source on the foundation and returns its account and what ends it.
func (s *simulated) read(stream StreamOptions, sink Sink) (*SourceLedger, func()) {
	s.t.Helper()
	return s.readInto(stream, func() Sink { return sink })
}

func (s *simulated) readInto(stream StreamOptions, newSink func() Sink) (*SourceLedger, func()) {
	s.t.Helper()
	ledger, _ := newTestLedger(s.t)
	r, err := NewRLP(RLPOptions{Address: "127.0.0.1:8082", TLSConfig: s.f.ClientTLS()}, stream, ledger, newSink, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	r.dialer = func(ctx context.Context, _ string) (net.Conn, error) { return s.listener.DialContext(ctx) }
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				s.t.Error(err)
			}
		}
	}
	s.t.Cleanup(stop)
	return ledger.Source(nameRLP), stop
}

func sharded(name string) StreamOptions {
	return StreamOptions{ShardID: "shard", DeterministicName: name, Selectors: selectorKinds}
}

// The only doppler restarts, which leaves the stream open and mute for 111 s: there is data again within the idle timeout.
func TestRLPOutlivesAMuteDoppler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, foundation.Options{Dopplers: 1, RequestsPerSecond: 10})
		g := &gaps{}
		account, stop := s.read(sharded("0"), clockSink{g})
		pass(20 * time.Second) // too short a time to know a rate: only silence tells
		ordinary := g.max()
		if err := s.f.RestartDoppler(0, 111*time.Second); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		if got := g.max(); got > defaultIdleTimeout {
			t.Errorf("%v without data", got)
		}
		requireReasons(t, account, map[string]uint64{reasonIdle: 1})
		t.Logf("%v without data, %v before; %+v", g.max(), ordinary, s.f.Lost())
		stop()
	})
}

func requireReasons(t *testing.T, account *SourceLedger, want map[string]uint64) {
	t.Helper()
	for reason, n := range account.reasons(account.reconnects) {
		if n != want[reason] {
			t.Errorf("%d reconnects for %s, want %d", n, reason, want[reason])
		}
	}
}

// One of two dopplers restarts: the total never falls to zero, and there is a new stream within a minute. Nothing comes twice, and
// what is lost besides the doppler's data is what the old stream had on its way.
func TestRLPOutlivesAMuteDopplerOfTwo(t *testing.T) {
	for _, name := range []string{"", "0"} {
		synctest.Test(t, func(t *testing.T) {
			s := simulate(t, foundation.Options{Dopplers: 2, RequestsPerSecond: 10})
			g := &gaps{}
			account, stop := s.read(sharded(name), clockSink{g})
			pass(3 * time.Minute)
			requireReasons(t, account, nil)
			if err := s.f.RestartDoppler(1, 111*time.Second); err != nil {
				t.Fatal(err)
			}
			began, lost := time.Now(), s.f.Lost().Nobody
			for time.Since(began) < 2*time.Minute {
				pass(time.Second)
				if now := s.f.Lost().Nobody; now != lost {
					lost = now
					continue
				}
				if account.reasons(account.reconnects)[reasonFell] > 0 {
					break
				}
			}
			took := time.Since(began)
			if took > time.Minute || lost == 0 {
				t.Errorf("the doppler's data came again after %v", took)
			}
			pass(2 * time.Minute)
			requireReasons(t, account, map[string]uint64{reasonFell: 1})
			flow := s.f.Lost()
			stop()
			// What a second of the round had gathered within 100 ms at most.
			if flow.Full > 0 || flow.Left > 100 || flow.Nobody != lost {
				t.Errorf("%+v", flow)
			}
			received := account.received.Load()
			if received > flow.Sent || flow.Sent-received > 100 {
				t.Errorf("%d received of %+v", received, flow)
			}
			t.Logf("data of the doppler again after %v; %+v, %d received", took, flow, received)
		})
	}
}
