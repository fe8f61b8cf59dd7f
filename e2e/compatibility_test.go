package e2e

import (
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/compat"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// compatiblePage is what a page by the names of firehose_exporter holds after every metric of the corpus, with tags
// that are as bad as they may come, and requests.
func compatiblePage(t *testing.T) http.Handler {
	t.Helper()
	dialect, err := compat.New(compat.Options{Namespace: "firehose", Environment: "test", NodeIndex: "0"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.New(store.Options{Resolver: dialect, Expiration: time.Hour, MaxSeries: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	received := compat.NewReceived("firehose", "test")
	registry := prometheus.NewRegistry()
	registry.MustRegister(received, compat.NewCollector(s, received))
	sink := compat.NewSink(s.Writer(), received)
	var tally metric.Tally
	now := time.Now().UnixNano()
	send := func(e metric.Envelope, tags ...string) {
		e.Timestamp, e.Arrived = now, now
		for i := 0; i < len(tags); i += 2 {
			e.AddTag([]byte(tags[i]), []byte(tags[i+1]))
		}
		sink.Write(&e, &tally)
	}
	corpus, err := os.ReadFile(filepath.Join(peer.Root(t), "compat", "testdata", "firehose_exporter.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(corpus)), "\n")[1:] {
		f := strings.Split(line, "\t")
		bad := []string{
			"origin",
			f[0],
			"unit",
			"mine",
			"a-b",
			"1",
			"a_b",
			"2",
			"dotted.tag",
			"x\"\\\n\xff",
			"le",
			"1",
			"deployment",
			"cf",
			"bosh_deployment",
			"other",
			"n",
			strconv.Itoa(i),
		}
		if f[2] == "counter" {
			send(metric.Envelope{Kind: metric.KindCounter, Name: []byte(f[1]), Total: uint64(i) + 1}, bad...)
		} else {
			send(
				metric.Envelope{
					Kind:   metric.KindGauge,
					Points: []metric.Point{{Name: []byte(f[1]), Unit: []byte(f[3]), Value: float64(i)}},
				},
				bad...)
		}
	}
	for i := range 50 {
		send(
			metric.Envelope{
				Kind:     metric.KindTimer,
				Name:     []byte("http"),
				SourceID: []byte("gorouter"),
				Start:    0,
				Stop:     int64(i) * 1e6,
			},
			"status_code",
			strconv.Itoa(200+i%3),
			"content_length",
			strconv.Itoa(i*100),
			"uri",
			"https://shop.example.com/x",
		)
	}
	if tally[metric.Stored] != 1189+50 {
		t.Fatalf("%v: %+v", tally, s.Refusals())
	}
	return exposition.NewHandler(s, registry, exposition.Options{})
}

// Prometheus' parsers find nothing wrong with a page by the names of firehose_exporter, and read the same names and
// values of it in every format.
func TestCompatiblePage(t *testing.T) {
	handler := compatiblePage(t)
	var want map[string]float64
	for _, accept := range []string{"text/plain", "application/openmetrics-text;version=1.0.0", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
		request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		request.Header.Set("Accept", accept)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		got, types, err := parse(answer.Body.Bytes(), answer.Header().Get("Content-Type"))
		if err != nil {
			t.Fatalf("%s: %v", accept, err)
		}
		for series := range got {
			// The registry's metrics on scrapes move from one to the next.
			if strings.Contains(series, "loggregator_exporter_") {
				delete(got, series)
			}
		}
		if want == nil {
			want = got
		}
		for series, v := range want {
			if g, ok := got[series]; !ok || g != v && !(math.IsNaN(g) && math.IsNaN(v)) {
				t.Errorf("%s: %s is %v, want %v", accept, series, g, v)
			}
		}
		if len(got) != len(want) || len(got) < 1189 || types["firehose_http_response_size_bytes"] != "summary" {
			t.Errorf("%s: %d series, want %d; %s", accept, len(got), len(want), types["firehose_http_response_size_bytes"])
		}
	}
}
