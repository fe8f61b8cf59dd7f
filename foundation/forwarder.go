package foundation

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// ForwarderName is the name that forwarder agents present, and demand of their downstreams.
const ForwarderName = "metron"

const (
	forwarderBuffer      = 10_000
	forwarderInterval    = 100 * time.Millisecond
	forwarderRetryFrom   = 19 * time.Second
	forwarderRetryTo     = 41 * time.Second
	forwarderDialTimeout = 5 * time.Second
)

// ForwarderOptions say how a forwarder agent behaves. A zero value stands for the measured behaviour of a real one.
type ForwarderOptions struct {
	// PortFile is where the agent looks for its downstream.
	PortFile string
	// TLS is the configuration of its connections, from Foundation.ForwarderTLS.
	TLS *tls.Config
	// Interval is the longest that an envelope waits for its batch to fill, 100 ms by default.
	Interval time.Duration
	// RetryFrom and RetryTo bound the wait before a lost downstream is tried again, 19 s and 41 s by default.
	RetryFrom, RetryTo time.Duration
	// Buffer is how many envelopes wait for a downstream that is slow or away, 10,000 by default.
	Buffer int
	// Network takes the place of 127.0.0.1 where tests have no real network.
	Network *Memory
}

// ForwarderCounts says what became of the envelopes emitted. Those that are neither handed over nor lost still wait.
type ForwarderCounts struct {
	Emitted    uint64
	Handed     uint64 // given to a connection, which may yet lose it
	Overflowed uint64 // lost because the buffer was full
	Failed     uint64 // in batches that could not be sent, which are not sent again
	Batches    uint64
	Connects   uint64
	Ends       uint64 // streams that have ended
}

// Forwarder is the forwarder agent of a VM with one downstream: it reads the downstream's port from a file once, at
// its start, and calls BatchSender there with at most 100 envelopes or every 100 ms.
type Forwarder struct {
	options ForwarderOptions
	port    int // or 0: the port file says it
	waiting chan *loggregator_v2.Envelope

	emitted, handed, overflowed, failed, batches, connects, ends atomic.Uint64
}

// NewForwarder makes an agent. It opens and starts nothing.
func NewForwarder(options ForwarderOptions) *Forwarder {
	if options.Interval == 0 {
		options.Interval = forwarderInterval
	}
	if options.RetryTo == 0 {
		options.RetryFrom, options.RetryTo = forwarderRetryFrom, forwarderRetryTo
	}
	if options.Buffer == 0 {
		options.Buffer = forwarderBuffer
	}
	return &Forwarder{options: options, waiting: make(chan *loggregator_v2.Envelope, options.Buffer)}
}

// Connect sets the configuration of connections, for an agent that was made before its foundation, and, unless it is
// 0, the port of the downstream in place of what the port file says. It comes before Run.
func (a *Forwarder) Connect(config *tls.Config, port int) { a.options.TLS, a.port = config, port }

// Emit takes an envelope, which must not be changed afterwards. It never blocks: if the buffer is full, the envelope
// is lost.
func (a *Forwarder) Emit(e *loggregator_v2.Envelope) {
	a.emitted.Add(1)
	select {
	case a.waiting <- e:
	default:
		a.overflowed.Add(1)
	}
}

// Counts returns what became of everything emitted so far.
func (a *Forwarder) Counts() ForwarderCounts {
	return ForwarderCounts{
		Emitted: a.emitted.Load(), Handed: a.handed.Load(), Overflowed: a.overflowed.Load(), Failed: a.failed.Load(),
		Batches: a.batches.Load(), Connects: a.connects.Load(), Ends: a.ends.Load(),
	}
}

// Run forwards until ctx is done, and returns nil then. Where the port file is not there, the agent has no
// downstream for as long as it lives; where the file is broken, the agent ends.
func (a *Forwarder) Run(ctx context.Context) error {
	port := a.port
	if port == 0 {
		file, err := readPortFile(a.options.PortFile)
		if err != nil {
			return fmt.Errorf("foundation: forwarder agent: %w", err)
		}
		port = file.port
	}
	if port == 0 {
		<-ctx.Done()
		return nil
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for {
		a.forward(ctx, address)
		if !sleep(ctx, a.options.pause()) {
			return nil
		}
	}
}

// pause returns the wait before a lost downstream is tried again.
func (o ForwarderOptions) pause() time.Duration {
	return o.RetryFrom + rand.N(o.RetryTo-o.RetryFrom+1) //nolint:gosec // it spreads attempts, and guards nothing
}

// downstreamFile is what tells an agent of one downstream.
type downstreamFile struct {
	Ingress  string `yaml:"ingress"`
	Protocol string `yaml:"protocol"` // otelcol for a collector of OpenTelemetry

	port int
}

// readPortFile reads `ingress: 3560`. No file is port 0.
func readPortFile(path string) (file downstreamFile, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return downstreamFile{}, nil
	}
	if err != nil {
		return downstreamFile{}, err
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return downstreamFile{}, fmt.Errorf("%s: %w", path, err)
	}
	file.port, err = strconv.Atoi(file.Ingress)
	if err != nil || file.port < 1 || file.port > 65535 {
		return downstreamFile{}, fmt.Errorf("%s: ingress: %q is no port", path, file.Ingress)
	}
	return file, nil
}

// forward opens a stream and sends batches until one fails or ctx is done.
func (a *Forwarder) forward(ctx context.Context, address string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(a.options.TLS)),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: forwarderDialTimeout}),
	}
	if a.options.Network != nil {
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return a.options.Network.Dial(ctx, "tcp", address)
		}))
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	stream, err := loggregator_v2.NewIngressClient(conn).BatchSender(ctx)
	if err != nil {
		return
	}
	a.connects.Add(1)
	ended := make(chan struct{})
	received := make(chan struct{})
	go func() {
		defer close(received)
		_ = stream.RecvMsg(&loggregator_v2.BatchSenderResponse{}) // nothing is ever sent but the end
		close(ended)
	}()
	a.batch(ctx, stream, ended)
	a.ends.Add(1)
	cancel()
	<-received
}

// batch sends the envelopes that wait. The end of the stream is noticed at once; a batch that was begun by then is
// lost.
func (a *Forwarder) batch(
	ctx context.Context, stream loggregator_v2.Ingress_BatchSenderClient, ended <-chan struct{},
) {
	ticker := time.NewTicker(a.options.Interval)
	defer ticker.Stop()
	batch := make([]*loggregator_v2.Envelope, 0, batchSize)
	send := func() bool {
		if len(batch) == 0 {
			return true
		}
		a.batches.Add(1)
		if err := stream.Send(&loggregator_v2.EnvelopeBatch{Batch: batch}); err != nil {
			a.failed.Add(uint64(len(batch)))
			return false
		}
		a.handed.Add(uint64(len(batch)))
		batch = batch[:0]
		return true
	}
	for {
		select {
		case <-ctx.Done():
			a.failed.Add(uint64(len(batch)))
			return
		case <-ended:
			a.failed.Add(uint64(len(batch)))
			return
		case e := <-a.waiting:
			if batch = append(batch, e); len(batch) == batchSize && !send() {
				return
			}
		case <-ticker.C:
			if !send() {
				return
			}
		}
	}
}
