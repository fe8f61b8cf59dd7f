package nozzle

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/foundation"
)

// relay keeps a drain's address while the exporter behind it is restarted.
type relay struct {
	net.Listener
	to   atomic.Value // string; "" where the exporter is away
	done sync.WaitGroup
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: listener}
	r.to.Store("")
	r.done.Go(r.run)
	t.Cleanup(func() { _ = listener.Close(); r.done.Wait() })
	return r
}

func (r *relay) run() {
	for {
		client, err := r.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.to.Load().(string))
		if err != nil {
			_ = client.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
			r.done.Go(func() {
				_, _ = io.Copy(way[1], way[0])
				_ = way[1].Close()
				_ = way[0].Close()
			})
		}
	}
}

// syslogWorld is an exporter's source, an agent, and what is between them.
type syslogWorld struct {
	*ingressWorld
	relay   *relay
	options SyslogOptions
	agent   *foundation.SyslogAgent
	number  uint64
}

func (w *syslogWorld) startSource() {
	w.t.Helper()
	log, _ := newTestLog()
	source, err := newSyslog(w.options, testEnv(w.ledger, func() Sink { return w.sink }, log))
	if err != nil {
		w.t.Fatal(err)
	}
	w.stopSource = run(w.t, source.Run)
	w.relay.to.Store(listening(w.t, source.Addr))
}

func (w *syslogWorld) startAgent(config *tls.Config, o foundation.SyslogAgentOptions) {
	o.TLS, o.Address = config, w.relay.Addr().String()
	w.agent = foundation.NewSyslogAgent(o)
	w.stopAgent = run(w.t, w.agent.Run)
}

// emit lets the agent have envelopes, never more at a time than its buffer takes, and waits until all are on their
// way.
func (w *syslogWorld) emit(envelopes int) {
	for range envelopes {
		w.number++
		w.agent.Emit(&loggregator_v2.Envelope{
			Timestamp: time.Now().UnixNano(), SourceId: "s", InstanceId: "0",
			Tags: map[string]string{"deployment": "cf", "job": "router", "index": strconv.FormatUint(w.number%100, 10)},
			Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
				Metrics: map[string]*loggregator_v2.GaugeValue{"n": {Value: float64(w.number)}},
			}},
		})
		if w.number%1000 == 0 {
			until(w.t, "the buffer has room", func() bool { return w.agent.Counts().Emitted-w.agent.Counts().Messages <= 5000 })
		}
	}
	until(w.t, "all messages are sent", func() bool { return w.agent.Counts().Messages == w.agent.Counts().Emitted })
}

// TestSyslogEndToEnd: 100,000 envelopes with a restart of either side, a slow exporter, broken peers and a certificate
// that changes. Each envelope that arrives ends in one outcome, and what is lost is what was under way when the
// exporter stopped.
func TestSyslogEndToEnd(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	ledger, reg := newTestLedger(t)
	w := &syslogWorld{ingressWorld: &ingressWorld{t: t, ledger: ledger, sink: newGateSink()}, relay: newRelay(t)}
	w.options = SyslogOptions{
		ListenAddress: "127.0.0.1:0", TLS: ca.filesFor(t, dir, drainName), MaxMessageBytes: 64 << 10, MaxConnections: 20,
	}
	w.startSource()
	quick := foundation.SyslogAgentOptions{Refresh: 300 * time.Millisecond} // in place of a minute
	w.startAgent(agentTLS(t, ca), quick)
	w.emit(30_000)
	w.sink.await(30_000)

	// Peers that send nonsense, are no agents or are cut off, while the agent sends.
	var bad sync.WaitGroup
	for i := range 12 {
		bad.Go(func() {
			conn, err := net.Dial("tcp", w.relay.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			var to io.Writer = conn
			if i%2 == 0 {
				client := tls.Client(conn, agentTLS(t, ca))
				if err := client.Handshake(); err != nil {
					t.Error(err)
				}
				to = client
			}
			_, _ = io.WriteString(to, []string{"garbage", "", "99 <14>", "<14>1 - - - - - -\n"}[i/3])
		})
	}
	w.emit(20_000)
	bad.Wait()
	w.sink.await(50_000)

	// The agent restarts.
	w.stopAgent()
	w.startAgent(agentTLS(t, ca), quick)
	w.emit(10_000)
	w.sink.await(60_000)

	// The certificates of both sides change while connections are open.
	next, fresh := newAuthority(t), t.TempDir()
	next.filesFor(t, fresh, drainName)
	for _, name := range []string{"ca.pem", "key.pem", "cert.pem"} {
		if err := os.Rename(filepath.Join(fresh, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	w.stopAgent()
	w.startAgent(agentTLS(t, next), quick)
	w.emit(10_000)
	w.sink.await(70_000)

	// The exporter is slow: the agent's writes time out, its buffer overflows, and it opens more connections.
	w.stopAgent()
	w.startAgent(agentTLS(t, next), foundation.SyslogAgentOptions{
		Refresh: time.Hour, WriteTimeout: 50 * time.Millisecond, Buffer: 1000,
	})
	w.sink.set(true)
	until(t, "writes fail", func() bool {
		for range 1500 {
			w.agent.Emit(&loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
				Metrics: map[string]*loggregator_v2.GaugeValue{"slow": {}},
			}}, Tags: map[string]string{"padding": strings.Repeat("x", 2000)}})
		}
		return w.agent.Counts().Failures > 2
	})
	w.sink.set(false)
	until(t, "the rest is sent", func() bool {
		c := w.agent.Counts()
		return c.Messages+c.Dropped == c.Emitted
	})
	if c := w.agent.Counts(); c.Dropped == 0 || c.Connects < 2 {
		t.Errorf("%+v", c)
	}

	// The exporter restarts; the agent finds it again.
	w.stopSource()
	requireBalance(t, reg, w.sink.count())
	before := w.sink.count()
	w.ledger, reg = newTestLedger(t)
	w.startSource()
	sent := w.sink.count()
	until(t, "the agent is back", func() bool {
		w.agent.Emit(&loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
			Metrics: map[string]*loggregator_v2.GaugeValue{"again": {}},
		}}})
		return w.sink.count() > sent
	})
	w.stopAgent()
	w.startAgent(agentTLS(t, next), quick)
	w.emit(10_000)
	w.stopAgent()
	w.stopSource()

	requireBalance(t, reg, w.sink.count()-before)
	if n := w.sink.count(); n < 80_000 {
		t.Errorf("%d envelopes came", n)
	}
}

// TestSyslogThousandAgents: 1,000 connections are open at once, each is replaced, and nothing is lost.
func TestSyslogThousandAgents(t *testing.T) {
	const agents, messages = 1000, 5
	ca := newAuthority(t)
	l, env := newListener(t)
	sink := newGateSink()
	env.NewSink = func() Sink { return sink }
	r := &runningSyslog{listener: l, t: t}
	r.start(env, SyslogOptions{
		TLSConfig: ca.server(t, drainName), MaxConnections: 2 * agents, // as many as are replaced at a time
	})
	config := agentTLS(t, ca)
	var open, all sync.WaitGroup
	open.Add(agents)
	handshakes := make(chan struct{}, 8) // a thousand at once take longer on a busy machine than the source allows
	for range agents {
		all.Go(func() {
			opened := sync.OnceFunc(open.Done)
			defer opened()
			for range 2 { // a connection, and the one in its place
				handshakes <- struct{}{}
				conn, err := tls.Dial("tcp", r.address, config)
				<-handshakes
				if err != nil {
					t.Error(err)
					return
				}
				for range messages {
					if _, err := io.WriteString(conn, framed(syslogMessage)); err != nil {
						t.Error(err)
					}
				}
				opened()
				open.Wait()
				_ = conn.Close()
			}
		})
	}
	if all.Wait(); t.Failed() {
		return
	}
	sink.await(2 * agents * messages)
	r.stop()
	if n := total(t, r.reg, "envelopes_total"); n != 2*agents*messages {
		t.Errorf("%d outcomes", n)
	}
}
