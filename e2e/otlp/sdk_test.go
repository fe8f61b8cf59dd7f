package otlp

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/credentials"
)

// deltas lets an SDK send what it counted since it sent last, for all that only grows.
func deltas(kind sdkmetric.InstrumentKind) metricdata.Temporality {
	switch kind {
	case sdkmetric.InstrumentKindUpDownCounter, sdkmetric.InstrumentKindObservableUpDownCounter:
		return metricdata.CumulativeTemporality
	default:
		return metricdata.DeltaTemporality
	}
}

// TestSDK: what the Go SDK measures and sends by its own exporters, gRPC and HTTP, packed and not, cumulative and by
// deltas, is on the page, and the same in each way.
func TestSDK(t *testing.T) {
	for name, exporter := range map[string]func(*receiver) (sdkmetric.Exporter, error){
		"grpc": func(r *receiver) (sdkmetric.Exporter, error) {
			return otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpoint(r.grpc),
				otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(r.tls)))
		},
		"grpc, gzip, deltas": func(r *receiver) (sdkmetric.Exporter, error) {
			return otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpoint(r.grpc), otlpmetricgrpc.WithCompressor("gzip"),
				otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(r.tls)), otlpmetricgrpc.WithTemporalitySelector(deltas))
		},
		"http": func(r *receiver) (sdkmetric.Exporter, error) {
			return otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(r.http),
				otlpmetrichttp.WithTLSClientConfig(r.tls))
		},
		"http, gzip, deltas": func(r *receiver) (sdkmetric.Exporter, error) {
			return otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(r.http),
				otlpmetrichttp.WithTLSClientConfig(r.tls), otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression),
				otlpmetrichttp.WithTemporalitySelector(deltas))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := startReceiver(t)
			e, err := exporter(r)
			if err != nil {
				t.Fatal(err)
			}
			measure(t, e)
			const (
				identity = `component="web/shop",instance_id="shop-7",otel_scope_name="com.example/shop",` +
					`otel_scope_version="1.2.3",source_id="web/shop"`
				item = `component="web/shop",instance_id="shop-7",level="3",otel_scope_name="com.example/shop",` +
					`otel_scope_version="1.2.3",source_id="web/shop",vip="true"`
				tier  = identity + `,tier="gold"`
				trace = `span_id="0102030405060708",trace_id="0102030405060708090a0b0c0d0e0f10"`
			)
			r.requirePage(t,
				`counter cf_cpu_time_seconds_total{`+identity+`} 2.75 started`,
				`counter cf_orders_total{`+tier+`} 7 started`,
				`gauge cf_cart_items{`+item+`} 4`,
				`gauge cf_open_carts{`+identity+`} -1`,
				`histogram cf_payload_bytes{`+identity+`} count 6 sum 35 schema 1 zero 2 2+8 [1 -1 1 -1 0 1 -1 1] started`,
				`histogram cf_queue_wait_seconds{`+identity+`} count 4 sum 5.8 0.1:1 1:3(0.25 `+trace+`) started`,
			)
		})
	}
}

// measure measures with instruments of each kind, in two rounds.
func measure(t *testing.T, exporter sdkmetric.Exporter) {
	t.Helper()
	exponential := sdkmetric.NewView(sdkmetric.Instrument{Name: "payload"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 20, MaxScale: 1}})
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(time.Hour))),
		sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"),
			attribute.String("service.namespace", "web"), attribute.String("service.instance.id", "shop-7"),
			attribute.String("host.name", "not a label"))),
		sdkmetric.WithView(exponential),
	)
	defer func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	meter := provider.Meter("com.example/shop", metric.WithInstrumentationVersion("1.2.3"))
	orders, err1 := meter.Int64Counter("orders", metric.WithUnit("{order}"))
	cpu, err2 := meter.Float64Counter("cpu.time", metric.WithUnit("s"))
	open, err3 := meter.Int64UpDownCounter("open.carts")
	items, err4 := meter.Float64Gauge("cart.items", metric.WithUnit("{item}"))
	wait, err5 := meter.Float64Histogram(
		"queue.wait",
		metric.WithUnit("ms"),
		metric.WithExplicitBucketBoundaries(100, 1000),
	)
	payload, err6 := meter.Float64Histogram("payload", metric.WithUnit("By"))
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sampled := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		SpanID:     trace.SpanID{1, 2, 3, 4, 5, 6, 7, 8},
		TraceFlags: trace.FlagsSampled,
	}))
	tier := metric.WithAttributes(attribute.String("tier", "gold"))
	for round := range 2 {
		orders.Add(t.Context(), int64(5-3*round), tier) // 5, 2
		cpu.Add(t.Context(), 1.5-0.25*float64(round))   // 1.5, 1.25
		open.Add(t.Context(), int64(1-3*round))         // 1, -2
		items.Record(
			t.Context(),
			float64(3+round),
			metric.WithAttributes(attribute.Bool("vip", true), attribute.Int("level", 3)),
		)
		if round == 0 {
			wait.Record(t.Context(), 50)
			wait.Record(t.Context(), 500)
			payload.Record(t.Context(), 0)
			payload.Record(t.Context(), 1.5)
			payload.Record(t.Context(), 3)
		} else {
			wait.Record(sampled, 250)
			wait.Record(t.Context(), 5000)
			payload.Record(t.Context(), 0)
			payload.Record(t.Context(), 10)
			payload.Record(t.Context(), 20.5)
		}
		if err := provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
