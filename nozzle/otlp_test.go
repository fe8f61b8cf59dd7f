package nozzle

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	logsv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/watch"
)

// runningOTLP is a source that listens.
type runningOTLP struct {
	source  *OTLP
	address string // of gRPC
	url     string // of HTTP
	ledger  *Ledger
	reg     *prometheus.Registry
	got     channelSink
	lines   chan logLine
	stop    func()
}

func runOTLP(t *testing.T, options OTLPOptions, prepare ...func(*OTLP, *Env)) *runningOTLP {
	t.Helper()
	r := &runningOTLP{got: make(channelSink, 1000)}
	r.ledger, r.reg = newTestLedger(t)
	log, lines := newTestLog()
	r.lines = lines
	if options.ListenAddress == "" {
		options.ListenAddress, options.HTTPListenAddress = "127.0.0.1:0", "127.0.0.1:0"
	}
	if options.MaxRequestBytes == 0 {
		options.MaxRequestBytes = 1 << 20
	}
	env := testEnv(r.ledger, func() Sink { return r.got }, log)
	source, err := newOTLP(options, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(source, env)
	}
	r.source = source
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	addr, err := source.Addr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	httpAddr, err := source.HTTPAddr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.address, r.url = addr.String(), "http://"+httpAddr.String()
	if source.clients.config != nil {
		r.url = "https://" + httpAddr.String()
	}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := receive(t, done); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// await returns the next log line with the message.
func (r *runningOTLP) await(t *testing.T, message string) logLine {
	t.Helper()
	for {
		if line := receive(t, r.lines); line.message == message {
			return line
		}
	}
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
	err = conn.Invoke(
		t.Context(),
		"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
		rawMessage("<html>"),
		&discard{},
		grpc.ForceCodecV2(rawCodec{}),
	)
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
	if received, outcomes := total(
		t,
		r.reg,
		"envelopes_received_total",
	), total(
		t,
		r.reg,
		"envelopes_total",
	); received != 13 ||
		outcomes != 13 {
		t.Errorf("%d received, %d outcomes", received, outcomes)
	}
}

// discard takes an answer for rawCodec.
type discard struct{ otlpReceiver }

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

// httpCall is a request by HTTP and what is expected of the answer.
type httpCall struct {
	method, path, form, encoding string
	body                         []byte

	code int
	want string // the answer, for JSON as text, for protobuf in Go's form of it
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

// TestOTLPByHTTP: both forms are taken, packed and not; each mistake has its code, and an answer in the form of the
// request.
func TestOTLPByHTTP(t *testing.T) {
	r := runOTLP(t, OTLPOptions{})
	request := otlpRequest(otlpGauge("a", 1), otlpDeltaGauge())
	binary := marshal(t, request)
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	good := marshal(t, otlpRequest(otlpGauge("a", 1)))
	const partial = `{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":"delta_of_gauge: 1"}}`
	metricsOf := func(form, encoding string, body []byte, code int, want string) httpCall {
		return httpCall{"POST", "/v1/metrics", form, encoding, body, code, want}
	}
	for _, c := range []httpCall{
		metricsOf(otlpProtobuf, "", binary, 200, `rejected_data_points:1 error_message:"delta_of_gauge: 1"`),
		metricsOf(otlpProtobuf, "gzip", zip(t, binary), 200, `rejected_data_points:1 error_message:"delta_of_gauge: 1"`),
		metricsOf(otlpProtobuf, "identity", good, 200, ``),
		metricsOf(otlpJSON, "", text, 200, partial),
		metricsOf(otlpJSON+"; charset=utf-8", "gzip", zip(t, text), 200, partial),
		metricsOf(otlpProtobuf, "", nil, 200, ``),
		metricsOf(otlpJSON, "", []byte("{}"), 200, `{}`),
		metricsOf(otlpProtobuf, "", []byte("<html>"), 400, `code:3 message:"the request is not one of OTLP"`),
		metricsOf(otlpProtobuf, "gzip", binary, 400, `code:3 message:"unpack the request: gzip: invalid header"`),
		metricsOf(otlpProtobuf, "gzip", zip(t, binary)[:40], 400, `code:3 message:"read the request: unexpected EOF"`),
		metricsOf(otlpJSON, "", []byte("{"), 400, `"code":3`),
		metricsOf(otlpProtobuf, "zstd", binary, 415, `code:3 message:"the request is in a form that is not supported: `+
			`Content-Encoding \"zstd\""`),
		metricsOf("text/plain", "", binary, 415, `Content-Type \"text/plain\"`),
		metricsOf(otlpProtobuf, "", make([]byte, 1<<20+1), 413, `code:8 message:"the request is longer than accepted"`),
		metricsOf(otlpProtobuf, "gzip", zip(t, make([]byte, 1<<20+1)), 413, `code:8`), // some 1 KB
		metricsOf(otlpJSON, "gzip", zip(t, bytes.Repeat([]byte(" "), 100<<20)), 413, `"code":8`),
		metricsOf(otlpJSON, "", []byte(`{"resourceMetrics":[{}`+strings.Repeat(",{}", 1<<16)+`]}`), 413, `too many objects`),
		{"POST", "/v1/traces", otlpJSON, "", []byte(`{"x":[{}` + strings.Repeat(",{}", 1<<16) + `]}`), 413, `"code":8`},
		{"GET", "/v1/metrics", otlpProtobuf, "", nil, 405, `code:12`},
		{"POST", "/v1/other", otlpProtobuf, "", nil, 404, ""},
		{"POST", "/v1/traces", otlpProtobuf, "", marshal(t, otlpTrace()), 200, ``},
		{"POST", "/v1/logs", otlpProtobuf, "", marshal(t, otlpLogRecords()), 200, ``},
		{"POST", "/v1/logs", otlpJSON, "", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`), 200, `{}`},
		{"POST", "/v1/logs", otlpJSON, "", []byte(`{`), 400, `"code":3`},
		{"POST", "/v1/traces", otlpProtobuf, "", []byte{0x0a, 0x05}, 400, `code:3`},
	} {
		c.try(t, r)
	}
	for range 5 {
		r.requireGauge(t, "a")
	}
	if len(r.got) > 0 || r.refusals(watch.ReasonOversized) != 5 || r.refusals(reasonEncoding) != 2 {
		t.Errorf("%d more envelopes, refused %d oversized, %d unsupported", len(r.got), r.refusals(watch.ReasonOversized),
			r.refusals(reasonEncoding))
	}
	r.stop()
	if received, outcomes := total(
		t,
		r.reg,
		"envelopes_received_total",
	), total(
		t,
		r.reg,
		"envelopes_total",
	); received != 21 ||
		outcomes != 21 {
		t.Errorf("%d received, %d outcomes", received, outcomes)
	}
}

func (c httpCall) try(t *testing.T, r *runningOTLP) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), c.method, r.url+c.path, bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", c.form)
	if c.encoding != "" {
		request.Header.Set("Content-Encoding", c.encoding)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, form := string(body), answer.Header.Get("Content-Type")
	switch {
	case c.code == 404:
		return
	case form == otlpProtobuf && c.code == 200:
		var m collectormetrics.ExportMetricsServiceResponse
		if err := proto.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		if m.GetPartialSuccess() != nil {
			got = plainText(m.GetPartialSuccess())
		}
	case form == otlpProtobuf:
		var m status.Status
		if err := proto.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		got = plainText(&m)
	case !strings.HasPrefix(c.form, otlpJSON):
		t.Errorf("%s %s is answered in %q", c.path, c.form, form)
	}
	if answer.StatusCode != c.code || !strings.Contains(got, c.want) || c.want == "" && got != "" {
		t.Errorf(
			"%s %s %s %q: got %d, %s, want %d, %s",
			c.method,
			c.path,
			c.form,
			c.encoding,
			answer.StatusCode,
			got,
			c.code,
			c.want,
		)
	}
}

// plainText is a message in text, with single spaces: protobuf varies them.
func plainText(m interface{ String() string }) string {
	return strings.Join(strings.Fields(m.String()), " ")
}

// TestOTLPByHTTPWithTLS: with a CA, only clients with a certificate of it are served, by HTTP as by gRPC.
func TestOTLPByHTTPWithTLS(t *testing.T) {
	ca := newAuthority(t)
	r := runOTLP(t, OTLPOptions{TLS: ca.filesFor(t, t.TempDir(), otlpServerName)})
	post := func(config *tls.Config) error {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		answer, err := client.Post(
			r.url+"/v1/metrics",
			otlpProtobuf,
			bytes.NewReader(marshal(t, otlpRequest(otlpGauge("a", 1)))),
		)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", answer.Status)
		}
		return nil
	}
	if err := post(otlpClient(t, ca)); err != nil {
		t.Fatal(err)
	}
	r.requireGauge(t, "a")
	without := otlpClient(t, ca)
	without.Certificates = nil
	if post(without) == nil {
		t.Error("a client without a certificate is served")
	}
	if line := r.await(t, "refused"); line.attrs["reason"] != reasonNoClientCertificate {
		t.Errorf("%+v", line)
	}
}

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
	if n := r.refusals(watch.ReasonOversized); n != 2 {
		t.Errorf("%d refused", n)
	}
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
	if err := source.Run(
		t.Context(),
	); err == nil ||
		!strings.HasPrefix(err.Error(), "nozzle.otlp.port_file: cannot write ") {
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
	recorder := &otlpRecorder{}
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
	if len(recorder.batches) != 1 || recorder.left != 3 || !bytes.Contains(recorder.batches[0], []byte("router__0")) {
		t.Errorf("%q, %d left out", recorder.batches, recorder.left)
	}
}

type otlpRecorder struct {
	batches [][]byte
	left    int
}

func (r *otlpRecorder) RecordV1(string, []byte, time.Time) {}

func (r *otlpRecorder) RecordV2(_ string, batch []byte, _ time.Time) {
	r.batches = append(r.batches, bytes.Clone(batch))
}

func (r *otlpRecorder) LeaveOut(n int) { r.left += n }

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
