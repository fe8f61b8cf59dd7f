package nozzle

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/foundation"
	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// gateSink counts what passes, and lets nothing pass while it is shut.
type gateSink struct {
	mu     sync.Mutex
	change sync.Cond
	passed uint64
	lasts  int // envelopes that end something, not yet awaited
	shut   bool
}

const lastName = "last"

func newGateSink() *gateSink {
	s := &gateSink{}
	s.change.L = &s.mu
	return s
}

func (s *gateSink) Add(e *metric.Envelope, tally *metric.Tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.shut {
		s.change.Wait()
	}
	s.passed++
	if string(e.Points[0].Name) == lastName {
		s.lasts++
	}
	tally[metric.Stored] += uint64(e.Samples())
	s.change.Broadcast()
}

func (*gateSink) Flush(*metric.Tally) {}

func (s *gateSink) set(shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = shut
	s.change.Broadcast()
}

// await blocks until so many have passed; the test's own timeout ends it.
func (s *gateSink) await(passed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.passed < passed {
		s.change.Wait()
	}
}

func (s *gateSink) awaitLast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.lasts == 0 {
		s.change.Wait()
	}
	s.lasts--
}

func (s *gateSink) count() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passed
}

// ingressWorld is an exporter's source and an agent, each of which can be restarted.
type ingressWorld struct {
	t       *testing.T
	f       *foundation.Foundation
	options IngressOptions
	ledger  *Ledger
	sink    *gateSink
	agent   *foundation.Forwarder

	stopSource, stopAgent func()
}

func (w *ingressWorld) startSource() {
	w.t.Helper()
	log, _ := newTestLog()
	source, err := newIngress(w.options, testEnv(w.ledger, func() Sink { return w.sink }, log))
	if err != nil {
		w.t.Fatal(err)
	}
	source.config = heldPorts()
	w.stopSource = run(w.t, source.Run)
	listening(w.t, source.Addr)
}

func (w *ingressWorld) startAgent() {
	w.agent = foundation.NewForwarder(foundation.ForwarderOptions{
		PortFile: w.options.PortFile, TLS: w.f.ForwarderTLS(), RetryFrom: 19 * time.Millisecond,
		RetryTo: 41 * time.Millisecond,
	})
	w.stopAgent = run(w.t, w.agent.Run)
}

// emit hands envelopes to the agent, no more at a time than it can hold, and waits for each lot.
func (w *ingressWorld) emit(count int) {
	w.t.Helper()
	const lot = 5000
	for count > 0 {
		n := min(lot, count)
		before := w.sink.count()
		for range n {
			w.agent.Emit(ingressEnvelope())
		}
		w.sink.await(before + uint64(n))
		count -= n
	}
}

func ingressEnvelope() *loggregator_v2.Envelope {
	return &loggregator_v2.Envelope{
		Timestamp: 1, SourceId: "router__0", Tags: wiretest.TagsV2(),
		Message: wiretest.GaugeV2("a"),
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestIngressEndToEnd: 100,000 envelopes by way of a forwarder agent, with a restart of either side and a stall. What
// is lost is lost at the agent, which counts it, or was under way when the exporter went; the ledger has the rest, to
// the last envelope.
func TestIngressEndToEnd(t *testing.T) {
	f, err := foundation.New(foundation.Options{Apps: -1})
	if err != nil {
		t.Fatal(err)
	}
	address := holdPort(t)
	if err := listenHeld(t, address).Close(); err != nil { // the first use of the network opens descriptors for good
		t.Fatal(err)
	}
	before := descriptors(t)
	w := &ingressWorld{t: t, f: f, sink: newGateSink()}
	ledger, reg := newTestLedger(t)
	w.ledger = ledger
	w.options = IngressOptions{
		ListenAddress: address, PortFile: filepath.Join(t.TempDir(), "ingress_port.yml"),
		TLSConfig: f.DownstreamTLS(),
	}
	w.startSource()
	w.startAgent()
	w.emit(60_000)
	if c := w.agent.Counts(); c.Overflowed+c.Failed != 0 {
		t.Fatalf("without a disturbance: %+v", c)
	}

	// The exporter restarts; what is emitted meanwhile waits at the agent.
	w.stopSource()
	if ledger.Ready() {
		t.Fatal("stopped, and ready")
	}
	// What the agent writes before it notices the end is lost, and how much that is depends on the host.
	until(t, "the agent knows of the end", func() bool { return w.agent.Counts().Ends > 0 })
	for range 9000 {
		w.agent.Emit(ingressEnvelope())
	}
	w.startSource()
	w.sink.await(w.sink.count() + 1)
	w.quiesce()
	first := w.agent.Counts()
	if lost := first.Handed - w.sink.count(); lost != 0 || first.Failed != 0 {
		t.Errorf("the restart cost %d envelopes under way and %d in failed batches", lost, first.Failed)
	}

	// The agent restarts, and reads the port again.
	w.stopAgent()
	w.startAgent()
	w.emit(30_000)

	// A stall: the agent fills up and loses; nothing is lost between it and the sink.
	w.sink.set(true)
	for w.agent.Counts().Overflowed < 10_000 {
		w.agent.Emit(ingressEnvelope())
	}
	stalled := w.sink.count()
	w.sink.set(false)
	w.quiesce()
	c := w.agent.Counts()
	if c.Failed != 0 || w.sink.count() < stalled+10_000 {
		t.Errorf("after the stall: %+v, %d passed", c, w.sink.count())
	}
	w.stopAgent()
	w.stopSource()

	passed := w.sink.count()
	if passed < 100_000 {
		t.Errorf("only %d envelopes", passed)
	}
	requireBalance(t, reg, passed)
	for reason, n := range ledger.Source(nameIngress).refusals.snapshot() {
		// An agent gives a handshake up that takes five seconds, and tries again.
		if n != 0 && reason != reasonClosed {
			t.Errorf("%d refusals: %s", n, reason)
		}
	}
	until(t, "all descriptors are closed", func() bool { return descriptors(t) <= before })
}

// quiesce waits until the sink has all that the agent holds. The one stream keeps the order: once an envelope that
// was emitted last is in, all are. The agent counts a batch once it is sent, which may be after the sink has it.
func (w *ingressWorld) quiesce() {
	w.t.Helper()
	for {
		passed := w.sink.count() // before the agent is asked: what waits there then is still to come
		c := w.agent.Counts()
		if c.Emitted-c.Handed-c.Overflowed-c.Failed < 5000 {
			break
		}
		w.sink.await(passed + 1)
	}
	last := &loggregator_v2.Envelope{Message: wiretest.GaugeV2(lastName)}
	w.agent.Emit(last)
	w.sink.awaitLast()
	until(w.t, "the agent has counted all", func() bool {
		c := w.agent.Counts()
		return c.Emitted == c.Handed+c.Overflowed+c.Failed
	})
}
