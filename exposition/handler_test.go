package exposition

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/store"
)

// own is a registry with one metric of the exporter's own.
func own() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "loggregator_exporter_series", Help: "Series."})
	g.Set(7)
	reg.MustRegister(g)
	return reg
}

func newTestHandler(c content, g prometheus.Gatherer, o Options) *handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return newHandler(c.families, c.reader, g, o)
}

// scrape asks a handler and returns its answer with the whole body.
func scrape(t *testing.T, h http.Handler, method string, header ...string) (*http.Response, string) {
	t.Helper()
	r, w := httptest.NewRequest(method, "/metrics", http.NoBody), httptest.NewRecorder()
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

const textPage = `# HELP cf_a A gauge.
# TYPE cf_a gauge
cf_a{x="1"} 1
# HELP loggregator_exporter_series Series.
# TYPE loggregator_exporter_series gauge
loggregator_exporter_series 7
`

var small = content{gauge("cf_a", store.Sample{Labels: `x="1"`, Value: 1})}

func TestHandlerAddsOwnMetrics(t *testing.T) {
	h := newTestHandler(small, own(), Options{})
	const openMetricsPage = `# HELP cf_a A gauge.
# TYPE cf_a gauge
cf_a{x="1"} 1
# HELP loggregator_exporter_series Series.
# TYPE loggregator_exporter_series gauge
loggregator_exporter_series 7.0
# EOF
`
	for _, tc := range []struct{ accept, contentType, body string }{
		{"", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", textPage},
		{
			"text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
			textPage,
		},
		{prometheus3, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8", openMetricsPage},
		{
			"application/openmetrics-text", "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores",
			openMetricsPage,
		},
	} {
		resp, body := scrape(t, h, http.MethodGet, "Accept", tc.accept)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != tc.contentType {
			t.Errorf("%q: %s, %s", tc.accept, resp.Status, resp.Header.Get("Content-Type"))
		}
		if diff := cmp.Diff(tc.body, body); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.accept, diff)
		}
		if diff := cmp.Diff([]string{"Accept", "Accept-Encoding"}, resp.Header.Values("Vary")); diff != "" {
			t.Error(diff)
		}
	}
}

// inflaters read what the encodings write. They are others' where there are any.
var inflaters = map[string]func(io.Reader) (io.Reader, error){
	"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	"zstd": func(r io.Reader) (io.Reader, error) {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
	},
}

func TestHandlerCompresses(t *testing.T) {
	h := newTestHandler(small, own(), Options{})
	for name, inflate := range inflaters {
		for range 3 { // the second and third use what the first left in the pools
			resp, body := scrape(t, h, http.MethodGet, "Accept-Encoding", name)
			if got := resp.Header.Get("Content-Encoding"); got != name {
				t.Fatalf("%s: Content-Encoding %q", name, got)
			}
			z, err := inflate(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(textPage, string(plain)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	resp, body := scrape(t, h, http.MethodGet, "Accept-Encoding", "gzip;q=0")
	if resp.Header.Get("Content-Encoding") != "" || body != textPage {
		t.Errorf("gzip although it was refused: %q", resp.Header)
	}
}

func TestHandlerMethods(t *testing.T) {
	h := newTestHandler(small, own(), Options{})
	resp, body := scrape(t, h, http.MethodHead, "Accept-Encoding", "gzip")
	if resp.StatusCode != http.StatusOK || body != "" || resp.Header.Get("Content-Encoding") != "gzip" ||
		resp.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8; escaping=underscores" {
		t.Errorf("HEAD: %s %v %q", resp.Status, resp.Header, body)
	}
	resp, _ = scrape(t, h, http.MethodPost)
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
}

// broken gathers something and an error, and a family that expfmt cannot write.
type broken struct{ prometheus.Gatherer }

func (b broken) Gather() ([]*dto.MetricFamily, error) {
	mfs, err := b.Gatherer.Gather()
	if err != nil {
		return nil, err
	}
	empty := &dto.MetricFamily{
		Name: new("go_empty"), Help: new("Empty."), Type: dto.MetricType_GAUGE.Enum(),
		Metric: []*dto.Metric{{}},
	}
	return append([]*dto.MetricFamily{empty}, mfs...), errors.New("a collector failed")
}

func TestHandlerWritesWhatWasGathered(t *testing.T) {
	reg := prometheus.NewRegistry()
	var log bytes.Buffer
	h := newTestHandler(small, broken{own()}, Options{Registerer: reg, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	resp, body := scrape(t, h, http.MethodGet)
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	if diff := cmp.Diff(textPage, body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := testutil.ToFloat64(h.metrics.gatherErrors); got != 1 {
		t.Errorf("%v errors counted", got)
	}
	if !strings.Contains(log.String(), "a collector failed") {
		t.Errorf("log: %s", log.String())
	}
	const want = "# HELP loggregator_exporter_scrapes_total Scrapes by outcome: complete, aborted (the client " +
		"disconnected or stalled), refused (too many at once), invalid (malformed selector).\n" +
		`# TYPE loggregator_exporter_scrapes_total counter
loggregator_exporter_scrapes_total{outcome="aborted"} 0
loggregator_exporter_scrapes_total{outcome="complete"} 1
loggregator_exporter_scrapes_total{outcome="invalid"} 0
loggregator_exporter_scrapes_total{outcome="refused"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "loggregator_exporter_scrapes_total"); err != nil {
		t.Error(err)
	}
}

func TestHandlerOmitsWhatRepeatsOwnMetrics(t *testing.T) {
	var log bytes.Buffer
	c := append(content{gauge("loggregator.exporter.series", one(1))}, small...)
	h := newTestHandler(c, own(), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 2 {
		if _, body := scrape(t, h, http.MethodGet); body != textPage {
			t.Errorf("got:\n%s", body)
		}
	}
	if got := testutil.ToFloat64(h.metrics.omitted); got != 2 {
		t.Errorf("%v families counted, want 1 a scrape", got)
	}
	if got := strings.Count(log.String(), "family=loggregator.exporter.series"); got != 1 {
		t.Errorf("logged %d times, want once:\n%s", got, log.String())
	}
	_, body := scrape(t, h, http.MethodGet, "Accept", prometheus3)
	if !strings.Contains(body, "{\"loggregator.exporter.series\"} 1\n") {
		t.Errorf("left out although its own name was asked for:\n%s", body)
	}
}

// gate is a Gatherer that waits, so that a scrape is under way for as long as a test likes.
type gate struct {
	entered, leave chan struct{}
}

func (g gate) Gather() ([]*dto.MetricFamily, error) {
	g.entered <- struct{}{}
	<-g.leave
	return nil, nil
}

func TestHandlerBoundsScrapes(t *testing.T) {
	g := gate{make(chan struct{}), make(chan struct{})}
	h := newTestHandler(small, g, Options{MaxScrapes: 1})
	done := make(chan string)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		done <- w.Body.String()
	}()
	<-g.entered
	resp, body := scrape(t, h, http.MethodGet)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" ||
		body != "Limit of concurrent scrapes reached (1), try again later.\n" {
		t.Errorf("%s: %q", resp.Status, body)
	}
	close(g.leave)
	if body := <-done; !strings.HasPrefix(body, "# HELP cf_a") {
		t.Errorf("the scrape under way got %q", body)
	}
	go func() { <-g.entered }()
	if resp, _ := scrape(t, h, http.MethodGet); resp.StatusCode != http.StatusOK {
		t.Errorf("after it: %s", resp.Status)
	}
	if got := testutil.ToFloat64(h.metrics.scrapes.WithLabelValues(outcomeRefused)); got != 1 {
		t.Errorf("%v refused", got)
	}
}

// endless is a reader whose family never ends: only an error can end its scrape.
type endless struct{ samples []store.Sample }

func newEndless() Reader {
	return &endless{[]store.Sample{{Labels: `x="` + metricText + `"`, Value: 1}}}
}

const metricText = "0123456789012345678901234567890123456789"

func (e *endless) Reset(*store.Family)  {}
func (e *endless) Next() []store.Sample { return e.samples }

// serveEndless starts a server whose pages have no end. Its answer is sent when a scrape is over.
func serveEndless(o Options) (h *handler, handled http.Handler, over chan any) {
	o.Logger = slog.New(slog.DiscardHandler)
	h = newHandler(small.families, newEndless, own(), o)
	over = make(chan any, 1)
	handled = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			over <- p
			if p != nil {
				panic(p)
			}
		}()
		h.ServeHTTP(w, r)
	})
	return h, handled, over
}

func TestAbortedClientEndsTheScrape(t *testing.T) {
	for _, encoding := range []string{identity, "gzip", "zstd"} {
		t.Run(encoding, func(t *testing.T) {
			h, handled, over := serveEndless(Options{})
			server := httptest.NewServer(handled)
			defer server.Close()
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", encoding)
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, resp.Body, 10); err != nil {
				t.Fatal(err)
			}
			cancel()
			if err := resp.Body.Close(); err != nil {
				t.Log(err)
			}
			if got := <-over; got != any(http.ErrAbortHandler) {
				t.Errorf("ended with %v", got)
			}
			if got := testutil.ToFloat64(h.metrics.scrapes.WithLabelValues(outcomeAborted)); got != 1 {
				t.Errorf("%v aborted", got)
			}
			if h.slots.free != h.options.MaxScrapes || len(h.slots.taken) != 0 {
				t.Error("its slot is still taken")
			}
		})
	}
}

// TestCancelledScrapeRendersNoFurther has a client that is known to be gone before any write could fail.
func TestCancelledScrapeRendersNoFurther(t *testing.T) {
	_, handled, over := serveEndless(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	func() {
		defer func() { _ = recover() }()
		handled.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody).WithContext(ctx))
	}()
	if got := <-over; got != any(http.ErrAbortHandler) || w.Body.Len() > 0 {
		t.Errorf("ended with %v after %d bytes", got, w.Body.Len())
	}
}

// TestCompressorsAreReused answers many pages of several formats at once, so that compressors go through the pools.
func TestCompressorsAreReused(t *testing.T) {
	c := foundation()[:2]
	h := newTestHandler(c, own(), Options{MaxScrapes: 16})
	for _, format := range []string{"text/plain", prometheus3, protobufFamily} {
		_, want := scrape(t, h, http.MethodGet, "Accept", format)
		var wg sync.WaitGroup
		for name, inflate := range inflaters {
			for range 2 {
				wg.Go(func() {
					for range 3 {
						resp, body := scrape(t, h, http.MethodGet, "Accept", format, "Accept-Encoding", name)
						r, err := inflate(strings.NewReader(body))
						if err != nil {
							t.Errorf("%s, %s: %v: %v", format, name, resp.Header, err)
							return
						}
						if got, err := io.ReadAll(r); err != nil || string(got) != want {
							t.Errorf("%s, %s: %d bytes of %d: %v", format, name, len(got), len(want), err)
						}
					}
				})
			}
		}
		wg.Wait()
	}
}

func TestGzipAllocatesNothing(t *testing.T) {
	page := []byte(write(t, expfmt.FmtText, foundation()[:2]))
	offers := encodings()
	c := offers[negotiateEncoding(http.Header{"Accept-Encoding": {"gzip"}}, offers)].get(io.Discard)
	if n := testing.AllocsPerRun(10, func() {
		c.Reset(io.Discard)
		if _, err := c.Write(page); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per page", n)
	}
}
