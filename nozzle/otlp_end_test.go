package nozzle

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"

	"loggregator_exporter/foundation"
)

// otlpWorld is an exporter's source and a forwarder agent, each of which can be restarted.
type otlpWorld struct {
	t       *testing.T
	f       *foundation.Foundation
	options OTLPOptions
	env     *Env
	sink    *gateSink
	agent   *foundation.OTLPAgent
	before  foundation.OTLPAgentCounts // of agents that are gone

	stopSource, stopAgent func()
}

// startSource starts the source; each has a registry of its own, as each process has.
func (w *otlpWorld) startSource() (check func()) {
	w.t.Helper()
	ledger, reg := newTestLedger(w.t)
	log, _ := newTestLog()
	w.env = testEnv(ledger, func() Sink { return w.sink }, log)
	source, err := newOTLP(w.options, w.env)
	if err != nil {
		w.t.Fatal(err)
	}
	source.config = heldPorts()
	before := w.sink.count()
	w.stopSource = run(w.t, source.Run)
	listening(w.t, source.Addr)
	return func() {
		w.t.Helper()
		w.stopSource()
		if ledger.Ready() {
			w.t.Error("stopped, and ready")
		}
		requireBalance(w.t, reg, w.sink.count()-before)
	}
}

func (w *otlpWorld) startAgent() {
	if w.agent != nil {
		w.before = w.counts()
	}
	w.agent = foundation.NewOTLPAgent(foundation.OTLPAgentOptions{
		PortFile: w.options.PortFile, TLS: w.f.OTLPClientTLS(), Retries: true,
	})
	w.stopAgent = run(w.t, w.agent.Run)
}

// counts are those of all agents.
func (w *otlpWorld) counts() foundation.OTLPAgentCounts {
	c := w.agent.Counts()
	c.Emitted += w.before.Emitted
	c.Overflowed += w.before.Overflowed
	c.Delivered += w.before.Delivered
	c.Lost += w.before.Lost
	c.Retries += w.before.Retries
	return c
}

// settle waits until the agent has nothing left to send.
func (w *otlpWorld) settle() {
	w.t.Helper()
	until(w.t, "the agent has sent all", func() bool {
		c := w.counts()
		return c.Emitted == c.Delivered+c.Lost+c.Overflowed
	})
}

// emit hands envelopes to the agent, no more at a time than it can hold, and waits for each lot.
func (w *otlpWorld) emit(count int) {
	w.t.Helper()
	const lot = 5000
	for ; count > 0; count -= lot {
		for range min(lot, count) {
			w.agent.Emit(ingressEnvelope())
		}
		w.settle()
	}
}

// disturb is a peer that does what no agent does.
func (w *otlpWorld) disturb(what string) {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.options.ListenAddress)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, what); err != nil {
		w.t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
}

// TestOTLPEndToEnd: 100,000 points by way of a forwarder agent, with a restart of either side, a stall, broken peers
// and certificates that change under way. What is lost is lost at the agent, which counts it; the ledger has the
// rest.
func TestOTLPEndToEnd(t *testing.T) {
	f, err := foundation.New(foundation.Options{Apps: -1})
	if err != nil {
		t.Fatal(err)
	}
	address := holdPort(t)
	if err := listenHeld(t, address).Close(); err != nil { // the first use of the network opens descriptors for good
		t.Fatal(err)
	}
	before := descriptors(t)
	dir := t.TempDir()
	files, err := f.WriteCollectorFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := &otlpWorld{t: t, f: f, sink: newGateSink()}
	w.options = OTLPOptions{
		ListenAddress: address, PortFile: filepath.Join(dir, "ingress_port.yml"), MaxRequestBytes: 1 << 24,
		TLS: TLSOptions{CAFile: files.CA, CertFile: files.Certificate, KeyFile: files.Key},
	}
	check := w.startSource()
	w.startAgent()
	w.emit(50_000)
	for _, what := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\xff\x01"} {
		w.disturb(what)
	}
	w.emit(10_000)
	if c := w.counts(); c.Lost+c.Overflowed+c.Retries != 0 {
		t.Fatalf("without a disturbance: %+v", c)
	}

	// The exporter restarts with another certificate; what is emitted meanwhile is sent again until it is back.
	check()
	if _, err := f.WriteCollectorFiles(dir); err != nil {
		t.Fatal(err)
	}
	for range 5000 {
		w.agent.Emit(ingressEnvelope())
	}
	until(t, "the agent knows that the exporter is away", func() bool { return w.counts().Retries > 0 })
	check = w.startSource()
	w.settle()

	// The agent restarts. It connects to a source whose certificate is away, and comes through when that is back.
	w.stopAgent()
	if err := os.Rename(files.Key, files.Key+".away"); err != nil {
		t.Fatal(err)
	}
	w.startAgent()
	w.agent.Emit(ingressEnvelope())
	until(t, "the agent is refused", func() bool { return w.counts().Retries > 0 })
	if err := os.Rename(files.Key+".away", files.Key); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.emit(35_000)
	if c := w.counts(); c.Lost+c.Overflowed != 0 {
		t.Errorf("restarts cost: %+v", c)
	}

	// A stall: the agent waits for its answer and loses what its buffer cannot hold, as a block.
	w.sink.set(true)
	for w.counts().Overflowed < 10_000 {
		w.agent.Emit(ingressEnvelope())
	}
	w.sink.set(false)
	w.settle()
	w.stopAgent()
	check()
	c := w.counts()
	if c.Lost != 0 || c.Delivered < 100_000 || w.sink.count() < c.Delivered {
		t.Errorf("%+v, %d passed", c, w.sink.count())
	}
	until(t, "all descriptors are closed", func() bool { return descriptors(t) <= before })
}

// TestOTLPThroughCollectors: what leaves a collector in disorder by its ten workers arrives whole, by gRPC, by HTTP in
// protobuf and in JSON.
func TestOTLPThroughCollectors(t *testing.T) {
	f, err := foundation.New(foundation.Options{Apps: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, exporter := range []foundation.CollectorExporter{
		foundation.OTLPByGRPC, foundation.OTLPByHTTP, foundation.OTLPByJSON,
	} {
		t.Run(string(exporter), func(t *testing.T) {
			r := runOTLP(t, OTLPOptions{TLSConfig: f.CollectorTLS()})
			o := foundation.CollectorOptions{
				Exporter:  exporter,
				To:        r.address,
				TLS:       f.OTLPClientTLS(),
				Lateness:  time.Millisecond,
				RetryFrom: time.Millisecond,
			}
			if exporter != foundation.OTLPByGRPC {
				o.To = r.url
			}
			collector, err := foundation.NewCollector(o)
			if err != nil {
				t.Fatal(err)
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			stop := run(t, func(ctx context.Context) error { return collector.Run(ctx, listener, f.CollectorTLS()) })
			defer stop()
			const requests, each = 50, 20
			for i := range requests {
				var metrics []*metricsv1.Metric
				for j := range each {
					metrics = append(metrics, otlpGauge(fmt.Sprint(i, ".", j), 1))
				}
				request := &metricsv1.MetricsData{ResourceMetrics: otlpRequest(metrics...).GetResourceMetrics()}
				if err := collector.Take(t.Context(), request); err != nil {
					t.Fatal(err)
				}
			}
			got, order, disorder := map[string]bool{}, -1, 0
			for len(got) < requests*each {
				p := receive(t, r.got)
				for name := range p.Points {
					var i, j int
					if _, err := fmt.Sscanf(name, "%d.%d", &i, &j); err != nil || got[name] {
						t.Fatalf("%q comes twice, or is none: %v", name, err)
					}
					got[name] = true
					if i*each+j < order {
						disorder++
					}
					order = i*each + j
				}
			}
			if disorder == 0 {
				t.Error("everything came in order")
			}
		})
	}
}
