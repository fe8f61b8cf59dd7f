package remotewrite

import (
	"bytes"
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
	"google.golang.org/protobuf/encoding/protowire"

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
			Kind: metric.KindGauge, Timestamp: now, Arrived: now, Tags: []metric.Tag{{Key: []byte("ip"), Value: fmt.Append(nil, i)}},
			Points: []metric.Point{{Name: []byte("numBytesAllocated"), Value: value}},
		}, &tally)
	}
}

// The real store: its values arrive, and series that expire there end here.
func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(t), &receiver{}
		p, err := New(testOptions(Protocol2), s, prometheus.NewRegistry(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		p.sender.client.http = &http.Client{Transport: r}
		emit(s, 100, 1)
		during(t, p, 100*time.Second, func() { emit(s, 50, 2) }, func() {})
		for i, want := range map[int]string{0: "[1 1 1 2 2 2 2 stale]", 49: "[1 1 1 2 2 2 2 stale]", 50: "[1 1 1 1 stale]", 99: "[1 1 1 1 stale]"} {
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
		0: "0.0", 1: "1.0", -1: "-1.0", 0.005: "0.005", 1e6: "1e+06", 16777216: "1.6777216e+07", math.Inf(1): "+Inf", math.Inf(-1): "-Inf", 100: "100.0",
	} {
		if got := boundText(bound); got != want {
			t.Errorf("%v: %s, want %s", bound, got, want)
		}
	}
}

// Whatever bytes come: halves and descriptions are made, or refused, without panic, and halves hold what the whole held.
func FuzzHalve(f *testing.F) {
	for _, v2 := range []bool{false, true} {
		e := newEncoder(v2, false, []metric.Label{{Name: "job", Value: "j"}})
		e.begin(&family{name: "a", help: "A."})
		for i := range 3 {
			e.add(&point{labels: metric.RenderLabels([]metric.Label{{Name: "x", Value: fmt.Sprint(i)}}), value: 1}, 1)
		}
		f.Add(e.message.appendTo(nil), 3, v2)
	}
	for _, v2 := range []bool{false, true} {
		native, _ := nativeMessage(v2)
		f.Add(native, 12, v2)
	}
	m := newMessage(false)
	m.addFamily(&family{name: "a", help: "A.", unit: "seconds"})
	f.Add(m.appendTo(nil), 1, false)
	f.Add([]byte{0x0a, 0xff}, 1, true)
	f.Fuzz(func(t *testing.T, message []byte, count int, v2 bool) {
		_ = describe(message, v2)
		if n := tallyOf(withoutExemplars(message, v2), v2); n[contentExemplars] != 0 {
			t.Errorf("%x: %v", message, n)
		}
		left, right, err := halve(message, count)
		if err != nil || bytes.Contains(message, protowire.AppendTag(nil, v2Symbols, protowire.BytesType)) {
			return // symbols are in both halves
		}
		if !bytes.Equal(append(left, right...), message) {
			t.Errorf("%x and %x of %x", left, right, message)
		}
	})
}

func TestDescribe(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		e := newEncoder(v2, false, []metric.Label{{Name: "job", Value: "j"}})
		e.begin(&family{name: "a"})
		e.add(&point{labels: `x="1"`}, 1)
		if got, want := describe(e.message.appendTo(nil), v2), `{__name__="a",job="j",x="1"}`; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	m := newMessage(false)
	m.addFamily(&family{name: "a"})
	if got := describe(m.appendTo(nil), false); got != "a" {
		t.Error(got)
	}
}

// What does not compress to anything sensible ends as refused, not in a loop.
func TestSearchInGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(*http.Request, []received) (int, http.Header, error) { return 400, nil, nil }}
		p, _ := newPusher(t, testOptions(Protocol1), many(1), r)
		for _, body := range [][]byte{snappy.Encode(nil, []byte("\x08\x01")), snappy.Encode(nil, nil)} {
			p.sender.deliver(t.Context(), request{body: body, entries: 5, counts: tally{contentSamples: 5}})
		}
		if got := r.count(); got != 2 {
			t.Errorf("%d requests", got)
		}
	})
}
