package peers

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/foundation"
)

// raw hands messages through as bytes.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (raw) Unmarshal(mem.BufferSlice, any) error { return nil }
func (raw) Name() string                         { return "proto" }

// BenchmarkCollector takes what forwarder agents send by OTLP, gRPC without TLS, a hundred points a request, and offers
// a page: the exporter, and an OpenTelemetry Collector with its Prometheus exporter.
func BenchmarkCollector(b *testing.B) {
	requests := requestsOf(b)
	compare(b, "collector", func(b *testing.B) cost {
		b.Helper()
		page, to := free(b), free(b)
		p := start(b, page, build(b, "../..", "./cmd/exporter"), "run", "--web.listen_address", page,
			"--nozzle.otlp.enabled", "--nozzle.otlp.listen_address", to)
		return p.measure(b, `product="elastic-runtime"`, export(b, to, requests))
	}, func(b *testing.B) cost {
		b.Helper()
		page, to := free(b), free(b)
		p := start(b, page, build(b, ".", "./collector"), "--config", fmt.Sprintf(`yaml:{
			receivers: {otlp: {protocols: {grpc: {endpoint: %q}}}},
			exporters: {prometheus: {endpoint: %q}},
			service: {pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}}}`,
			to, page))
		return p.measure(b, `product="elastic-runtime"`, export(b, to, requests))
	})
}

// requestsOf is the workload of the benchmarks as forwarder agents send it.
func requestsOf(b *testing.B) [][]byte {
	b.Helper()
	w, err := foundation.NewWorkload(series, 1, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	batches, err := w.Batches()
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i, bytes := range batches {
		var batch loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(bytes, &batch); err != nil {
			b.Fatal(err)
		}
		if batches[i], err = foundation.OTLPRequest(batch.GetBatch(), rng); err != nil {
			b.Fatal(err)
		}
	}
	return batches
}

// export returns a function that sends all requests, one after the other.
func export(b *testing.B, to string, requests [][]byte) func() {
	b.Helper()
	conn, err := grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return func() {
		for _, request := range requests {
			err := conn.Invoke(b.Context(), "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", request, nil,
				grpc.ForceCodecV2(raw{}), grpc.WaitForReady(true))
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
