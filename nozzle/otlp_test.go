package nozzle

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcstatus "google.golang.org/grpc/status"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/watch"
)

// TestOTLPByGRPC: metrics are taken, also compressed; what cannot be is refused point by point; traces and logs are
// ignored. The source is up while a client is connected.
func TestOTLPByGRPC(t *testing.T) {
	ca := newAuthority(t)
	r := runOTLP(t, OTLPOptions{TLSConfig: ca.server(t, otlpServerName)})
	if r.ledger.Ready() {
		t.Fatal("nobody is connected, and it is ready")
	}
	conn := dialOTLP(t, r.address, otlpClient(t, ca))
	metrics := collectormetrics.NewMetricsServiceClient(conn)
	for _, compressor := range []string{encoding.Identity, "gzip"} {
		answer, err := metrics.Export(t.Context(), otlpRequest(otlpGauge("a", 1), otlpDeltaGauge(), otlpGauge("b", 2)),
			grpc.UseCompressor(compressor))
		if err != nil {
			t.Fatal(err)
		}
		r.requireGauge(t, "a")
		r.requireGauge(t, "b")
		if p := answer.GetPartialSuccess(); p.GetRejectedDataPoints() != 1 || p.GetErrorMessage() != "delta_of_gauge: 1" {
			t.Errorf("%v", answer)
		}
	}
	if line := r.await(t, "a client connected"); line.attrs["client"] != "metron" || !r.ledger.Ready() {
		t.Fatalf("%+v", line)
	}
	if answer, err := metrics.Export(t.Context(), otlpRequest(otlpGauge("c", 1))); err != nil ||
		answer.GetPartialSuccess() != nil {
		t.Errorf("%v, %v", answer, err)
	}
	r.requireGauge(t, "c")
	_, err := collectortrace.NewTraceServiceClient(conn).Export(t.Context(), otlpTrace())
	if err != nil {
		t.Error(err)
	}
	if _, err := collectorlogs.NewLogsServiceClient(conn).Export(t.Context(), otlpLogRecords()); err != nil {
		t.Error(err)
	}
	err = conn.Invoke(t.Context(), "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
		rawMessage("<html>"), &discard{}, grpc.ForceCodecV2(rawCodec{}))
	if grpcstatus.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	r.await(t, "a client is gone")
	if r.ledger.Ready() {
		t.Error("the client is gone, and it is ready")
	}
	r.stop()
	requireMetrics(t, r.reg, `
# HELP loggregator_exporter_envelopes_total Envelopes by what became of them.
# TYPE loggregator_exporter_envelopes_total counter
loggregator_exporter_envelopes_total{outcome="converted",source="otlp"} 5
loggregator_exporter_envelopes_total{outcome="filtered",source="otlp"} 0
loggregator_exporter_envelopes_total{outcome="ignored",source="otlp"} 5
loggregator_exporter_envelopes_total{outcome="malformed",source="otlp"} 3
# HELP loggregator_exporter_otlp_points_refused_total Data points that cannot be taken, by why; their senders are told in the answer.
# TYPE loggregator_exporter_otlp_points_refused_total counter
loggregator_exporter_otlp_points_refused_total{reason="buckets"} 0
loggregator_exporter_otlp_points_refused_total{reason="counter_value"} 0
loggregator_exporter_otlp_points_refused_total{reason="delta_of_gauge"} 2
loggregator_exporter_otlp_points_refused_total{reason="malformed"} 0
loggregator_exporter_otlp_points_refused_total{reason="no_value"} 0
loggregator_exporter_otlp_points_refused_total{reason="quantile"} 0
loggregator_exporter_otlp_points_refused_total{reason="scale"} 0
loggregator_exporter_otlp_points_refused_total{reason="temporality"} 0
loggregator_exporter_otlp_points_refused_total{reason="too_many_buckets"} 0
`, metricPrefix+"envelopes_total", metricPrefix+"otlp_points_refused_total")
	requireTotals(t, r.reg, 13, "envelopes_received_total", "envelopes_total")
}

// discard takes an answer for rawCodec.
type discard struct{ otlpReceiver }

// TestOTLPWithoutClientCertificates: without a CA, TLS takes every client.
func TestOTLPWithoutClientCertificates(t *testing.T) {
	ca := newAuthority(t)
	files := ca.filesFor(t, t.TempDir(), otlpServerName)
	files.CAFile = ""
	r := runOTLP(t, OTLPOptions{TLS: files})
	config := otlpClient(t, ca)
	config.Certificates = nil
	client := collectormetrics.NewMetricsServiceClient(dialOTLP(t, r.address, config))
	if _, err := client.Export(t.Context(), otlpRequest(otlpGauge("a", 1))); err != nil {
		t.Fatal(err)
	}
	r.requireGauge(t, "a")
}

// TestOTLPOverload: with all places taken, requests are answered so that their senders send them again, and at once;
// the connection serves the next one.
func TestOTLPOverload(t *testing.T) {
	r := runOTLP(t, OTLPOptions{}, func(o *OTLP, _ *Env) { o.requests = make(chan struct{}, 1) })
	client := collectormetrics.NewMetricsServiceClient(dialOTLP(t, r.address, nil))
	r.source.requests <- struct{}{}
	if _, err := client.Export(t.Context(), otlpRequest(otlpGauge("a", 1))); grpcstatus.Code(err) != codes.Unavailable {
		t.Error(err)
	}
	answer, err := http.Post(r.url+"/v1/metrics", otlpProtobuf, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "1" {
		t.Errorf("%s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	if n := r.refusals(reasonOverload); n != 2 {
		t.Errorf("%d refused", n)
	}
	r.requireRemote(t, reasonOverload)
	<-r.source.requests
	if _, err := client.Export(t.Context(), otlpRequest(otlpGauge("a", 1))); err != nil {
		t.Error(err)
	}
	r.requireGauge(t, "a")
	http.DefaultClient.CloseIdleConnections()
}

// TestOTLPOversized: a request beyond the limit, packed or not, is not taken, with a reason; the next one is.
func TestOTLPOversized(t *testing.T) {
	r := runOTLP(t, OTLPOptions{})
	client := collectormetrics.NewMetricsServiceClient(dialOTLP(t, r.address, nil))
	big := otlpRequest(otlpGauge(strings.Repeat("a", 1<<20), 1))
	for _, compressor := range []string{encoding.Identity, "gzip"} {
		if _, err := client.Export(t.Context(), big, grpc.UseCompressor(compressor)); grpcstatus.Code(err) !=
			codes.ResourceExhausted {
			t.Errorf("%s: %v", compressor, err)
		}
	}
	// gRPC answers before it tells the source.
	until(t, "both are counted", func() bool { return r.refusals(watch.ReasonOversized) == 2 })
	r.requireRemote(t, watch.ReasonOversized)
	if _, err := client.Export(t.Context(), otlpRequest(otlpGauge("a", 1))); err != nil {
		t.Error(err)
	}
	r.requireGauge(t, "a")
}

// TestOTLPStalledRequest: a client that begins a request and sends nothing keeps its place for a limited time.
func TestOTLPStalledRequest(t *testing.T) {
	r := runOTLP(t, OTLPOptions{}, func(o *OTLP, _ *Env) { o.timeout = 50 * time.Millisecond })
	conn := dialOTLP(t, r.address, nil)
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&collectormetrics.ExportMetricsServiceResponse{}); grpcstatus.Code(err) !=
		codes.DeadlineExceeded {
		t.Error(err)
	}
	// By HTTP, its sender is asked to try again: 400 would make it give up what it has.
	raw, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	_, _ = io.WriteString(raw, "POST /v1/metrics HTTP/1.1\r\nHost: a\r\nContent-Type: "+otlpProtobuf+
		"\r\nContent-Length: 9\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(raw), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "1" {
		t.Errorf("%s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	until(t, "the place is free", func() bool { return len(r.source.requests) == 0 })
}

// TestOTLPPortFile: an agent finds the port and the protocol; a certificate without the collector's name is told of.
func TestOTLPPortFile(t *testing.T) {
	ca := newAuthority(t)
	path := filepath.Join(t.TempDir(), "ingress_port.yml")
	r := runOTLP(t, OTLPOptions{TLSConfig: ca.server(t, "exporter"), PortFile: path})
	want := "ingress: " + r.address[strings.LastIndexByte(r.address, ':')+1:] + "\nprotocol: otelcol\n"
	for range 2 {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Fatalf("%q, %v", text, err)
		}
		r.stop()
	}
	if line := r.await(t, "forwarder agents will refuse our certificate"); !strings.Contains(line.attrs["advice"],
		"nozzle.otlp.tls.cert_file needs the name otel-collector") {
		t.Errorf("%+v", line)
	}
	ledger, _ := newTestLedger(t)
	log, _ := newTestLog()
	source, err := newOTLP(OTLPOptions{
		ListenAddress: "127.0.0.1:0", TLSConfig: ca.server(t, otlpServerName), PortFile: filepath.Join(path, "x"),
	}, testEnv(ledger, nil, log))
	if err != nil {
		t.Fatal(err)
	}
	err = source.Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "nozzle.otlp.port_file: cannot write ") {
		t.Error(err)
	}
}

func TestOTLPAddressInUse(t *testing.T) {
	taken := runOTLP(t, OTLPOptions{})
	log, _ := newTestLog()
	for want, options := range map[string]OTLPOptions{
		"nozzle.otlp.listen_address: cannot listen on ": {ListenAddress: taken.address},
		"nozzle.otlp.http_listen_address: cannot listen on ": {
			ListenAddress: "127.0.0.1:0", HTTPListenAddress: taken.address,
		},
	} {
		ledger, _ := newTestLedger(t)
		source, err := newOTLP(options, testEnv(ledger, nil, log))
		if err != nil {
			t.Fatal(err)
		}
		if err := source.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want+taken.address) {
			t.Error(err)
		}
		if _, err := source.HTTPAddr(t.Context()); err == nil {
			t.Error("it has an address")
		}
	}
}

// TestOTLPRecorded: points are recorded as envelopes; what v2 has no form for is counted.
func TestOTLPRecorded(t *testing.T) {
	recorder := &memoryRecorder{source: nameOTLP}
	r := runOTLP(t, OTLPOptions{}, func(_ *OTLP, env *Env) { env.Recorder = recorder })
	client := collectormetrics.NewMetricsServiceClient(dialOTLP(t, r.address, nil))
	histogram := &metricsv1.Metric{Name: "h", Data: &metricsv1.Metric_Histogram{Histogram: &metricsv1.Histogram{
		AggregationTemporality: metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE,
		DataPoints:             []*metricsv1.HistogramDataPoint{{Count: 1}},
	}}}
	tagged := otlpGauge("b", 1)
	for i := range metric.MaxTags + 1 {
		attribute := &commonv1.KeyValue{Key: "k" + strconv.Itoa(i), Value: &commonv1.AnyValue{}}
		of := tagged.GetGauge().DataPoints[0]
		of.Attributes = append(of.Attributes, attribute)
	}
	request := otlpRequest(otlpGauge("a", 1), histogram, otlpDeltaGauge(), tagged)
	if _, err := client.Export(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	r.requireGauge(t, "a")
	receive(t, r.got)
	receive(t, r.got)
	r.stop()
	if len(recorder.batches) != 1 || recorder.leftOut != 3 || !bytes.Contains(recorder.batches[0], []byte("router__0")) {
		t.Errorf("%q, %d left out", recorder.batches, recorder.leftOut)
	}
}

// TestOTLPIntakeAllocatesNothing: a request costs nothing beyond what gRPC or HTTP make of it.
func TestOTLPIntakeAllocatesNothing(t *testing.T) {
	var metrics []*metricsv1.Metric
	for range 100 {
		metrics = append(metrics, otlpGauge("a", 1), otlpDeltaGauge())
	}
	request := marshal(t, otlpRequest(metrics...))
	ledger, _ := newTestLedger(t)
	sink := &nullSink{}
	in := NewIntake(ledger.Source(nameOTLP), sink)
	now := time.Unix(1, 0)
	if n := testing.AllocsPerRun(100, func() { in.OTLP(request, now) }); n != 0 || sink.envelopes != 101*100 {
		t.Errorf("%v allocations a request, %d envelopes", n, sink.envelopes)
	}
}
