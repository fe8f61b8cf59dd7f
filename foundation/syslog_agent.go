package foundation

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
)

// SyslogAgentOptions say how a syslog agent behaves. A zero value stands for what was measured.
type SyslogAgentOptions struct {
	// Address of the drain: host:port.
	Address string
	// TLS is the configuration of its connections, from Foundation.SyslogAgentTLS; nil is plain text.
	TLS *tls.Config
	// Drain says what is sent, metrics by default.
	Drain Drain
	// Refresh is the time after which the drain is made anew, 60 s by default.
	Refresh time.Duration
	// WriteTimeout ends a write that takes so long, and its connection, 10 s by default.
	WriteTimeout time.Duration
	// Buffer is how many envelopes wait for a receiver that is slow or away, 10,000 by default.
	Buffer int
	// Network takes the place of 127.0.0.1 where tests have no real network.
	Network *Memory
}

// DrainName is the name of a drain's certificate, and of the host in its URL.
const DrainName = "loggregator-exporter.service.cf.internal"

const (
	syslogRefresh      = time.Minute
	syslogWriteTimeout = 10 * time.Second
	syslogBuffer       = 10_000
	syslogRetryFrom    = time.Millisecond
	syslogRetryTo      = 15 * time.Second
	syslogDialTimeout  = 5 * time.Second
)

// SyslogAgentCounts says what became of the envelopes emitted. Those that are neither handed over nor dropped wait, or
// were forgotten with their drain, which the real agent does not count either.
type SyslogAgentCounts struct {
	Emitted  uint64 // ingress{scope="all_drains"} of the real agent
	Messages uint64 // egress: written to a connection, which may yet lose them
	Dropped  uint64 // dropped: the buffer was full, and is lost as a whole
	Connects uint64
	Failures uint64 // to connect or to write
}

// SyslogAgent is the syslog agent of a VM with one aggregate drain. It never reads, and nothing is acknowledged. The
// drain, with its connection, its buffer and its waits, is made anew each minute: the old one sends what waits if
// its connection is good; otherwise that is lost and not counted. An envelope that is no message of RFC 5424 holds
// up a drain to its end.
type SyslogAgent struct {
	options SyslogAgentOptions

	mu    sync.Mutex
	drain *syslogDrain // nil before Run

	emitted, messages, dropped, connects, failures atomic.Uint64
}

// NewSyslogAgent makes an agent. It opens and starts nothing.
func NewSyslogAgent(o SyslogAgentOptions) *SyslogAgent {
	if o.Drain == "" {
		o.Drain = DrainMetrics
	}
	if o.Refresh == 0 {
		o.Refresh = syslogRefresh
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = syslogWriteTimeout
	}
	if o.Buffer == 0 {
		o.Buffer = syslogBuffer
	}
	a := &SyslogAgent{options: o}
	a.drain = a.newDrain()
	return a
}

// Connect sets the address of the drain and the configuration of connections, for an agent that was made before its
// foundation. It comes before Run.
func (a *SyslogAgent) Connect(config *tls.Config, address string) {
	a.options.TLS, a.options.Address = config, address
}

// Emit takes an envelope, which must not be changed afterwards. It never blocks: where the buffer is full, all that
// is in it is dropped.
func (a *SyslogAgent) Emit(e *loggregator_v2.Envelope) {
	a.emitted.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		select {
		case a.drain.waiting <- e:
			return
		default:
			a.dropped.Add(a.drain.empty())
		}
	}
}

// Counts returns what became of everything emitted so far.
func (a *SyslogAgent) Counts() SyslogAgentCounts {
	return SyslogAgentCounts{
		Emitted: a.emitted.Load(), Messages: a.messages.Load(), Dropped: a.dropped.Load(), Connects: a.connects.Load(),
		Failures: a.failures.Load(),
	}
}

// Run sends until ctx is done, and returns nil then, when its connections are closed.
func (a *SyslogAgent) Run(ctx context.Context) error {
	var drains sync.WaitGroup
	defer drains.Wait()
	ticker := time.NewTicker(a.options.Refresh)
	defer ticker.Stop()
	for drain := a.drain; ; drain = a.refresh() {
		drains.Go(func() { drain.run(ctx) })
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (a *SyslogAgent) newDrain() *syslogDrain {
	return &syslogDrain{
		agent: a, waiting: make(chan *loggregator_v2.Envelope, a.options.Buffer), retired: make(chan struct{}),
	}
}

// refresh puts a new drain in the place of the one that is there.
func (a *SyslogAgent) refresh() *syslogDrain {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.drain.retired)
	a.drain = a.newDrain()
	return a.drain
}

// syslogDrain is a drain from one refresh to the next.
type syslogDrain struct {
	agent   *SyslogAgent
	waiting chan *loggregator_v2.Envelope
	retired chan struct{} // closed when nothing more comes
	conn    net.Conn      // nil until the first message, and after a failure
	pause   time.Duration // after the next failure
}

// empty drops all that waits, and returns how much that was.
func (d *syslogDrain) empty() (dropped uint64) {
	for {
		select {
		case <-d.waiting:
			dropped++
		default:
			return dropped
		}
	}
}

// run sends what comes until the drain is retired, and then what waits.
func (d *syslogDrain) run(ctx context.Context) {
	defer d.close()
	for ctx.Err() == nil {
		select {
		case e := <-d.waiting:
			if !d.send(ctx, e) {
				return
			}
		case <-ctx.Done():
		case <-d.retired:
			select {
			case e := <-d.waiting:
				if !d.send(ctx, e) {
					return
				}
			default:
				return
			}
		}
	}
}

// send writes the messages of an envelope, each until a connection takes it. It returns false when the drain has
// ended.
func (d *syslogDrain) send(ctx context.Context, e *loggregator_v2.Envelope) bool {
	frames, err := SyslogMessages(e, d.agent.options.Drain)
	if err != nil { // the real agent tries again and again
		select {
		case <-d.retired:
		case <-ctx.Done():
		}
		return false
	}
	for _, frame := range frames {
		for !d.write(ctx, frame) {
			if !d.wait(ctx) {
				return false
			}
		}
		d.agent.messages.Add(1)
	}
	return true
}

// write hands a frame to the connection, which is opened if there is none, and closed where that fails.
func (d *syslogDrain) write(ctx context.Context, frame []byte) bool {
	o := &d.agent.options
	if d.conn == nil {
		conn, err := o.dial(ctx)
		if err != nil {
			d.agent.failures.Add(1)
			return false
		}
		d.agent.connects.Add(1)
		d.conn = conn
	}
	_ = d.conn.SetWriteDeadline(time.Now().Add(o.WriteTimeout))
	if _, err := d.conn.Write(frame); err != nil {
		d.agent.failures.Add(1)
		d.close()
		return false
	}
	d.pause = 0
	return true
}

// wait lets the time pass after which a failed write is tried again. A drain that is retired does not try again.
func (d *syslogDrain) wait(ctx context.Context) bool {
	switch {
	case d.pause == 0:
		d.pause = syslogRetryFrom
	case d.pause < 8*time.Second:
		d.pause *= 2
	default:
		d.pause = syslogRetryTo
	}
	timer := time.NewTimer(d.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.retired:
	case <-ctx.Done():
	}
	return false
}

func (d *syslogDrain) close() {
	if d.conn != nil {
		_ = d.conn.Close()
		d.conn = nil
	}
}

// dial opens a connection, with TLS if there is a configuration.
func (o *SyslogAgentOptions) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, syslogDialTimeout)
	defer cancel()
	dial := (&net.Dialer{}).DialContext
	if o.Network != nil {
		dial = o.Network.Dial
	}
	raw, err := dial(ctx, "tcp", o.Address)
	if err != nil || o.TLS == nil {
		return raw, err
	}
	conn := tls.Client(raw, o.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}
