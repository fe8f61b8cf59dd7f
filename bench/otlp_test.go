package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
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

// otlpRequests is the workload as forwarder agents send it by OTLP: so many metrics a request, a point each, with
// attributes in random order.
func otlpRequests(series, points int) ([][]byte, error) {
	batches, err := taggedBatches(series)
	if err != nil {
		return nil, err
	}
	batches = split(batches, points)
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
func sendOTLP(file string) error {
	p := newPacer(1)
	requests, err := otlpRequests(seriesToSend(), p.burst)
	if err != nil {
		return err
	}
	return sendByGRPC(file, func(ctx context.Context, conn *grpc.ClientConn) error {
		var size int
		for {
			for _, request := range requests {
				p.wait(p.burst)
				err := conn.Invoke(ctx, otlpTo, request, &size, grpc.ForceCodecV2(raw{}), grpc.WaitForReady(true))
				if err != nil {
					return nil //nolint:nilerr // the receiver has enough
				}
			}
		}
	})
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
	requests, err := otlpRequests(streamOf, batchSize)
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
	measureSender(b, to, otlpEnv, func(config *tls.Config) nozzle.Options {
		return nozzle.Options{OTLP: nozzle.OTLPOptions{
			Enabled: true, ListenAddress: "127.0.0.1:0", TLSConfig: config, MaxRequestBytes: 1 << 24,
		}}
	})
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
	measureServer(b, otlpEnv, pieces{}, func(stream grpc.ServerStream, next func()) error {
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		if err := take(request); err != nil {
			return err
		}
		next()
		return stream.SendMsg([]byte{})
	})
}
