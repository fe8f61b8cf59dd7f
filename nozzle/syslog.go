package nozzle

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"loggregator_exporter/internal/check"
	"loggregator_exporter/internal/throttle"
	"loggregator_exporter/nozzle/gather"
	"loggregator_exporter/nozzle/watch"
)

// SyslogOptions configure the source that is an aggregate drain of syslog agents.
type SyslogOptions struct {
	Enabled       bool   `mapstructure:"enabled"`
	ListenAddress string `mapstructure:"listen_address"`
	// TLS may be absent where the address is loopback. Agents have to show certificates where there is a CA.
	TLS TLSOptions `mapstructure:"tls"`
	// MaxMessageBytes is the longest message that is taken; a longer one is counted and stepped over.
	MaxMessageBytes int `mapstructure:"max_message_bytes"`
	// MaxConnections is how many may be open; more are closed at once, and counted.
	MaxConnections int `mapstructure:"max_connections"`
	// TLSConfig replaces TLS if set: certificates that are in memory only.
	TLSConfig *tls.Config `mapstructure:"-"`
}

const (
	nameSyslog   = "syslog"
	syslogTLSKey = "nozzle.syslog.tls"

	// An agent replaces its connection every 60 s, and leaves one alone that broke on its way.
	syslogIdle = 2 * time.Minute
	// The deadline for reading is not set anew for each message: idle connections end up to so much later.
	syslogIdleSlack = 10 * time.Second

	syslogHandshake = 10 * time.Second
	// Handshakes at a time; more wait for up to syslogHandshakeWait.
	syslogHandshakes    = 256
	syslogHandshakeWait = 30 * time.Second
)

// Check reports mistakes in the options.
func (o *SyslogOptions) Check(s check.Section) {
	s.Address("listen_address", o.ListenAddress, 0)
	if o.TLSConfig == nil {
		o.TLS.checkListener(s, "listen_address", o.ListenAddress)
	}
	s.That(o.MaxMessageBytes >= 1<<10 && o.MaxMessageBytes <= 16<<20, "max_message_bytes",
		"must be 1024 to 16777216, is %d", o.MaxMessageBytes)
	s.That(o.MaxConnections >= 1 && o.MaxConnections <= 1_000_000, "max_connections",
		"must be 1 to 1000000, is %d", o.MaxConnections)
}

// Syslog is an aggregate drain: syslog agents, one on each VM, send all metrics of the foundation to it, one message
// an envelope. The source is connected while a connection is open on which a message has come: agents connect when
// they have one, load balancers and port scanners connect without any.
type Syslog struct {
	sourceBase
	port
	options SyslogOptions
	clients clients // which accepts none: there are too many to wait for one another
	metrics *syslogMetrics
	intakes pool[*Intake]
	group   *gather.Group // of all connections

	handshakes chan struct{} // holds an element for each handshake that is going on

	mu      sync.Mutex
	broken  throttle.Throttle
	tooLong throttle.Throttle
}

// newSyslog makes a source; Run, which is called once, begins to listen. It fails if the certificates cannot be read.
// The options have been checked.
func newSyslog(options SyslogOptions, env *Env) (*Syslog, error) {
	s := &Syslog{
		sourceBase: env.newBase(nameSyslog), port: newPort(), options: options,
		handshakes: make(chan struct{}, syslogHandshakes),
	}
	config, err := options.TLS.serverConfig(syslogTLSKey, options.TLSConfig)
	if err != nil {
		return nil, err
	}
	s.clients = s.newClients(syslogTLSKey, config)
	s.intakes.make = func() *Intake { return env.intake(s.account, intakeOptions{}) }
	s.account.refusals.expect(syslogRefusals...)
	if s.metrics, err = newSyslogMetrics(env.Ledger.registerer); err != nil {
		return nil, fmt.Errorf("register the metrics of nozzle.syslog: %w", err)
	}
	return s, nil
}

// Run implements Source. It fails where the address cannot be listened on.
func (s *Syslog) Run(ctx context.Context) error {
	config := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3,
	}}
	listener, err := config.Listen(ctx, "tcp", s.options.ListenAddress)
	if err != nil {
		err = fmt.Errorf("nozzle.syslog.listen_address: cannot listen on %s: %w", s.options.ListenAddress, err)
		s.fail(err)
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.open(listener.Addr().(*net.TCPAddr).AddrPort())
	s.log.Info("listening for syslog agents", "address", s.addr.String(), "tls", s.clients.config != nil)
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	s.group = gather.NewGroup()
	running, cancel := context.WithCancel(ctx)
	var connections, group sync.WaitGroup
	group.Go(func() { s.group.Run(running) })
	err = s.accept(ctx, listener, &connections)
	connections.Wait()
	cancel()
	group.Wait()
	return err
}

// accept serves connections until ctx is done. Failures to accept one, as without free file descriptors, pass.
func (s *Syslog) accept(ctx context.Context, listener net.Listener, connections *sync.WaitGroup) error {
	backoff := watch.Backoff{First: 10 * time.Millisecond, Limit: time.Second}
	var failing throttle.Throttle
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("nozzle.syslog: accept connections at %s: %w", s.addr, err)
		case err != nil:
			if count, due := failing.Add(time.Now()); due {
				s.log.Warn("cannot accept connections", "error", err, "failures_since_last_report", count)
			}
			watch.Wait(ctx, backoff.Next())
		default:
			backoff.Reset()
			if s.admit(conn) {
				connections.Go(func() {
					defer s.metrics.connections.Add(-1)
					s.serve(ctx, s.group.Join(conn))
				})
			}
		}
	}
}

// admit counts a connection, or closes it where there are too many. Only accept calls it.
func (s *Syslog) admit(conn net.Conn) bool {
	if s.metrics.connections.Load() >= int64(s.options.MaxConnections) {
		s.clients.refused.addPeer(reasonTooMany, "raise nozzle.syslog.max_connections, or add exporters: every VM has one "+
			"connection, replaced each minute", errTooMany, peerOf(conn))
		_ = conn.Close()
		return false
	}
	s.metrics.connections.Add(1)
	return true
}

// malformed logs a message that is no metric although its frame is whole, at most once a minute.
func (s *Syslog) malformed(bytes int, peer netip.Addr, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if count, due := s.broken.Add(now); due {
		s.log.Warn("malformed message", "remote", peer.String(), "bytes", bytes, "malformed_since_last_report", count)
	}
}

// oversized counts a message that was stepped over.
func (s *Syslog) oversized(peer netip.Addr, now time.Time) {
	s.metrics.oversized.Inc()
	s.mu.Lock()
	defer s.mu.Unlock()
	if count, due := s.tooLong.Add(now); due {
		s.log.Warn("message longer than nozzle.syslog.max_message_bytes", "remote", peer.String(), "limit_bytes",
			s.options.MaxMessageBytes, "oversized_since_last_report", count)
	}
}
