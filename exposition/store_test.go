package exposition

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

const manySeries = 20_000 // several chunks of the store's, several of ours

func newStore(tb testing.TB) *store.Store {
	tb.Helper()
	return newStoreWith(tb, false)
}

func newStoreWith(tb testing.TB, native bool) *store.Store {
	tb.Helper()
	rules, _, err := tagger.New(tagger.Options{Quarantine: true})
	if err != nil {
		tb.Fatal(err)
	}
	s, err := store.New(store.Options{
		Resolver: resolver.New(resolver.Options{
			Tagger: rules, Naming: naming.Style{Namespace: "cf"},
			HTTP: resolver.HTTPOptions{
				Buckets: []float64{0.1, 1}, SizeBuckets: []float64{1000}, Labels: []string{"component", "method", "status"},
			},
		}),
		Expiration: time.Hour, MaxSeries: benchSeries, NativeHistograms: native,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// fill writes n gauges with the value, and as many requests, and checks that none is lost. Concurrent calls need
// deployments of their own, as their clocks would disagree on which of their values is the newer one.
func fill(tb testing.TB, s *store.Store, deployment string, n int, value float64) {
	tb.Helper()
	w := s.Writer()
	var tally metric.Tally
	for i := range n {
		now := time.Now().UnixNano()
		e := &metric.Envelope{
			Kind: metric.KindGauge, Timestamp: now, Arrived: now,
			Tags: []metric.Tag{
				{Key: []byte("ip"), Value: []byte(strconv.Itoa(i))},
				{Key: []byte("deployment"), Value: []byte(deployment)},
			},
			Points: []metric.Point{{Name: []byte("numBytesAllocated"), Value: value}},
		}
		w.Write(e, &tally)
		w.Write(&metric.Envelope{
			Kind: metric.KindTimer, Timestamp: now, Arrived: now,
			Name: []byte("http"), Start: now - int64(time.Second/2), Stop: now,
			Tags: []metric.Tag{
				{Key: []byte("peer_type"), Value: []byte("Server")},
				{Key: []byte("origin"), Value: []byte("gorouter")},
				{Key: []byte("method"), Value: []byte("GET")},
				{Key: []byte("status_code"), Value: []byte("200")},
			},
		}, &tally)
	}
	if tally[metric.Stored] != uint64(2*n) {
		tb.Errorf("%d of %d samples stored: %v", tally[metric.Stored], 2*n, tally)
	}
}

// TestUnreadPageDelaysNoWriter has a client that takes the first line of a page and then nothing, while the store is
// written to.
func TestUnreadPageDelaysNoWriter(t *testing.T) {
	s := newStore(t)
	fill(t, s, "cf", manySeries, 1)
	h := NewHandler(s, own(), Options{
		StallTimeout: time.Hour, PageTimeout: time.Hour,
		Logger: slog.New(slog.DiscardHandler),
	})
	client, conn := net.Pipe()
	server := &http.Server{Handler: h}
	served := make(chan error, 1)
	go func() { served <- server.Serve(newPipeListener(conn)) }()
	if _, err := fmt.Fprint(client, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(client)
	if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Fatalf("%q, %v", line, err)
	}

	fill(t, s, "cf", manySeries, 2) // hangs where the scrape holds a lock

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	// ReadResponse wants the line that is gone.
	resp, err := http.ReadResponse(bufio.NewReader(&joined{strings.NewReader("HTTP/1.1 200 OK\r\n"), in}), req)
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	mfs, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(mfs["cf_num_bytes_allocated"].GetMetric()); got != manySeries {
		t.Errorf("%d series, want %d", got, manySeries)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// joined reads one reader after the other.
type joined struct {
	first *strings.Reader
	rest  *bufio.Reader
}

func (j *joined) Read(b []byte) (int, error) {
	if j.first.Len() > 0 {
		return j.first.Read(b)
	}
	return j.rest.Read(b)
}

// TestScrapesWhileWriting scrapes in all formats while series come, and checks that every page parses and holds each
// series once.
func TestScrapesWhileWriting(t *testing.T) {
	s := newStore(t)
	reg := prometheus.NewRegistry()
	h := NewHandler(s, reg, Options{Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	done := make(chan struct{})
	var writers sync.WaitGroup
	for _, deployment := range []string{"cf", "a\nb\"c\\"} {
		writers.Go(func() {
			for n := range 20 {
				fill(t, s, deployment, 50*n, float64(n))
			}
		})
	}
	go func() { writers.Wait(); close(done) }()
	var scrapers sync.WaitGroup
	for _, accept := range []string{"", prometheus3} {
		scrapers.Go(func() {
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				r, w := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody), httptest.NewRecorder()
				r.Header.Set("Accept", accept)
				h.ServeHTTP(w, r)
				if line := repeated(w.Body.String()); line != "" {
					t.Errorf("twice in a page: %q", line)
				}
			}
		})
	}
	scrapers.Wait()
	_, body := scrape(t, h, http.MethodGet)
	for _, want := range []string{
		`cf_http_request_duration_seconds_bucket{component="gorouter",method="GET",status="2xx",le="1"} `,
		`cf_http_request_duration_seconds_count{component="gorouter",method="GET",status="2xx"} 19000` + "\n",
		`cf_num_bytes_allocated{bosh_deployment="cf",bosh_job_ip="949"} 19` + "\n",
		`cf_num_bytes_allocated{bosh_deployment="a\nb\"c\\",bosh_job_ip="0"} 19` + "\n",
		`loggregator_exporter_scrapes_total{outcome="aborted"} 0` + "\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in:\n%.2000s", want, body)
		}
	}
}
