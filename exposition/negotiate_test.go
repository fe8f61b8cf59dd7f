package exposition

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // the peer's own
	"github.com/prometheus/common/expfmt"
)

// prometheus3 is what Prometheus 3 sends by default.
const prometheus3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6," +
	"application/openmetrics-text;version=0.0.1;q=0.5," +
	"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"

// nativeHistograms is what Prometheus 3.15 sends with scrape_native_histograms: protobuf without an escaping scheme.
const nativeHistograms = protobufFamily + ";q=0.7," + prometheus3

// protobufFirst asks for protobuf with UTF-8 names.
const protobufFirst = protobufFamily + ";escaping=allow-utf-8;q=0.7," + prometheus3

const protobufFamily = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

func TestNegotiateAsClientGolangDoes(t *testing.T) {
	const (
		om1   = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping="
		om0   = "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping="
		proto = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping="
		text0 = "text/plain; version=0.0.4; charset=utf-8; escaping="
		text1 = "text/plain; version=1.0.0; charset=utf-8; escaping="
	)
	for _, tc := range []struct {
		accept, want string
		client       string // where client_golang's answer differs
	}{
		{"", text0 + "underscores", ""},
		{"*/*", text0 + "underscores", ""},
		{"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", text0 + "underscores", ""},
		{"text/plain", text0 + "underscores", ""},
		{"text/plain;version=0.0.4", text0 + "underscores", ""},
		{"text/plain;version=9", text0 + "underscores", ""},
		{"text/plain;version=0.0.4;escaping=dots", text0 + "dots", ""},
		{"text/plain;version=0.0.4;escaping=nonsense", text0 + "underscores", ""},
		{"application/openmetrics-text", om0 + "underscores", ""},
		{"application/openmetrics-text;version=1.0.0", om1 + "underscores", ""},
		{"application/openmetrics-text;version=1.0.0;escaping=values", om1 + "values", ""},
		{"application/openmetrics-text;version=2.0.0,text/plain;q=0.5", text0 + "underscores", ""},
		{"application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.5", text0 + "underscores", ""},
		{prometheus3, om1 + "allow-utf-8", ""},
		{nativeHistograms, proto + "underscores", ""},
		{protobufFirst, proto + "allow-utf-8", ""},
		{protobufFamily + ";q=0.1," + prometheus3, om1 + "allow-utf-8", ""},
		{protobufFamily + ";q=0.7,text/plain;version=0.0.4;q=0.3", proto + "underscores", ""},
		{protobufFamily + ",application/openmetrics-text;version=1.0.0", proto + "underscores", ""},
		{"application/vnd.google.protobuf;encoding=delimited,text/plain;q=0.3", text0 + "underscores", ""},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", text0 + "underscores", ""},
		{"application/json", text0 + "underscores", ""},
		{"garbage;;;q=x,,", text0 + "underscores", ""},
		{"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.5", text1 + "allow-utf-8", text0 + "allow-utf-8"},
		{"text/plain;version=1.0.0", text1 + "underscores", text0 + "underscores"},
	} {
		h := http.Header{"Accept": {tc.accept}}
		if got := string(Negotiate(h)); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.accept, got, tc.want)
		}
		client := expfmt.NegotiateAccept(h, expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtProtoDelim,
			expfmt.FmtText)
		want := tc.want
		if tc.client != "" {
			want = tc.client
		}
		if string(client) != want {
			t.Errorf("%q: client_golang answers %q, not %q", tc.accept, client, want)
		}
	}
}

func TestNegotiateEncoding(t *testing.T) {
	client := promhttp.HandlerFor(prometheus.NewRegistry(), promhttp.HandlerOpts{})
	for _, tc := range []struct {
		accept, want string
		differs      bool // from client_golang
	}{
		{"", identity, false},
		{"gzip", "gzip", false},
		{"gzip, deflate, br, zstd", "gzip", false},
		{"deflate, br", identity, false},
		{"gzip;q=0", identity, false},
		{"gzip;q=0.5, identity;q=1", identity, false},
		{"gzip;q=1, identity;q=0.5", "gzip", false},
		{"gzip, identity", identity, false},
		{"zstd", "zstd", false},
		{"zstd, gzip", "gzip", false},
		{"gzip;q=0.5, zstd", "zstd", false},
		{"zstd;q=0.5, gzip;q=0.4, identity;q=0.1", "zstd", false},
		{"zstd;q=0, gzip", "gzip", false},
		{"gzip;q=1.0, zstd;q=0.9, identity; q=0.5, *;q=0", "gzip", false},
		{"br;q=1.0, zstd;q=0.8", "zstd", false},
		{"*", identity, false},
		{"*;q=0", identity, false},
		{"gzip ; q=0.1", "gzip", false},
		{"identity;q=0, *;q=0.5", "gzip", true}, // client_golang takes * for identity, which was refused
		{"GZIP", "gzip", true},                  // RFC 9110: the names have no case
		{"gzip;q=nonsense", identity, false},
		{"gzip;q=NaN", identity, false},
		{"gzip;q=-1", identity, false},
		{";;,,=", identity, false},
	} {
		h := http.Header{"Accept-Encoding": {tc.accept}}
		offers := encodings()
		if got := offers[negotiateEncoding(h, offers)].name; got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.accept, got, tc.want)
		}
		r, w := httptest.NewRequest(http.MethodGet, "/", http.NoBody), httptest.NewRecorder()
		r.Header = h
		client.ServeHTTP(w, r)
		got := w.Header().Get("Content-Encoding")
		if got == "" {
			got = identity
		}
		if same := got == tc.want; same == tc.differs {
			t.Errorf("%q: client_golang answers %s", tc.accept, got)
		}
	}
	h := http.Header{"Accept-Encoding": {"deflate", "gzip"}}
	offers := encodings()
	if got := offers[negotiateEncoding(h, offers)].name; got != "gzip" {
		t.Errorf("in two lines: got %s", got)
	}
}
