package nozzle

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"strings"
	"testing"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	logsv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/internal/wiretest"
)

// runningOTLP is a source that listens.
type runningOTLP struct {
	listener // its address is that of gRPC

	source *OTLP
	url    string // of HTTP
}

func runOTLP(t *testing.T, options OTLPOptions, prepare ...func(*OTLP, *Env)) *runningOTLP {
	t.Helper()
	l, env := newListener(t)
	if options.ListenAddress == "" {
		options.ListenAddress, options.HTTPListenAddress = "127.0.0.1:0", "127.0.0.1:0"
	}
	if options.MaxRequestBytes == 0 {
		options.MaxRequestBytes = 1 << 20
	}
	source, err := newOTLP(options, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(source, env)
	}
	r := &runningOTLP{listener: l, source: source}
	r.stop = run(t, source.Run)
	r.address = listening(t, source.Addr)
	r.url = "http://" + listening(t, source.HTTPAddr)
	if source.clients.config != nil {
		r.url = "https" + strings.TrimPrefix(r.url, "http")
	}
	return r
}

func dialOTLP(tb testing.TB, address string, config *tls.Config) *grpc.ClientConn {
	tb.Helper()
	security := insecure.NewCredentials()
	if config != nil {
		security = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(security))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// otlpClient is what a forwarder agent shows and demands.
func otlpClient(tb testing.TB, ca *authority) *tls.Config {
	tb.Helper()
	config := metronClient(tb, ca)
	config.ServerName = otlpServerName
	return config
}

func otlpGauge(name string, value float64) *metricsv1.Metric {
	return &metricsv1.Metric{Name: name, Unit: "count", Data: &metricsv1.Metric_Gauge{Gauge: &metricsv1.Gauge{
		DataPoints: []*metricsv1.NumberDataPoint{{
			TimeUnixNano: 1795000000123456789, Value: &metricsv1.NumberDataPoint_AsDouble{AsDouble: value},
			Attributes: []*commonv1.KeyValue{
				{Key: "source_id", Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: "router__0"}}},
			},
		}},
	}}}
}

// otlpDeltaGauge cannot be taken.
func otlpDeltaGauge() *metricsv1.Metric {
	sum := &metricsv1.Sum{
		AggregationTemporality: metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA,
		DataPoints:             otlpGauge("", 1).GetGauge().DataPoints,
	}
	return &metricsv1.Metric{Name: "refused", Data: &metricsv1.Metric_Sum{Sum: sum}}
}

func otlpRequest(m ...*metricsv1.Metric) *collectormetrics.ExportMetricsServiceRequest {
	return &collectormetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricsv1.ResourceMetrics{{
		ScopeMetrics: []*metricsv1.ScopeMetrics{{Metrics: m}},
	}}}
}

// requireGauge takes the next envelope, which is otlpGauge's.
func (r *runningOTLP) requireGauge(t *testing.T, name string) {
	t.Helper()
	p := receive(t, r.got)
	if p.SourceID != "router__0" || len(p.Points) != 1 || p.Points[name] == (wiretest.PlainPoint{}) {
		t.Fatalf("want %s: %+v", name, p)
	}
}

// requireRemote waits until the log tells whose request was refused.
func (r *runningOTLP) requireRemote(t *testing.T, reason string) {
	t.Helper()
	if line := r.await(t, "refused"); line.attrs["reason"] != reason || line.attrs["remote"] == "" {
		t.Errorf("%v", line.attrs)
	}
}

func (r *runningOTLP) refusals(reason string) uint64 {
	account := r.ledger.Source(nameOTLP)
	return account.refusals.snapshot()[reason]
}

func otlpTrace() *collectortrace.ExportTraceServiceRequest {
	return &collectortrace.ExportTraceServiceRequest{ResourceSpans: []*tracev1.ResourceSpans{{
		ScopeSpans: []*tracev1.ScopeSpans{{Spans: []*tracev1.Span{{Name: "one"}, {Name: "two"}}}},
	}}}
}

func otlpLogRecords() *collectorlogs.ExportLogsServiceRequest {
	return &collectorlogs.ExportLogsServiceRequest{ResourceLogs: []*logsv1.ResourceLogs{{
		ScopeLogs: []*logsv1.ScopeLogs{{LogRecords: []*logsv1.LogRecord{{}, {}, {}}}},
	}}}
}

func zip(tb testing.TB, body []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
