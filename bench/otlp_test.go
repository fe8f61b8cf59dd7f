package bench

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/wire"
)

const (
	otlpEnv = "BENCH_OTLP_CERTIFICATE" // set in the process that plays the agent: its certificate's file
	otlpTo  = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
)

// otlpRequests is the workload as forwarder agents send it by OTLP: a hundred metrics a request, a point each, with
// attributes in random order.
func otlpRequests(series int) ([][]byte, error) {
	batches, err := taggedBatches(series)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i, wire := range batches {
		var batch loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(wire, &batch); err != nil {
			return nil, err
		}
		if batches[i], err = foundation.OTLPRequest(batch.GetBatch(), rng); err != nil {
			return nil, err
		}
	}
	return batches, nil
}

// sendOTLP plays a forwarder agent in a process of its own: it sends the workload in cycles, one request after the
// other, until the receiver goes away.
func sendOTLP(file, address string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	requests, err := otlpRequests(streamOf)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// The parent's end closes standard input.
	go func() { _, _ = bufio.NewReader(os.Stdin).ReadByte(); cancel() }()
	var size int
	for {
		for _, request := range requests {
			if err := conn.Invoke(ctx, otlpTo, request, &size, grpc.ForceCodecV2(raw{})); err != nil {
				return nil // the receiver has enough
			}
		}
	}
}

// BenchmarkOTLP takes the workload by OTLP, gRPC with mutual TLS: the floor receives only, the second floor also walks
// the points, the stock ones unmarshal them with OpenTelemetry's own code, and the exporter takes everything into its
// store.
func BenchmarkOTLP(b *testing.B) {
	b.Run("floor=receive", func(b *testing.B) { otlpServer(b, func([]byte) error { return nil }) })
	b.Run("floor=walk", func(b *testing.B) { otlp(b, nil) })
	b.Run("stock=proto", func(b *testing.B) { otlpServer(b, unmarshalProto) })
	b.Run("stock=pdata", func(b *testing.B) { otlpServer(b, unmarshalPdata) })
	b.Run("exporter", func(b *testing.B) {
		s := newStore(b, streamOf)
		otlp(b, s.Writer())
		if got := s.Stats().Series; got != streamOf {
			b.Fatalf("%d series, want %d", got, streamOf)
		}
	})
}

// BenchmarkOTLPDecode decodes the workload's points without any network: by walking the bytes, and with
// OpenTelemetry's own code.
func BenchmarkOTLPDecode(b *testing.B) {
	requests, err := otlpRequests(streamOf)
	if err != nil {
		b.Fatal(err)
	}
	var d wire.OTLP
	var e metric.Envelope
	points := 0
	walk := func(request []byte) error {
		d.Request(request, &e, func(wire.Refusal) { points++ })
		return nil
	}
	for name, decode := range map[string]func([]byte) error{
		"walk": walk, "stock=proto": unmarshalProto, "stock=pdata": unmarshalPdata,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i += batchSize {
				if err := decode(requests[i/batchSize%len(requests)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	if points == 0 {
		b.Fatal("nothing was walked")
	}
}

// unmarshalProto unmarshals a request with the types of go.opentelemetry.io/proto/otlp, and looks at each point.
func unmarshalProto(request []byte) error {
	var m metricsv1.MetricsData
	if err := proto.Unmarshal(request, &m); err != nil {
		return err
	}
	n := 0
	for _, r := range m.GetResourceMetrics() {
		for _, s := range r.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				n += len(m.GetGauge().GetDataPoints()) + len(m.GetSum().GetDataPoints())
			}
		}
	}
	if n != batchSize {
		return errors.New("points are missing")
	}
	return nil
}

// unmarshalPdata unmarshals a request with the types that the collector's receivers use.
func unmarshalPdata(request []byte) error {
	r := pmetricotlp.NewExportRequest()
	if err := r.UnmarshalProto(request); err != nil {
		return err
	}
	if r.Metrics().DataPointCount() != batchSize {
		return errors.New("points are missing")
	}
	return nil
}

func otlp(b *testing.B, to nozzle.Sink) {
	b.Helper()
	file := writeCertificate(b)
	config, err := tlsConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	m := &meter{b: b, to: to, until: measureFrom + b.N, stop: cancel}
	source := newSource(b, nozzle.Options{OTLP: nozzle.OTLPOptions{
		Enabled: true, ListenAddress: "127.0.0.1:0", TLSConfig: config, MaxRequestBytes: 1 << 24,
	}}, newEnv(b, func() nozzle.Sink { return m }))
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	address, err := source.(nozzle.Listener).Addr(ctx)
	if err != nil {
		b.Fatal(err)
	}
	startSender(b, otlpEnv, file, address.String())
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	report(b, m.took)
}

// pieces is raw for requests whose bytes are wanted in one piece, as a codec that unmarshals needs them.
type pieces struct{ raw }

func (pieces) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// otlpServer is a server that hands each request to a function.
func otlpServer(b *testing.B, take func([]byte) error) {
	b.Helper()
	file := writeCertificate(b)
	config, err := tlsConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	took := make(chan time.Duration, 1)
	var began time.Duration
	n := 0
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(pieces{}), grpc.MaxRecvMsgSize(16<<20),
		grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(1<<20),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			var request []byte
			if err := stream.RecvMsg(&request); err != nil {
				return err
			}
			if err := take(request); err != nil {
				return err
			}
			switch n += batchSize; {
			case n == measureFrom:
				began = cpu(b)
			case n >= measureFrom+b.N && began > 0:
				took <- cpu(b) - began
				began = 0
			}
			return stream.SendMsg([]byte{})
		}),
	)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	startSender(b, otlpEnv, file, listener.Addr().String())
	report(b, <-took)
	server.Stop()
	if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		b.Fatal(err)
	}
}
