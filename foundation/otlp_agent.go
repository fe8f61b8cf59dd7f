package foundation

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// CollectorName is the name that forwarder agents demand of the certificate of a collector, or of what is in its
// place.
const CollectorName = "otel-collector"

const (
	// otlpService takes metrics by the method Export. Its request, ExportMetricsServiceRequest, has the one field of
	// MetricsData, which needs no package of gRPC services.
	otlpService = "opentelemetry.proto.collector.metrics.v1.MetricsService"
	otlpExport  = "/" + otlpService + "/Export"

	otlpBuffer     = 10_000
	otlpRetryQueue = 1024
	otlpProtocol   = "otelcol"
)

// otlpRetryWaits are the waits between the tries of a batch, of an agent that sends again.
var otlpRetryWaits = []time.Duration{ // constant
	time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second,
	30 * time.Second,
}

// OTLPAgentOptions say how a forwarder agent sends to a collector. A zero value stands for what was measured.
type OTLPAgentOptions struct {
	// PortFile is where the agent looks for the collector.
	PortFile string
	// TLS is the configuration of its connections, from Foundation.OTLPClientTLS.
	TLS *tls.Config
	// Retries says that it sends a batch again that was refused as Unavailable, as releases from 8.3.23 on do; earlier
	// ones lose it.
	Retries bool
	// Interval is the longest that a metric waits for its batch to fill, 100 ms by default.
	Interval time.Duration
	// Buffer is how many envelopes wait for a collector that is slow or away, 10,000 by default. If one more comes, all
	// that wait are lost.
	Buffer int
	// Seed of the order of attributes and metrics.
	Seed uint64
	// Network takes the place of 127.0.0.1 where tests have no real network.
	Network *Memory
}

// OTLPAgentCounts says what became of everything emitted.
type OTLPAgentCounts struct {
	Emitted    uint64 // envelopes
	Ignored    uint64 // envelopes without a metric, among them all timers
	Overflowed uint64 // envelopes lost because the buffer was full
	Delivered  uint64 // metrics
	Lost       uint64 // metrics in batches that were refused for good, or too often
	Batches    uint64 // first tries
	Retries    uint64
}

// OTLPAgent is the forwarder agent of a VM with a collector of OpenTelemetry: it reads the collector's port from a
// file once, at its start, and sends at most 100 metrics a request, or every 100 ms, one request after the other and
// without a deadline, so that a collector that does not answer stops it. Each metric has one point, with everything
// about its sender in attributes. Batches that are sent again are mixed with new ones.
type OTLPAgent struct {
	options OTLPAgentOptions
	port    int // or 0: the port file says it

	mu      sync.Mutex
	waiting []*loggregator_v2.Envelope
	more    chan struct{} // has room for one: something waits
	rng     *rand.Rand    // of the goroutine that sends

	retrying                                                        atomic.Int64
	emitted, ignored, overflowed, delivered, lost, batches, retries atomic.Uint64
}

// NewOTLPAgent makes an agent. It opens and starts nothing.
func NewOTLPAgent(options OTLPAgentOptions) *OTLPAgent {
	if options.Interval == 0 {
		options.Interval = forwarderInterval
	}
	if options.Buffer == 0 {
		options.Buffer = otlpBuffer
	}
	return &OTLPAgent{
		options: options, more: make(chan struct{}, 1),
		rng: rand.New(rand.NewPCG(options.Seed, 0)), //nolint:gosec // it simulates, and must repeat itself
	}
}

// Connect sets the configuration of connections, for an agent that was made before its foundation, and, unless it is
// 0, the port of the collector in place of what the port file says. It comes before Run.
func (a *OTLPAgent) Connect(config *tls.Config, port int) { a.options.TLS, a.port = config, port }

// Emit takes an envelope, which must not be changed afterwards. It never blocks: if the buffer is full, all that is in
// it is lost.
func (a *OTLPAgent) Emit(e *loggregator_v2.Envelope) {
	a.emitted.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) >= a.options.Buffer {
		a.overflowed.Add(uint64(len(a.waiting)))
		a.waiting = nil
	}
	a.waiting = append(a.waiting, e)
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// next returns the envelope that waits longest, or nil.
func (a *OTLPAgent) next() *loggregator_v2.Envelope {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		return nil
	}
	e := a.waiting[0]
	a.waiting = a.waiting[1:]
	return e
}

// Idle reports whether nothing waits to be sent, for the first time or again. Metrics that wait for their batch to
// fill are not looked at.
func (a *OTLPAgent) Idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting) == 0 && a.retrying.Load() == 0
}

// Counts returns what became of everything emitted so far.
func (a *OTLPAgent) Counts() OTLPAgentCounts {
	return OTLPAgentCounts{
		Emitted: a.emitted.Load(), Ignored: a.ignored.Load(), Overflowed: a.overflowed.Load(),
		Delivered: a.delivered.Load(), Lost: a.lost.Load(), Batches: a.batches.Load(), Retries: a.retries.Load(),
	}
}

// Run sends until ctx is done, and returns nil then. Where the port file is not there, or names another protocol, the
// agent has no collector for as long as it lives.
func (a *OTLPAgent) Run(ctx context.Context) error {
	port := a.port
	if port == 0 {
		file, err := readPortFile(a.options.PortFile)
		if err != nil {
			return fmt.Errorf("foundation: forwarder agent: %w", err)
		}
		if file.Protocol == otlpProtocol {
			port = file.port
		}
	}
	if port == 0 {
		<-ctx.Done()
		return nil
	}
	conn, err := a.dial(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("foundation: forwarder agent: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var retries sync.WaitGroup
	defer retries.Wait()
	a.batch(ctx, func(m []*metricsv1.Metric) { a.send(ctx, conn, m, &retries) })
	return nil
}

func (a *OTLPAgent) dial(address string) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(a.options.TLS))}
	if a.options.Network != nil {
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return a.options.Network.Dial(ctx, "tcp", address)
		}))
	}
	return grpc.NewClient(address, options...)
}

// batch calls send with batches until ctx is done.
func (a *OTLPAgent) batch(ctx context.Context, send func([]*metricsv1.Metric)) {
	ticker := time.NewTicker(a.options.Interval)
	defer ticker.Stop()
	var batch []*metricsv1.Metric
	for {
		select {
		case <-ctx.Done():
			a.lost.Add(uint64(len(batch)))
			return
		case <-a.more:
		case <-ticker.C:
			if len(batch) > 0 {
				send(batch)
				batch = nil
			}
		}
		for e := a.next(); e != nil && ctx.Err() == nil; e = a.next() {
			metrics := otlpMetrics(e, a.rng)
			if len(metrics) == 0 {
				a.ignored.Add(1)
			}
			for batch = append(batch, metrics...); len(batch) >= batchSize; batch = batch[batchSize:] {
				send(batch[:batchSize:batchSize])
			}
		}
	}
}

// send sends a batch. If that may be of use later, it is sent again in the background.
func (a *OTLPAgent) send(
	ctx context.Context, conn *grpc.ClientConn, batch []*metricsv1.Metric, retries *sync.WaitGroup,
) {
	a.batches.Add(1)
	request := otlpRequestOf(batch)
	again := a.try(ctx, conn, request)
	switch {
	case !again:
		return
	case !a.options.Retries || a.retrying.Add(1) > otlpRetryQueue:
		if a.options.Retries {
			a.retrying.Add(-1)
		}
		a.lost.Add(uint64(len(batch)))
		return
	}
	retries.Go(func() {
		defer a.retrying.Add(-1)
		for _, wait := range otlpRetryWaits {
			if !sleep(ctx, wait) {
				break
			}
			a.retries.Add(1)
			if !a.try(ctx, conn, request) {
				return
			}
		}
		a.lost.Add(uint64(len(batch)))
	})
}

// try sends a request, and reports whether it should be sent again. What it does not send again is counted.
func (a *OTLPAgent) try(ctx context.Context, conn *grpc.ClientConn, request *metricsv1.MetricsData) (again bool) {
	n := uint64(len(request.GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics()))
	err := conn.Invoke(ctx, otlpExport, request, &emptypb.Empty{})
	switch {
	case err == nil:
		a.delivered.Add(n)
	case status.Code(err) == codes.Unavailable:
		return true
	default:
		a.lost.Add(n)
	}
	return false
}

// otlpRequestOf is a request without resource, scope and schema.
func otlpRequestOf(batch []*metricsv1.Metric) *metricsv1.MetricsData {
	scope := &metricsv1.ScopeMetrics{Metrics: batch}
	resource := &metricsv1.ResourceMetrics{ScopeMetrics: []*metricsv1.ScopeMetrics{scope}}
	return &metricsv1.MetricsData{ResourceMetrics: []*metricsv1.ResourceMetrics{resource}}
}
