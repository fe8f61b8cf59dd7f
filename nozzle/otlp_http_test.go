package nozzle

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/nozzle/watch"
)

// httpCall is a request by HTTP and what is expected of the answer.
type httpCall struct {
	method, path, form, encoding string
	body                         []byte

	code int
	want string // the answer, for JSON as text, for protobuf in Go's form of it
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
	requireTotals(t, r.reg, 21, "envelopes_received_total", "envelopes_total")
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
	// A server that does not want the body closes the connection, which may overtake its answer while the body is sent.
	request.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Hour}}
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
		t.Errorf("%s %s %s %q: got %d, %s, want %d, %s", c.method, c.path, c.form, c.encoding, answer.StatusCode, got,
			c.code, c.want)
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
		request := bytes.NewReader(marshal(t, otlpRequest(otlpGauge("a", 1))))
		answer, err := client.Post(r.url+"/v1/metrics", otlpProtobuf, request)
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
