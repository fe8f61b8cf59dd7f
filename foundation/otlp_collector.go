package foundation

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// CollectorExporter says how a collector sends on.
type CollectorExporter string

// The exporters of a collector that send OTLP: gRPC, HTTP with protobuf, HTTP with JSON; all packed by gzip.
const (
	OTLPByGRPC CollectorExporter = "otlp_grpc"
	OTLPByHTTP CollectorExporter = "otlp_http"
	OTLPByJSON CollectorExporter = "otlp_http, encoding: json"
)

const (
	collectorWorkers   = 10
	collectorQueue     = 1000
	collectorRetryFrom = 5 * time.Second
	collectorRetryTo   = 30 * time.Second
	collectorGiveUp    = 5 * time.Minute
)

// CollectorOptions say how a collector behaves. A zero value stands for what was measured.
type CollectorOptions struct {
	Exporter CollectorExporter // OTLPByGRPC by default
	// To is where the collector sends: host:port for gRPC, a URL for HTTP.
	To string
	// TLS is that of the collector's own connections; nil for plain text.
	TLS *tls.Config
	// Lateness is by how much, at most, one worker overtakes another.
	Lateness time.Duration
	// RetryFrom is the first wait before a request is sent again, 5 s by default.
	RetryFrom time.Duration
}

// Collector is a collector of OpenTelemetry between agents and a receiver: what it takes leaves it by ten workers,
// which overtake one another, with an empty resource and an empty scope.
type Collector struct {
	options CollectorOptions
	queue   chan *metricsv1.MetricsData
	client  *http.Client
	conn    *grpc.ClientConn

	taken, delivered, lost, retries atomic.Uint64
}

// NewCollector makes a collector. It opens and starts nothing.
func NewCollector(options CollectorOptions) (*Collector, error) {
	if options.Exporter == "" {
		options.Exporter = OTLPByGRPC
	}
	if options.RetryFrom == 0 {
		options.RetryFrom = collectorRetryFrom
	}
	c := &Collector{options: options, queue: make(chan *metricsv1.MetricsData, collectorQueue)}
	if options.Exporter != OTLPByGRPC {
		c.client = &http.Client{Transport: &http.Transport{
			TLSClientConfig: options.TLS, MaxIdleConnsPerHost: collectorWorkers,
		}}
		return c, nil
	}
	security := insecure.NewCredentials()
	if options.TLS != nil {
		security = credentials.NewTLS(options.TLS)
	}
	var err error
	if c.conn, err = grpc.NewClient(options.To, grpc.WithTransportCredentials(security)); err != nil {
		return nil, fmt.Errorf("foundation: collector: %w", err)
	}
	return c, nil
}

// Counts returns the requests that were taken from agents, delivered and lost, and how often one was sent again.
func (c *Collector) Counts() (taken, delivered, lost, retries uint64) {
	return c.taken.Load(), c.delivered.Load(), c.lost.Load(), c.retries.Load()
}

// Take takes a request as an agent sends it, and waits while the queue is full.
func (c *Collector) Take(ctx context.Context, request *metricsv1.MetricsData) error {
	select {
	case c.queue <- request:
		c.taken.Add(1)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run takes requests of agents from a listener, with the TLS of Foundation.CollectorTLS, until ctx is done, and
// returns nil then.
func (c *Collector) Run(ctx context.Context, listener net.Listener, config *tls.Config) error {
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.WaitForHandlers(true))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: otlpService,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: c.export}},
	}, c)
	var running sync.WaitGroup
	for range collectorWorkers {
		running.Go(func() { c.work(ctx) })
	}
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	err := server.Serve(listener)
	running.Wait()
	if c.conn != nil {
		_ = c.conn.Close()
	} else {
		c.client.CloseIdleConnections()
	}
	if ctx.Err() != nil || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return fmt.Errorf("foundation: collector: %w", err)
}

//nolint:revive // the order of parameters is gRPC's
func (c *Collector) export(
	_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
) (any, error) {
	var request metricsv1.MetricsData
	if err := decode(&request); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, c.Take(ctx, &request)
}

// work sends what is in the queue until ctx is done.
func (c *Collector) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case request := <-c.queue:
			if c.options.Lateness > 0 && !sleep(ctx, rand.N(c.options.Lateness)) { //nolint:gosec // it simulates
				return
			}
			c.deliver(ctx, request)
		}
	}
}

// deliver sends a request, again and again for five minutes.
func (c *Collector) deliver(ctx context.Context, request *metricsv1.MetricsData) {
	began, wait := time.Now(), c.options.RetryFrom
	for {
		again, err := c.send(ctx, request)
		switch {
		case err == nil:
			c.delivered.Add(1)
			return
		case !again || time.Since(began) > collectorGiveUp:
			c.lost.Add(1)
			return
		}
		if !sleep(ctx, wait/2+rand.N(wait)) { //nolint:gosec // it spreads attempts, and guards nothing
			c.lost.Add(1)
			return
		}
		c.retries.Add(1)
		wait = min(wait*3/2, collectorRetryTo)
	}
}

// send sends a request once. again says that an error may pass.
func (c *Collector) send(ctx context.Context, request *metricsv1.MetricsData) (again bool, err error) {
	if c.conn != nil {
		err := c.conn.Invoke(ctx, otlpExport, request, &emptypb.Empty{}, grpc.UseCompressor(grpcgzip.Name))
		code := status.Code(err)
		return code == codes.Unavailable || code == codes.DeadlineExceeded, err
	}
	form, marshal := "application/x-protobuf", proto.Marshal
	if c.options.Exporter == OTLPByJSON {
		form, marshal = "application/json", protojson.MarshalOptions{UseEnumNumbers: true}.Marshal
	}
	body, err := marshal(request)
	if err != nil {
		return false, err
	}
	return c.post(ctx, form, body)
}

func (c *Collector) post(ctx context.Context, form string, body []byte) (again bool, err error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(body); err != nil {
		return false, err
	}
	if err := zip.Close(); err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.options.To+"/v1/metrics", &packed)
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", form)
	request.Header.Set("Content-Encoding", "gzip")
	answer, err := c.client.Do(request)
	if err != nil {
		return true, err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return true, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return false, nil
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("the receiver answers %s", answer.Status)
}
