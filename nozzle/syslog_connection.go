package nozzle

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"loggregator_exporter/nozzle/watch"
	"loggregator_exporter/nozzle/wire"
)

// Why the syslog source refused or gave up a connection, besides those of handshakes.
const (
	reasonTooMany     = "too_many_connections"
	reasonIdle        = "idle"           // nothing came for two minutes
	reasonNoCount     = "no_octet_count" // a message without its length before it
	reasonBrokenFrame = "broken_frame"   // anything else in place of a length
	reasonCutFrame    = "cut_frame"      // the connection ended within a message
)

var syslogRefusals = []string{reasonTooMany, reasonIdle, reasonNoCount, reasonBrokenFrame, reasonCutFrame}

var (
	errTooMany = errors.New("as many connections are open as are accepted")
	errNoSlot  = errors.New("too many TLS handshakes are going on")
)

// peerOf is the address of the other side without its port, which changes with each connection.
func peerOf(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// serve takes the messages of one connection to its end.
func (s *Syslog) serve(ctx context.Context, raw net.Conn) {
	cancel := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer cancel()
	defer func() { _ = raw.Close() }()
	c := &syslogConnection{source: s, raw: &aheadConn{Conn: raw}, peer: peerOf(raw)}
	c.from = c.peer.String
	var conn net.Conn = c.raw
	if s.clients.config != nil {
		secured, err := s.secure(ctx, c.raw, c.peer)
		if secured == nil || err != nil {
			if err != nil && ctx.Err() == nil {
				reason, advice := s.explain(err)
				s.clients.refused.addPeer(reason, advice, err, c.peer)
			}
			return
		}
		defer func() { _ = secured.Close() }()
		conn = secured
	}
	c.raw.waits = c.waits
	c.frames = wire.NewSyslogFrames(aheadReader{conn, c.raw}, s.options.MaxMessageBytes)
	err := c.receive()
	c.close()
	if ctx.Err() == nil {
		c.explain(err)
	}
}

// secure makes the server's side of a TLS connection; nil without an error for a client that closed its connection
// before it said anything.
func (s *Syslog) secure(ctx context.Context, raw *aheadConn, peer netip.Addr) (*tls.Conn, error) {
	config, err := s.clients.config()
	if err != nil {
		return nil, &filesError{err}
	}
	_ = raw.SetDeadline(time.Now().Add(syslogHandshake))
	if err := raw.first(); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
		s.probed(peer)
		return nil, nil
	}
	slot := time.NewTimer(syslogHandshakeWait)
	defer slot.Stop()
	select {
	case s.handshakes <- struct{}{}:
		defer func() { <-s.handshakes }()
	case <-slot.C:
		return nil, errNoSlot
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	_ = raw.SetDeadline(time.Now().Add(syslogHandshake))
	conn := tls.Server(raw, config)
	if err := conn.Handshake(); err != nil { //nolint:noctx // serve closes the connection when ctx is done
		return nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	return conn, nil
}

// probed counts a connection that ended before any data came, as those of load balancers and port scanners do.
func (s *Syslog) probed(peer netip.Addr) {
	s.metrics.probes.Inc()
	s.log.Debug("a connection ended without data", "remote", peer.String())
}

// explain returns why a handshake failed, in the terms of drains.
func (s *Syslog) explain(err error) (reason, advice string) {
	reason, advice = s.clients.explain(err)
	switch {
	case errors.Is(err, errNoSlot):
		return reasonHandshakeTimeout, "give the exporter more CPU, or add exporters"
	case reason == reasonNoClientCertificate:
		advice = "the drain lacks cert and key: with TLS 1.3 its agent believes that all it sends arrives, and all is lost"
	case reason == watch.ReasonClientCertificate:
		advice += "; it is cert of the drain"
	case reason == watch.ReasonServerCertificate:
		advice += "; the drain has that name in its url, and the CA may be its ca"
	}
	return reason, advice
}

// syslogConnection takes the messages of one connection.
type syslogConnection struct {
	source *Syslog
	raw    *aheadConn
	peer   netip.Addr
	frames *wire.SyslogFrames

	from     func() string // the peer, as text
	intake   *Intake       // while messages are at hand; other goroutines use it while this one waits
	renewed  time.Time     // when the deadline was last set
	messages uint64
}

// receive takes messages until the connection ends or cannot be read on, and returns why.
func (c *syslogConnection) receive() error {
	s := c.source
	for {
		message, err := c.frames.Next()
		tooLong := errors.Is(err, wire.ErrFrameTooLong)
		if err != nil && !tooLong {
			return err
		}
		if c.messages++; c.messages == 1 {
			s.metrics.agents.connect(c.peer)
			s.account.Connect()
			s.log.Debug("an agent connected", "remote", c.peer.String())
		}
		if c.intake == nil {
			c.intake = s.intakes.take()
			c.intake.from = c.from
		}
		if tooLong {
			c.intake.Unreadable("longer than nozzle.syslog.max_message_bytes", c.raw.arrived)
			s.oversized(c.peer, c.raw.arrived)
			continue
		}
		if !c.intake.Syslog(message, c.raw.arrived) {
			s.malformed(len(message), c.peer, c.raw.arrived)
			continue
		}
		s.metrics.note(c.intake, c.raw.arrived)
	}
}

// waits is called before the connection is read, which may wait: what came before is in the ledger by then.
func (c *syslogConnection) waits() {
	c.putIntake()
	// A frame that has begun must end in time.
	if !c.frames.Amid() && (c.renewed.IsZero() || c.raw.arrived.Sub(c.renewed) >= syslogIdleSlack) {
		c.renewed = time.Now()
		_ = c.raw.SetReadDeadline(c.renewed.Add(syslogIdle + syslogIdleSlack)) // which fails as the read does
	}
}

// putIntake gives the intake back, and writes what it has counted to the ledger.
func (c *syslogConnection) putIntake() {
	if c.intake != nil {
		c.intake.Flush(c.raw.arrived)
		c.source.intakes.put(c.intake)
		c.intake = nil
	}
}

// close ends what the connection stands for.
func (c *syslogConnection) close() {
	c.putIntake()
	c.frames.Release()
	if c.messages > 0 {
		c.source.metrics.agents.disconnect(c.peer)
		c.source.account.Disconnect()
		c.source.log.Debug("an agent is gone", "remote", c.peer.String(), "messages", c.messages)
	}
}

// explain counts why the connection ended, unless its agent ended it between two messages.
func (c *syslogConnection) explain(err error) {
	refuse := func(reason, advice string) { c.source.clients.refused.addPeer(reason, advice, err, c.peer) }
	amid := c.frames.Amid() || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case errors.Is(err, wire.ErrNoOctetCount):
		refuse(reasonNoCount,
			"the sender ends messages by line feeds; octet counting (RFC 6587) is needed, as syslog agents do")
	case errors.Is(err, wire.ErrFrame):
		refuse(reasonBrokenFrame, "what came is no syslog message with an octet count; its connection was closed")
	case errors.Is(err, os.ErrDeadlineExceeded) && !amid:
		refuse(reasonIdle, "nothing came for two minutes: the agent is gone, or the network between")
	case amid:
		refuse(reasonCutFrame,
			"the connection ended within a message: the agent gave up a write after 10 seconds, or restarted")
	case c.messages == 0:
		c.source.probed(c.peer)
	}
}

// aheadBuffers holds memory for reading ahead.
var aheadBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// aheadConn reads more than was asked for where more seems to wait, since each message of an agent is a record of TLS,
// and a system call for each would cost more than all else. While nothing comes it holds no memory for that, unless
// the last read happened to end where the data did.
type aheadConn struct {
	net.Conn
	waits   func()    // is called before a read; nil for nothing
	arrived time.Time // of what was read last

	peeked [1]byte
	ahead  []byte // read and not yet asked for
	memory *[]byte
	filled bool // the last read filled its memory, so that more is probably there
	atHand bool // nothing is read but what is ahead
}

// errNotAtHand is temporary, so that a TLS connection over the one that returns it can be read on.
var errNotAtHand = os.ErrDeadlineExceeded

// aheadReader reads a connection over an aheadConn.
type aheadReader struct {
	net.Conn
	raw *aheadConn
}

// ReadAhead implements wire.AheadReader.
func (r aheadReader) ReadAhead(b []byte) (int, error) {
	r.raw.atHand = true
	defer func() { r.raw.atHand = false }()
	return r.Read(b)
}

// first waits for the first byte.
func (c *aheadConn) first() error {
	n, err := c.Conn.Read(c.peeked[:])
	c.ahead = c.peeked[:n]
	if n > 0 {
		return nil
	}
	return err
}

func (c *aheadConn) Read(b []byte) (int, error) {
	if len(c.ahead) == 0 {
		if c.atHand {
			return 0, errNotAtHand
		}
		if !c.await() {
			return c.read(b)
		}
		c.memory = aheadBuffers.Get().(*[]byte)
		n, err := c.read(*c.memory)
		if n == 0 {
			c.release()
			return 0, err
		}
		c.ahead = (*c.memory)[:n]
	}
	n := copy(b, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.release()
	}
	return n, nil
}

// await is called before the connection is read, and says whether more is probably there than was asked for.
func (c *aheadConn) await() bool {
	if c.waits != nil {
		c.waits()
	}
	if inTurns, ok := c.Conn.(interface{ Await() }); ok {
		inTurns.Await()
		return true
	}
	return c.filled
}

func (c *aheadConn) read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.arrived = time.Now()
	c.filled = n == len(b)
	return n, err
}

func (c *aheadConn) release() {
	if c.memory != nil {
		aheadBuffers.Put(c.memory)
		c.memory, c.ahead = nil, nil
	}
}
