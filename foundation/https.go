package foundation

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"golang.org/x/sync/errgroup"
)

// HTTPSOptions say how the RLP gateway, the traffic controller and UAA behave, which serve where On is set. A zero
// duration stands for that of the real ones.
type HTTPSOptions struct {
	On bool
	// Heartbeat is the silence after which the gateway says that it is there: 15 s.
	Heartbeat time.Duration
	// StreamLife is how long the gateway serves a stream: 14 minutes.
	StreamLife time.Duration
	// SlowConsumer is how long the traffic controller waits for a client that takes nothing, before it cuts the
	// connection: 5 s.
	SlowConsumer time.Duration
	// Ping is the time between two pings of the traffic controller: 30 s.
	Ping time.Duration
	// TokenLife is how long a token of UAA is good: 43,199 s.
	TokenLife time.Duration
}

func (o HTTPSOptions) withDefaults() HTTPSOptions {
	for d, standard := range map[*time.Duration]time.Duration{
		&o.Heartbeat: 15 * time.Second, &o.StreamLife: 14 * time.Minute, &o.SlowConsumer: 5 * time.Second,
		&o.Ping: 30 * time.Second, &o.TokenLife: 43199 * time.Second,
	} {
		if *d == 0 {
			*d = standard
		}
	}
	return o
}

// https is the RLP gateway, the traffic controller and UAA, which serve HTTPS.
type https struct {
	options HTTPSOptions
	rlp     loggregator_v2.EgressServer
	uaa     *uaa
	streams streams     // of the gateway and the traffic controller
	proxy   *proxyState // the RLP, as those two see it

	messages atomic.Uint64 // written by the traffic controller

	gateway, firehose, tokens *port
}

func newHTTPS(o HTTPSOptions, rlp loggregator_v2.EgressServer, now func() time.Time) *https {
	o = o.withDefaults()
	return &https{options: o, rlp: rlp, uaa: newUAA(o.TokenLife, now), proxy: newProxyState()}
}

// listenHTTPS opens the three ports.
func (h *https) listenHTTPS(open func() (net.Listener, error)) error {
	for _, p := range []**port{&h.gateway, &h.firehose, &h.tokens} {
		listener, err := open()
		if err != nil {
			return errors.Join(fmt.Errorf("foundation: HTTPS: %w", err), h.closeHTTPS())
		}
		*p = &port{Listener: listener, conns: make(map[net.Conn]struct{})}
	}
	return nil
}

func (h *https) closeHTTPS() error {
	var errs []error
	for _, p := range []*port{h.gateway, h.firehose, h.tokens} {
		if p != nil {
			if err := p.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
			p.cut()
		}
	}
	return errors.Join(errs...)
}

// serveHTTPS answers until ctx is done, and returns when all streams have ended.
func (h *https) serveHTTPS(ctx context.Context, config *tls.Config) error {
	group, ctx := errgroup.WithContext(ctx)
	var servers []*http.Server
	for _, s := range []struct {
		port    *port
		handler http.Handler
	}{{h.gateway, http.HandlerFunc(h.serveGateway)}, {h.firehose, http.HandlerFunc(h.serveFirehose)}, {h.tokens, h.uaa}} {
		server := &http.Server{
			Handler: s.handler, TLSConfig: config.Clone(), ReadHeaderTimeout: 10 * time.Second,
			BaseContext: func(net.Listener) context.Context { return ctx },
			// The real servers offer HTTP/2 as well, which no client here needs.
			TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
			ErrorLog:     stdlog.New(io.Discard, "", 0), // clients that do not trust us, or that go
		}
		servers = append(servers, server)
		group.Go(func() error {
			if err := server.ServeTLS(s.port, "", ""); err != nil && ctx.Err() == nil {
				return fmt.Errorf("foundation: HTTPS: %w", err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		for _, s := range servers {
			_ = s.Close()
		}
		return nil
	})
	err := group.Wait()
	err = errors.Join(err, h.closeHTTPS())
	h.streams.end()
	return err
}

// streams counts running handlers and their goroutines, so that the server can wait for all of them. Handlers that
// come while it waits are refused.
type streams struct {
	mu      sync.Mutex
	over    bool
	running sync.WaitGroup
}

// begin reports whether a handler may run; if so, the handler calls running.Done at its end.
func (s *streams) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.running.Add(1)
	}
	return !s.over
}

func (s *streams) end() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.running.Wait()
}

// port is a listener that can close its connections and refuse new ones.
type port struct {
	net.Listener
	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
}

// Accept implements net.Listener. While the port is down it closes the connections that it accepts.
func (p *port) Accept() (net.Conn, error) {
	for {
		conn, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		if p.down {
			p.mu.Unlock()
			_ = conn.Close()
			continue
		}
		c := &portConn{conn, p}
		p.conns[c] = struct{}{}
		p.mu.Unlock()
		return c, nil
	}
}

func (p *port) setDown(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.cut()
	}
}

func (p *port) cut() {
	p.mu.Lock()
	conns := p.conns
	p.conns = make(map[net.Conn]struct{})
	p.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
}

type portConn struct {
	net.Conn
	port *port
}

// Close implements net.Conn.
func (c *portConn) Close() error {
	c.port.mu.Lock()
	delete(c.port.conns, c)
	c.port.mu.Unlock()
	return c.Conn.Close()
}

// proxyState is whether the RLP can be reached by the gateway and the traffic controller.
type proxyState struct {
	mu   sync.Mutex
	gone chan struct{} // closed while it is gone
}

func newProxyState() *proxyState { return &proxyState{gone: make(chan struct{})} }

func (s *proxyState) set(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.gone:
		if !gone {
			s.gone = make(chan struct{})
		}
	default:
		if gone {
			close(s.gone)
		}
	}
}

func (s *proxyState) watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// localStream is a stream of the RLP within the process: what the gateway and the traffic controller read by gRPC in
// a real foundation.
type localStream struct {
	loggregator_v2.Egress_BatchedReceiverServer
	ctx  context.Context //nolint:containedctx // it stands for a stream
	send func(*loggregator_v2.EnvelopeBatch) error
}

// Context implements grpc.ServerStream.
func (s *localStream) Context() context.Context { return s.ctx }

// Send implements loggregator_v2.Egress_BatchedReceiverServer.
func (s *localStream) Send(b *loggregator_v2.EnvelopeBatch) error { return s.send(b) }

// GatewayURL is that of the RLP gateway, https://127.0.0.1:port, or empty where there is none.
func (f *Foundation) GatewayURL() string {
	return f.url("https", func(h *https) *port { return h.gateway })
}

// FirehoseURL is that of the traffic controller, wss://127.0.0.1:port, or empty where there is none.
func (f *Foundation) FirehoseURL() string {
	return f.url("wss", func(h *https) *port { return h.firehose })
}

// UAAURL is that of UAA, https://127.0.0.1:port, or empty where there is none.
func (f *Foundation) UAAURL() string { return f.url("https", func(h *https) *port { return h.tokens }) }

func (f *Foundation) url(scheme string, of func(*https) *port) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := of(f.https)
	if f.listener == nil || p == nil {
		return ""
	}
	return scheme + "://" + p.Addr().String()
}

// Down stops the RLP gateway, the traffic controller and UAA and closes their connections, or starts them again. It
// must not be called where they are not served.
func (h *https) Down(down bool) {
	for _, p := range []*port{h.gateway, h.firehose, h.tokens} {
		p.setDown(down)
	}
}

// Cut closes all connections of the RLP gateway and of the traffic controller, as a restart of a load balancer does.
func (h *https) Cut() {
	h.gateway.cut()
	h.firehose.cut()
}

// RLPGone makes the RLP unreachable for the gateway and the traffic controller, or reachable again: streams end, and
// the gateway refuses new ones.
func (h *https) RLPGone(gone bool) { h.proxy.set(gone) }

// Publish hands an envelope to the RLP, as if an agent had sent it. It must not be changed afterwards, and is no
// part of Sent.
func (f *Foundation) Publish(e *loggregator_v2.Envelope) { f.rlp.publish(e) }
