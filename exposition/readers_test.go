package exposition

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// largeContent renders to more bytes than VictoriaMetrics reads, in few samples.
func largeContent(bytes int) content {
	const size = 1 << 20
	samples := make([]store.Sample, bytes/size+1)
	for i := range samples {
		samples[i].Labels = labels("i", string(rune('a'+i)), "v", strings.Repeat("v", size))
	}
	return content{gauge("cf_large", samples...)}
}

// TestOversizedPageIsLogged: once, and only for readers that are known to refuse it.
func TestOversizedPageIsLogged(t *testing.T) {
	const want = `level=WARN msg="VictoriaMetrics discards a page of this size unless it is told otherwise" ` +
		`remote=192.0.2.1:1234 ` +
		`user_agent=vm_promscrape page_bytes=17826230 default_limit_bytes=16777216 ` +
		`advice="set max_scrape_size in its scrape configuration, or its flag -promscrape.maxScrapeSize"` + "\n"
	for _, tc := range []struct {
		name, userAgent string
		bytes           int
		want            string
	}{
		{"VictoriaMetrics", "vm_promscrape", victoriaMetricsBytes, want},
		{
			"vmagent behind a proxy", "vmagent/v1.151.0 (proxy)", victoriaMetricsBytes,
			strings.Replace(want, "vm_promscrape", `"vmagent/v1.151.0 (proxy)"`, 1),
		},
		{"VictoriaMetrics, a page that fits", "vm_promscrape", victoriaMetricsBytes - 2<<20, ""},
		{"Prometheus", "Prometheus/3.15.0", victoriaMetricsBytes, ""},
		{"no name", "", victoriaMetricsBytes, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log,
				&slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey {
						return slog.Attr{}
					}
					return a
				}}))
			h := newTestHandler(largeContent(tc.bytes), prometheus.NewRegistry(), Options{Logger: logger})
			for range 2 {
				scrape(t, h, http.MethodGet, "User-Agent", tc.userAgent)
			}
			if diff := cmp.Diff(tc.want, log.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// limited stops reading as VictoriaMetrics does, by closing the connection.
type limited struct {
	http.ResponseWriter
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, http.ErrHandlerTimeout
	}
	return len(b), nil
}

// TestOversizedPageThatIsNotReadIsLogged: the reader that refuses a page reads just as much of it as it accepts.
func TestOversizedPageThatIsNotReadIsLogged(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	h := newTestHandler(largeContent(victoriaMetricsBytes), prometheus.NewRegistry(), Options{Logger: logger})
	r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	r.Header.Set("User-Agent", "vm_promscrape")
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(&limited{httptest.NewRecorder(), victoriaMetricsBytes + 1}, r)
	}()
	if n := strings.Count(log.String(), "VictoriaMetrics discards"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}

// TestControlCharactersAreEscaped: what an emitter puts into names and tags reaches every format as the same text, in
// which no control character is left, and every reader gets the same labels.
func TestControlCharactersAreEscaped(t *testing.T) {
	s := newStore(t)
	now := time.Now().UnixNano()
	e := &metric.Envelope{
		Kind: metric.KindGauge, Timestamp: now, Arrived: now,
		Tags:   []metric.Tag{{Key: []byte("deployment"), Value: []byte("a\x1b[31m\r\u0085\u202eb\\x1b\n\"")}},
		Points: []metric.Point{{Name: []byte("stack\x1b[0mDepth"), Value: 1}},
	}
	var tally metric.Tally
	s.Writer().Write(e, &tally)
	families := s.Families()
	if tally[metric.Stored] != 1 || len(families) != 1 {
		t.Fatalf("%v, %d families", tally, len(families))
	}
	const (
		value = `a\x1b[31m\r\u0085\u202eb\x1b` + "\n\""
		line  = `cf_stack_0m_depth{bosh_deployment="a\\x1b[31m\\r\\u0085\\u202eb\\x1b\n\""} 1` + "\n"
		help  = `Cloud Foundry metric stack\x1b[0mDepth.`
	)
	page := func(format expfmt.Format) string {
		var b bytes.Buffer
		if err := Write(&b, format, families, new(store.Reader)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := "# HELP cf_stack_0m_depth " + strings.ReplaceAll(help, `\`, `\\`) + "\n# TYPE cf_stack_0m_depth gauge\n" +
		line
	if diff := cmp.Diff(text, page(expfmt.FmtText)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(text+"# EOF\n", page(expfmt.FmtOpenMetrics_1_0_0)); diff != "" {
		t.Errorf("OpenMetrics (-want +got):\n%s", diff)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	parsed, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	decoded := decodeProtobuf(t, page(expfmt.FmtProtoDelim))
	decoded = append(decoded, parsed["cf_stack_0m_depth"])
	for i, mf := range decoded {
		if got := mf.GetMetric()[0].GetLabel()[0].GetValue(); got != value || mf.GetHelp() != help {
			t.Errorf("reader %d: value %q, help %q", i, got, mf.GetHelp())
		}
	}
}
