package remotewrite

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

func newStore(t *testing.T) *store.Store {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.New(store.Options{
		Resolver: resolver.New(resolver.Options{
			Tagger: rules, Naming: naming.Style{Namespace: "cf"},
			HTTP: resolver.HTTPOptions{Buckets: []float64{0.1, 1}, SizeBuckets: []float64{1000}, Labels: []string{"method"}},
		}),
		Expiration: time.Minute, MaxSeries: 100_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func emit(s *store.Store, n int, value float64) {
	w := s.Writer()
	var tally metric.Tally
	now := time.Now().UnixNano()
	for i := range n {
		w.Write(&metric.Envelope{
			Kind:      metric.KindGauge,
			Timestamp: now,
			Arrived:   now,
			Tags:      []metric.Tag{{Key: []byte("ip"), Value: fmt.Append(nil, i)}},
			Points:    []metric.Point{{Name: []byte("numBytesAllocated"), Value: value}},
		}, &tally)
	}
}

// Values of a real store arrive, and series that expire in it end with stale markers.
func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(t), &receiver{}
		p, err := New(
			testOptions(Protocol2),
			s,
			prometheus.NewRegistry(),
			prometheus.NewRegistry(),
			slog.New(slog.DiscardHandler),
		)
		if err != nil {
			t.Fatal(err)
		}
		p.sender.client.http = &http.Client{Transport: r}
		emit(s, 100, 1)
		during(t, p, 100*time.Second, func() { emit(s, 50, 2) }, func() {})
		for i, want := range map[int]string{
			0: "[1 1 1 2 2 2 2 stale]", 49: "[1 1 1 2 2 2 2 stale]", 50: "[1 1 1 1 stale]", 99: "[1 1 1 1 stale]",
		} {
			name := fmt.Sprintf(`{__name__="cf_num_bytes_allocated",bosh_job_ip="%d",instance="i",job="j"}`, i)
			if got := fmt.Sprint(textsOf(r.got[name])); got != want {
				t.Errorf("%d: %s, want %s", i, got, want)
			}
		}
		if len(r.got) != 100 || r.problem != nil {
			t.Errorf("%d series, %v", len(r.got), r.problem)
		}
	})
}

// Rounds, writers and a stop at once, for the race detector.
func TestStoreConcurrently(t *testing.T) {
	s, r := newStore(t), &receiver{}
	o := testOptions(Protocol1)
	o.Interval, o.MaxSamplesPerSend = time.Millisecond, 10
	p, err := New(o, s, prometheus.NewRegistry(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.sender.client.http = &http.Client{Transport: r}
	ctx, cancel := contextFor(t)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for i := range 50 {
				emit(s, 100, float64(i))
			}
		})
	}
	writers.Wait()
	for r.count() < 100 { // the test's own timeout ends it
		emit(s, 1, 1)
	}
	cancel()
	if err := <-done; err != nil || r.problem != nil {
		t.Error(err, r.problem)
	}
}

func TestBoundText(t *testing.T) {
	for bound, want := range map[float64]string{
		0: "0.0", 1: "1.0", -1: "-1.0", 0.005: "0.005", 1e6: "1e+06", 16777216: "1.6777216e+07",
		math.Inf(1): "+Inf", math.Inf(-1): "-Inf", 100: "100.0",
	} {
		if got := boundText(bound); got != want {
			t.Errorf("%v: %s, want %s", bound, got, want)
		}
	}
}

// A request that cannot be split ends as refused, not in a loop.
func TestSplitGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(*http.Request, []received) (int, http.Header, error) { return 413, nil, nil }}
		p, _ := newPusher(t, testOptions(Protocol1), many(1), r)
		p.sender.receiver.minEntries = 1
		p.sender.deliver(
			t.Context(),
			request{body: snappy.Encode(nil, []byte("\x08\x01")), entries: 2, counts: counts{contentSamples: 5}},
		)
		p.sender.deliver(t.Context(), request{body: snappy.Encode(nil, nil), entries: 5, counts: counts{contentSamples: 5}})
		if got := testutil.ToFloat64(p.rounds.metrics.of[contentSamples].failed); r.count() != 2 || got != 10 {
			t.Errorf("%d requests, %v failed", r.count(), got)
		}
	})
}
