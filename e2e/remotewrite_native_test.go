package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"loggregator_exporter/config"
	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/remotewrite"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

const durations = "cf_http_request_duration_seconds"

// newRequests is a store of its own for each life of an exporter.
func newRequests(t *testing.T) *store.Store {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := config.Default().Metrics
	s, err := store.New(store.Options{
		Resolver: resolver.New(resolver.Options{
			Tagger: rules, Naming: naming.Style{Namespace: m.Namespace},
			HTTP: resolver.HTTPOptions{Buckets: m.HTTP.Buckets, SizeBuckets: m.HTTP.SizeBuckets, Labels: m.HTTP.Labels},
		}),
		Expiration: m.Expiration, MaxSeries: m.MaxSeries, NativeHistograms: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request writes a request of so many milliseconds, with the id of a trace.
func request(s *store.Store, method string, milliseconds int, trace string) {
	now := time.Now().UnixNano()
	e := metric.Envelope{Kind: metric.KindTimer, Name: []byte("http"), Timestamp: now, Arrived: now, Stop: int64(milliseconds) * 1e6}
	for _, tag := range [][2]string{{"peer_type", "Server"}, {"method", method}, {"status_code", "200"}, {"content_length", strconv.Itoa(milliseconds)}, {"x_b3_traceid", trace}} {
		e.AddTag([]byte(tag[0]), []byte(tag[1]))
	}
	var tally metric.Tally
	s.Writer().Write(&e, &tally)
}

func traceOf(n int) string { return fmt.Sprintf("%016x", n+1) }

// pushed is what one series brought in one request.
type pushed struct {
	value     float64
	histogram *histogram.Histogram
	exemplars []exemplar.Exemplar
	start     int64
}

// collector is a receiver that reads requests with Prometheus' own types.
type collector struct {
	mu   sync.Mutex
	got  map[string][]pushed
	errs []error
	some chan struct{} // closed with the first request
	once sync.Once
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	packed, err := io.ReadAll(r.Body)
	plain, err2 := snappy.Decode(nil, packed)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err = errors.Join(err, err2); err == nil {
		if strings.Contains(r.Header.Get("Content-Type"), "v2") {
			err = c.v2(plain, w.Header())
		} else {
			err = c.v1(plain)
		}
	}
	if err != nil {
		c.errs = append(c.errs, err)
	}
	w.WriteHeader(http.StatusNoContent)
	c.once.Do(func() { close(c.some) })
}

func (c *collector) v1(plain []byte) error {
	var request prompb.WriteRequest
	if err := request.Unmarshal(plain); err != nil {
		return err
	}
	b := labels.NewScratchBuilder(0)
	for _, ts := range request.Timeseries {
		var p pushed
		for _, s := range ts.Samples {
			p.value = s.Value
		}
		for _, h := range ts.Histograms {
			p.histogram = h.ToIntHistogram()
		}
		for _, x := range ts.Exemplars {
			p.exemplars = append(p.exemplars, x.ToExemplar(&b, nil))
		}
		c.keep(ts.ToLabels(&b, nil), &p, len(ts.Samples)+len(ts.Histograms))
	}
	return nil
}

func (c *collector) v2(plain []byte, h http.Header) error {
	var request writev2.Request
	if err := request.Unmarshal(plain); err != nil {
		return err
	}
	b := labels.NewScratchBuilder(0)
	samples, histograms, exemplars := 0, 0, 0
	for _, ts := range request.Timeseries {
		var p pushed
		for _, s := range ts.Samples {
			p.value, p.start = s.Value, s.StartTimestamp
		}
		for _, h := range ts.Histograms {
			p.histogram, p.start = h.ToIntHistogram(), h.StartTimestamp
		}
		for _, x := range ts.Exemplars {
			e, err := x.ToExemplar(&b, request.Symbols)
			if err != nil {
				return err
			}
			p.exemplars = append(p.exemplars, e)
		}
		samples, histograms, exemplars = samples+len(ts.Samples), histograms+len(ts.Histograms), exemplars+len(ts.Exemplars)
		ls, err := ts.ToLabels(&b, request.Symbols)
		if err != nil {
			return err
		}
		if _, err := ts.ToMetadata(request.Symbols); err != nil {
			return err
		}
		c.keep(ls, &p, len(ts.Samples)+len(ts.Histograms))
	}
	for name, n := range map[string]int{"Samples": samples, "Histograms": histograms, "Exemplars": exemplars} {
		h.Set("X-Prometheus-Remote-Write-"+name+"-Written", strconv.Itoa(n))
	}
	return nil
}

func (c *collector) keep(ls labels.Labels, p *pushed, values int) {
	if values != 1 {
		c.errs = append(c.errs, fmt.Errorf("%s has %d values", ls, values))
	}
	if p.histogram != nil {
		if err := p.histogram.Validate(); err != nil {
			c.errs = append(c.errs, fmt.Errorf("%s: %w", ls, err))
		}
	}
	c.got[ls.String()] = append(c.got[ls.String()], *p)
}

// scraped reads the store's page in protobuf with the parser of Prometheus' scrapes, classic series beside the
// native ones.
func scraped(t *testing.T, s *store.Store) map[string]pushed {
	t.Helper()
	var page bytes.Buffer
	if err := exposition.Write(&page, expfmt.FmtProtoDelim, s.Families(), &store.Reader{}); err != nil {
		t.Fatal(err)
	}
	parser, err := textparse.New(page.Bytes(), string(expfmt.FmtProtoDelim), labels.NewSymbolTable(),
		textparse.ParserOptions{KeepClassicOnClassicAndNativeHistograms: true})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]pushed{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		var p pushed
		switch entry {
		case textparse.EntrySeries:
			_, _, p.value = parser.Series()
		case textparse.EntryHistogram:
			_, _, p.histogram, _ = parser.Histogram()
		default:
			continue
		}
		var ls labels.Labels
		parser.Labels(&ls)
		var x exemplar.Exemplar
		for parser.Exemplar(&x) {
			p.exemplars = append(p.exemplars, x)
			x = exemplar.Exemplar{}
		}
		p.start = parser.StartTimestamp()
		out[ls.String()] = p
	}
}

// run runs a pusher until enough is true of it, and returns what it logged.
func run(ctx context.Context, t *testing.T, o remotewrite.Options, s *store.Store, enough func()) (metrics *prometheus.Registry, log string) {
	t.Helper()
	var text bytes.Buffer
	metrics = prometheus.NewRegistry()
	p, err := remotewrite.New(o, s, prometheus.NewRegistry(), metrics, slog.New(slog.NewTextHandler(&text, nil)))
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- p.Run(running) }()
	enough()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return metrics, text.String()
}

func nativeOptions(target, protocol string) remotewrite.Options {
	o := config.Default().RemoteWrite
	o.URL, o.Protocol, o.Interval = target, protocol, time.Second
	o.SendExemplars, o.SendNativeHistograms = true, true
	return o
}

// What Prometheus' own types read of the first round of a push is what its parser reads of a scrape: names, labels,
// buckets native and classic, exemplars and start times; and everything ends with a stale marker.
func TestPushedAsScraped(t *testing.T) {
	for _, protocol := range []string{"1.0", "2.0"} {
		t.Run(protocol, func(t *testing.T) {
			s := newRequests(t)
			for i := range 200 {
				request(s, []string{"GET", "PUT"}[i%2], i*i, traceOf(i))
			}
			want := scraped(t, s)
			c := &collector{got: map[string][]pushed{}, some: make(chan struct{})}
			server := httptest.NewServer(c)
			defer server.Close()
			// The exemplars are those from before this millisecond.
			for began := time.Now().UnixMilli(); time.Now().UnixMilli() == began; {
			}
			metrics, log := run(t.Context(), t, nativeOptions(server.URL, protocol), s, func() { <-c.some })
			if log != "" || len(c.errs) > 0 {
				t.Error(log, c.errs)
			}
			checkPushed(t, protocol, want, c.got)
			if n := sumOf(t, metrics, "loggregator_exporter_remote_write_histograms_total"); n < 8 { // two methods, durations and sizes, and their ends
				t.Errorf("%v histograms", n)
			}
		})
	}
}

func checkPushed(t *testing.T, protocol string, want map[string]pushed, got map[string][]pushed) {
	t.Helper()
	natives, traces := 0, 0
	for series, w := range want {
		all := got[series]
		if len(all) < 2 {
			t.Errorf("%s: pushed %d times", series, len(all))
			continue
		}
		first, last := all[0], all[len(all)-1]
		if protocol == "1.0" {
			w.start = 0 // cannot be said
		}
		if w.histogram == nil {
			if first.value != w.value || !value.IsStaleNaN(last.value) {
				t.Errorf("%s: pushed %v, scraped %v; at the end %v", series, first.value, w.value, last.value)
			}
		} else {
			natives++
			slices.SortStableFunc(w.exemplars, func(a, b exemplar.Exemplar) int { // as a scrape does with those of a native histogram
				return cmp.Or(cmp.Compare(a.Ts, b.Ts), cmp.Compare(a.Value, b.Value))
			})
			// The parser leaves empty buckets out. A hint is there since nothing before is of this process.
			if !first.histogram.Compact(0).Equals(w.histogram) || first.histogram.CounterResetHint != histogram.CounterReset || !value.IsStaleNaN(last.histogram.Sum) {
				t.Errorf("%s: pushed %v (%v), scraped %v; at the end %v", series, first.histogram, first.histogram.CounterResetHint, w.histogram, last.histogram)
			}
		}
		traces += len(first.exemplars)
		if a, b := spell(w.exemplars), spell(first.exemplars); !slices.Equal(a, b) || first.start != w.start {
			t.Errorf("%s: start %d, want %d; pushed %v, scraped %v", series, first.start, w.start, b, a)
		}
		for _, p := range all[1:] {
			if len(p.exemplars) > 0 {
				t.Errorf("%s: exemplars once more", series)
			}
		}
	}
	if len(got) != len(want) || natives != 4 || traces < 40 {
		t.Errorf("%d series pushed, %d scraped; %d native ones, %d exemplars", len(got), len(want), natives, traces)
	}
}

func spell(all []exemplar.Exemplar) (out []string) {
	for _, x := range all {
		out = append(out, fmt.Sprint(x.Labels, x.Value, x.Ts, x.HasTs))
	}
	return out
}

func sumOf(t *testing.T, metrics *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
