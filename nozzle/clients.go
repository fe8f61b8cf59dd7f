package nozzle

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"loggregator_exporter/internal/throttle"
	"loggregator_exporter/nozzle/gather"
)

// clientHandshakeTimeout is how long a client may take for the TLS handshake.
const clientHandshakeTimeout = 10 * time.Second

// clients accepts the clients of a source that others connect to, counts those that are connected, and explains why
// others are not.
type clients struct {
	account *SourceLedger
	log     *slog.Logger
	refused *refusals

	// config returns the configuration of the next connection, so that certificates can be rotated while the exporter
	// runs. It is not changed. Nil is plain text.
	config   func() (*tls.Config, error)
	protocol string     // to agree on by ALPN
	limit    int        // of connections at a time; further ones wait
	inTurns  bool       // clients await no answers, so that their connections are read in turns
	level    slog.Level // of the log lines about connections: Debug where each request may have its own

	// For advice.
	tlsKey     string // the key of the TLS options in the configuration
	serverName string // that clients demand of our certificate; "" if each may demand another
}

// newClients returns what accepts the clients of a source, and exposes the reasons to refuse them at 0.
func (b *sourceBase) newClients(tlsKey string, config func() (*tls.Config, error)) clients {
	b.account.refusals.expect(handshakeRefusals...)
	refused := &refusals{account: b.account, log: b.log}
	return clients{account: b.account, log: b.log, refused: refused, config: config, tlsKey: tlsKey}
}

// listen returns a listener whose connections have completed their handshakes, each in a goroutine of its own, so
// that a client that sends nothing holds up no other. Closing it, or the end of ctx, ends the handshakes.
func (c *clients) listen(ctx context.Context, raw net.Listener) net.Listener {
	ctx, cancel := context.WithCancel(ctx)
	if c.inTurns { // under the limit, whose connections hide the socket
		raw = wrappedListener{raw, func(conn net.Conn) net.Conn { return gather.New(conn, nil) }}
	} else {
		raw = wrappedListener{raw, gather.NewPrompt}
	}
	l := &clientListener{
		Listener: netutil.LimitListener(raw, c.limit), clients: c, accepted: make(chan acceptedConn), cancel: cancel,
		ended: ctx.Done(),
	}
	l.running.Go(func() { l.accept(ctx) })
	return l
}

// wrappedListener wraps the connections that it accepts.
type wrappedListener struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

// Accept implements net.Listener.
func (l wrappedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(conn), nil
}

type clientListener struct {
	net.Listener
	clients  *clients
	accepted chan acceptedConn
	cancel   func()
	ended    <-chan struct{}
	running  sync.WaitGroup
}

type acceptedConn struct {
	conn net.Conn
	err  error
}

// Accept implements net.Listener.
func (l *clientListener) Accept() (net.Conn, error) {
	select {
	case a := <-l.accepted:
		return a.conn, a.err
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It waits until the handshakes have ended.
func (l *clientListener) Close() error {
	l.cancel()
	err := l.Listener.Close()
	l.running.Wait()
	return err
}

// accept hands on connections and errors. The server that takes an error decides whether to go on.
func (l *clientListener) accept(ctx context.Context) {
	for ctx.Err() == nil {
		raw, err := l.Listener.Accept()
		if err != nil {
			l.handOn(acceptedConn{err: err})
			continue
		}
		l.running.Go(func() {
			if conn := l.clients.admit(ctx, raw); conn != nil && !l.handOn(acceptedConn{conn: conn}) {
				_ = conn.Close()
			}
		})
	}
}

func (l *clientListener) handOn(a acceptedConn) bool {
	select {
	case l.accepted <- a:
		return true
	case <-l.ended:
		return false
	}
}

// admit makes the connection with a client ready, or closes it, explains why and returns nil.
func (c *clients) admit(ctx context.Context, raw net.Conn) net.Conn {
	remote := raw.RemoteAddr().String()
	conn, name := raw, ""
	if c.config != nil {
		secured := tls.Server(raw, c.perConnection())
		limited, cancel := context.WithTimeout(ctx, clientHandshakeTimeout)
		defer cancel()
		if err := secured.HandshakeContext(limited); err != nil {
			if ctx.Err() == nil {
				reason, advice := c.explain(err)
				c.refused.add(reason, advice, err, "remote", remote)
			}
			_ = raw.Close() // after the count, so that whoever sees the end finds it counted
			return nil
		}
		conn, name = secured, clientName(secured.ConnectionState())
	}
	c.account.Connect()
	c.log.Log(ctx, c.level, "a client connected", "remote", remote, "client", name)
	return &countedConn{Conn: conn, closed: func() {
		c.account.Disconnect()
		c.log.Log(ctx, c.level, "a client is gone", "remote", remote)
	}}
}

// countedConn calls closed once, when it is closed.
type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// refusals counts what a source refuses, and logs each reason at most once a minute, since a client may try again and
// again.
type refusals struct {
	account *SourceLedger
	log     *slog.Logger

	mu  sync.Mutex
	due map[string]*refusal
}

// refusal is what there is to report of one reason.
type refusal struct {
	throttle.Throttle
	peers []netip.Addr // since the last report, up to maxRefusedPeers
}

const maxRefusedPeers = 10

func (r *refusals) add(reason, advice string, err error, attrs ...any) {
	r.account.refuse(reason, advice, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report(r.of(reason), reason, advice, err, attrs...)
}

// addPeer is add for a source with many clients: the report has the addresses of some since the last one.
func (r *refusals) addPeer(reason, advice string, err error, peer netip.Addr) {
	r.account.refuse(reason, advice, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of(reason)
	if len(of.peers) < maxRefusedPeers && !slices.Contains(of.peers, peer) {
		of.peers = append(of.peers, peer)
	}
	if r.report(of, reason, advice, err, "peers", of.peers) {
		of.peers = nil
	}
}

// of returns what there is to report of a reason; mu is held.
func (r *refusals) of(reason string) *refusal {
	if r.due == nil {
		r.due = make(map[string]*refusal)
	}
	if r.due[reason] == nil {
		r.due[reason] = &refusal{}
	}
	return r.due[reason]
}

// report logs if a report is due, and says so; mu is held.
func (r *refusals) report(of *refusal, reason, advice string, err error, attrs ...any) bool {
	count, due := of.Add(time.Now())
	if due {
		r.log.With(attrs...).Warn("refused", "reason", reason, "advice", advice, "error", err, "refused_since_last_report",
			count)
	}
	return due
}
