package nozzle

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/watch"
)

// newFoundation serves a foundation with its HTTPS side, which sends what a test publishes; within a bubble of
// synctest it needs a network in memory.
func newFoundation(t *testing.T, network *foundation.Memory, o foundation.HTTPSOptions) *foundation.Foundation {
	t.Helper()
	o.On = true
	f, err := foundation.New(foundation.Options{Apps: -1, BatchInterval: -1, Network: network, HTTPS: o})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := receive(t, done); err != nil {
			t.Error(err)
		}
	})
	return f
}

// doorSink counts, and can be shut: Write then blocks.
type doorSink struct {
	mu     sync.Mutex
	change *sync.Cond
	shut   bool
	n      int
	sum    uint64 // of the totals of counters
}

func newDoorSink() *doorSink {
	s := &doorSink{}
	s.change = sync.NewCond(&s.mu)
	return s
}

func (s *doorSink) Add(e *metric.Envelope, tally *metric.Tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.shut {
		s.change.Wait()
	}
	tally[metric.Stored] += uint64(e.Samples())
	s.n++
	s.sum += e.Total
	s.change.Broadcast()
}

func (*doorSink) Flush(*metric.Tally) {}

func (s *doorSink) setShut(shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = shut
	s.change.Broadcast()
}

// await waits for at least n envelopes, and returns the sum of all totals.
func (s *doorSink) await(t *testing.T, n int) (sum uint64) {
	t.Helper()
	late := false
	timer := time.AfterFunc(5*time.Minute, func() { // which no machine is too busy for
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.change.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.n < n {
		if late {
			t.Fatalf("%d of %d envelopes came", s.n, n)
		}
		s.change.Wait()
	}
	return s.sum
}

func (s *doorSink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// httpsRun is a source that runs, and its UAA.
type httpsRun struct {
	runningRLP
	sink   *doorSink
	tokens *uaaTokens
	source Source
	keep   *watch.Keeper
}

// httpsSetup is what a source is told.
type httpsSetup struct {
	uaa    UAAOptions
	url    string
	tls    ServerTLSOptions
	stream StreamOptions
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// setup is that of a source of a foundation.
func setup(f *foundation.Foundation, url string) httpsSetup {
	id, secret := f.UAAClient()
	trust := ServerTLSOptions{RootCAs: f.RootCAs()}
	return httpsSetup{
		uaa: UAAOptions{URL: f.UAAURL(), ClientID: id, ClientSecret: secret, TLS: trust}, url: url, tls: trust,
		stream: StreamOptions{
			ShardID: "shard", DeterministicName: "0", Selectors: allKinds.Selectors,
			IdleTimeout: time.Hour,
		},
	}
}

// httpsKinds are the sources under test.
var httpsKinds = map[string]struct {
	connected  string
	withoutRLP string
	url        func(*foundation.Foundation) string
	make       func(s httpsSetup, env *Env) (Source, *watch.Keeper, *httpsPeer, error)
}{
	nameGateway: {
		"connected to the RLP gateway", watch.ReasonUnavailable, (*foundation.Foundation).GatewayURL,
		func(s httpsSetup, env *Env) (Source, *watch.Keeper, *httpsPeer, error) {
			g, err := newGateway(GatewayOptions{URL: s.url, TLS: s.tls}, s.stream, env)
			if err != nil {
				return nil, nil, nil, err
			}
			return g, &g.keeper, &g.peer, nil
		},
	},
	nameFirehose: {
		"connected to the firehose", watch.ReasonLost, (*foundation.Foundation).FirehoseURL,
		func(s httpsSetup, env *Env) (Source, *watch.Keeper, *httpsPeer, error) {
			f, err := newFirehose(FirehoseOptions{URL: s.url, TLS: s.tls}, s.stream, env)
			if err != nil {
				return nil, nil, nil, err
			}
			return f, &f.keeper, &f.peer, nil
		},
	},
}

// newHTTPS makes a source with its own UAA, as it is.
func newHTTPS(t *testing.T, kind string, s httpsSetup, newSink func() Sink, log *slog.Logger) *httpsRun {
	t.Helper()
	r := &httpsRun{}
	r.ledger, r.reg = newTestLedger(t)
	env := testEnv(r.ledger, newSink, log)
	env.UAA = s.uaa
	var err error
	var peer *httpsPeer
	if r.source, r.keep, peer, err = httpsKinds[kind].make(s, env); err != nil {
		t.Fatal(err)
	}
	r.tokens = env.tokens
	r.tokens.peer.dial, peer.dial = s.dial, s.dial
	return r
}

// runHTTPS runs a source that tries again soon.
func runHTTPS(t *testing.T, kind string, s httpsSetup) *httpsRun {
	t.Helper()
	sink, l := newDoorSink(), newRecordingLog()
	r := newHTTPS(t, kind, s, func() Sink { return sink }, l.log)
	r.sink, r.lines = sink, l.lines
	r.tokens.spacing = time.Millisecond
	r.tokens.retry = watch.Backoff{First: time.Millisecond, Limit: 20 * time.Millisecond}
	r.keep.Retry = watch.Backoff{First: 5 * time.Millisecond, Limit: 20 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.source.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		r.sink.setShut(false)
		if err := receive(t, done); err != nil {
			t.Error(err)
		}
		for _, line := range l.all() {
			if s.uaa.ClientSecret != "" && strings.Contains(line, s.uaa.ClientSecret) || strings.Contains(line, "eyJ") {
				t.Errorf("a secret in the log: %s", line)
			}
		}
		r.balance(t)
	})
	t.Cleanup(r.stop)
	return r
}

// balance holds at rest.
func (r *httpsRun) balance(t *testing.T) {
	t.Helper()
	if got, want := total(t, r.reg, "envelopes_received_total"), total(t, r.reg, "envelopes_total"); got != want {
		t.Errorf("%d envelopes received, %d accounted for", got, want)
	}
	if up := total(t, r.reg, "source_up"); up != 0 {
		t.Errorf("stopped, and up: %d", up)
	}
}

func counterV2(i int) *loggregator_v2.Envelope {
	return &loggregator_v2.Envelope{
		Timestamp: 1795342433316702720, SourceId: "gorouter", Tags: map[string]string{"origin": "gorouter", "job": "router"},
		Message: &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{
			Name:  fmt.Sprintf("requests.%d", i%100),
			Delta: 1, Total: uint64(i),
		}},
	}
}

// publish sends so many counters, no more at a time than an RLP holds, and waits for them.
func publish(t *testing.T, f *foundation.Foundation, s *doorSink, count int) {
	t.Helper()
	const chunk = 5000
	sum := s.await(t, 0)
	base := s.count()
	for sent := 0; sent < count; {
		for end := min(sent+chunk, count); sent < end; sent++ {
			f.Publish(counterV2(sent + 1))
		}
		s.await(t, base+sent)
	}
	if got, want := s.await(t, base+count)-sum, uint64(count)*uint64(count+1)/2; got != want || s.count() != base+count {
		t.Fatalf("%d envelopes, totals of %d, want %d", s.count()-base, got, want)
	}
}

// awaitReader waits until the only reader is one that came after so many.
func awaitReader(t *testing.T, f *foundation.Foundation, before uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // which no machine is too busy for
	defer cancel()
	if err := f.AwaitSuccessor(ctx, before); err != nil {
		t.Fatal(err)
	}
}
