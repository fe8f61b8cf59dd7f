package remotewrite

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

var requests = store.Family{Name: "c_seconds", Help: "C.", Unit: "seconds", Type: metric.TypeHistogram} // constant

// request is a histogram as the store makes it of timers, in both forms.
func requestsOf(x string, start time.Time, exemplars ...store.Exemplar) store.Sample {
	s := one(0, "x", x)
	s.Start = start.UnixNano()
	s.Histogram = &store.Histogram{
		Bounds: []float64{0.5, 1}, Counts: []uint64{1, 2, 4}, Count: 7, Sum: 9, Exemplars: exemplars,
		Native: &store.Native{
			Schema: -1, ZeroThreshold: 0.25, Zero: 1, Positive: metric.NativeBuckets{First: -2, Counts: []uint64{2, 0, 4}},
		},
	}
	return s
}

// traced is an exemplar. The store's own are the only ones that have a trace.
func traced(v float64, at time.Time) store.Exemplar {
	return store.Exemplar{Value: v, Stamp: at.UnixNano(), Arrived: at.UnixNano()}
}

// Native histograms arrive with the counts of the store, beside the classic ones or in place of them, with a reset
// hint if all histograms before were of another process or series, and end with a stale marker. Exemplars arrive
// once, in order.
func TestNativeHistograms(t *testing.T) {
	for _, protocol := range []string{Protocol1, Protocol2} {
		for _, classic := range []bool{true, false} {
			t.Run(fmt.Sprint(protocol, classic), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testNativeHistograms(t, protocol, classic) })
			})
		}
	}
}

func testNativeHistograms(t *testing.T, protocol string, classic bool) {
	t.Helper()
	began := time.Now().Add(-time.Hour)
	a, b := traced(0.7, began.Add(time.Millisecond)), traced(0.1, began.Add(2*time.Millisecond))
	late := traced(3, began.Add(time.Hour+time.Second))
	c := (&holding{}).set(requests)
	plain := one(0, "x", "plain") // not native
	plain.Histogram = &store.Histogram{Counts: []uint64{3}, Sum: 4, Exemplars: []store.Exemplar{traced(5, began)}}
	bare := requestsOf("bare", began)
	bare.Histogram.Bounds, bare.Histogram.Counts = nil, []uint64{7}
	c.fill("c_seconds", requestsOf("1", began, b, a, store.Exemplar{}), plain, bare)
	o := testOptions(protocol)
	o.ExternalLabels, o.Interval, o.SendExemplars = nil, 11*time.Second, true
	o.SendNativeHistograms, o.SendClassicHistograms = true, classic
	r := &receiver{}
	p, _ := newPusher(t, o, c, r)
	during(t, p, 30*time.Second, func() {
		c.fill("c_seconds", requestsOf("1", began, b, a, late), plain, bare, requestsOf("2", time.Now()))
	}, func() {
		lost := requestsOf("1", began)
		lost.Histogram.Native = nil
		c.fill("c_seconds", lost, requestsOf("2", began))
	})
	if diff := cmp.Diff(sorted(nativeSeries(classic)), sorted(r.texts())); diff != "" {
		t.Error(diff)
	}
	traces := map[string][]string{
		`{__name__="c_seconds",x="1"}`: {
			traceText(a),
			traceText(b),
			traceText(late),
		},
		`{__name__="c_seconds_bucket",le="+Inf",x="plain"}`: {traceText(plain.Histogram.Exemplars[0])},
	}
	if classic {
		traces[`{__name__="c_seconds_bucket",le="0.5",x="1"}`] = []string{traceText(b)}
		traces[`{__name__="c_seconds_bucket",le="1.0",x="1"}`] = []string{traceText(a)}
		traces[`{__name__="c_seconds_bucket",le="+Inf",x="1"}`] = []string{traceText(late)}
	}
	n := 0
	for series, got := range r.traces {
		n += len(got)
		if diff := cmp.Diff(traces[series], got); diff != "" {
			t.Error(series, diff)
		}
	}
	if got := r.got[`{__name__="c_seconds",x="1"}`][1].start; protocol == Protocol2 && got != began.UnixMilli() {
		t.Errorf("start %v, want %v", got, began.UnixMilli())
	}
	m := p.rounds.metrics
	if h, x := m.of[contentHistograms].ended(), m.of[contentExemplars].ended(); h != 9 || x != float64(n) ||
		n < len(traces) {
		t.Errorf("%v histograms, %v exemplars of %d", h, x, n)
	}
	balance(t, p, m.of[contentSamples].ended())
}

// nativeSeries are those of the test above.
func nativeSeries(classic bool) []string {
	const both = "(7 9 -1 1@0.25 -2+3[2 -2 4] 1) (7 9 -1 1@0.25 -2+3[2 -2 4] 0) stale" // the first with the hint
	want := []string{
		`{__name__="c_seconds",x="1"} ` + both,
		`{__name__="c_seconds",x="bare"} ` + both,
		`{__name__="c_seconds",x="2"} ` + both,
		`{__name__="c_seconds_bucket",le="+Inf",x="plain"} 3 3 stale`,
		`{__name__="c_seconds_sum",x="plain"} 4 4 stale`,
		`{__name__="c_seconds_count",x="plain"} 3 3 stale`,
	}
	for _, s := range [][2]string{
		{`bucket",le="0.5"`, " 1"}, {`bucket",le="1.0"`, " 3"}, {`bucket",le="+Inf"`, " 7"}, {`sum"`, " 9"}, {`count"`, " 7"},
	} {
		before := ""
		if classic {
			before = s[1] + s[1]
			want = append(want, `{__name__="c_seconds_`+s[0]+`,x="2"}`+before+" stale")
		}
		want = append(
			want,
			`{__name__="c_seconds_`+s[0]+`,x="1"}`+before+s[1]+" stale",
		) // the last value is pushed after the native form is gone
	}
	return want
}

func traceText(x store.Exemplar) string {
	return fmt.Sprintf("trace_id=%q %v %d", x.Trace.String(), x.Value, x.Stamp/1e6)
}

// What OpenTelemetry's senders have counted arrives as they counted it: negative buckets too, and each exemplar once, in
// the order and with the time of its sender.
func TestNativeHistogramsOfSenders(t *testing.T) {
	for _, protocol := range []string{Protocol1, Protocol2} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := newStore(t), &receiver{}
				send := func(count uint64, exemplars ...float64) {
					now := time.Now().UnixNano()
					d := &metric.Distribution{
						Sum: 3, HasSum: true, HasNative: true, Schema: 1, ZeroCount: 1, ZeroThreshold: 0.25,
						Positive: metric.NativeBuckets{First: 2, Counts: []uint64{count}},
						Negative: metric.NativeBuckets{First: -2, Counts: []uint64{2, 1}},
					}
					for _, v := range exemplars {
						d.Exemplars = append(d.Exemplars, metric.Exemplar{
							TraceID: bytes.Repeat([]byte{1}, 16), SpanID: bytes.Repeat([]byte{2}, 8), Value: v,
							Timestamp: now - int64(v*float64(time.Minute)),
						})
					}
					var tally metric.Tally
					s.Writer().Write(&metric.Envelope{
						Kind: metric.KindHistogram, Timestamp: now, Arrived: now, Began: now, Name: []byte("h"), Distribution: d,
					}, &tally)
					if tally[metric.Stored] != 1 {
						t.Errorf("%v", tally)
					}
				}
				o := testOptions(protocol)
				o.ExternalLabels, o.SendExemplars, o.SendNativeHistograms = nil, true, true
				p, err := New(o, s, prometheus.NewRegistry(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				p.sender.client.http = &http.Client{Transport: r}
				began := time.Now().UnixMilli()
				send(4, 1, 2)
				during(t, p, 30*time.Second, func() { send(5, 3) }, func() {})
				var texts []string
				for _, v := range r.got[`{__name__="cf_h"}`] {
					if text := fmt.Sprint(v.text); len(texts) == 0 || text != texts[len(texts)-1] {
						texts = append(texts, text)
					}
				}
				want := []string{
					"(8 3 1 1@0.25 2+1[4] --2+2[2 -1] 1)", "(9 3 1 1@0.25 2+1[5] --2+2[2 -1] 0)", "stale",
				}
				if diff := cmp.Diff(want, texts); diff != "" {
					t.Error(diff)
				}
				const ids = `span_id="0202020202020202",trace_id="01010101010101010101010101010101"`
				traces := []string{ // the last ones come 10 s later
					fmt.Sprint(ids, " 3 ", began+10_000-180_000), fmt.Sprint(ids, " 2 ", began-120_000), fmt.Sprint(ids, " 1 ", began-60_000),
				}
				if diff := cmp.Diff(traces, r.traces[`{__name__="cf_h"}`]); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Without the switches, neither native histograms nor exemplars are pushed.
func TestNativeHistogramsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&holding{}).set(requests).
			fill("c_seconds", requestsOf("1", time.Now(), traced(1, time.Now().Add(-time.Second))))
		o := testOptions(Protocol2)
		o.SendClassicHistograms = false // for histograms that are pushed as native ones
		r := &receiver{}
		p, _ := newPusher(t, o, c, r)
		during(t, p, time.Second)
		balance(t, p, 2*5)
		m := p.rounds.metrics
		if n, x := m.of[contentHistograms].ended(), m.of[contentExemplars].ended(); n+x != 0 || len(r.got) != 5 {
			t.Errorf("%v histograms, %v exemplars, %d series", n, x, len(r.got))
		}
	})
}

// Each content is counted by what the receiver says of it: if it stores no exemplars, or no native histograms, nothing
// else counts as lost.
func TestPartialKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(-time.Second)
		c := (&holding{}).set(requests).fill("c_seconds", requestsOf("1", at, traced(1, at)))
		r := &receiver{answer: func(*http.Request, []received) (int, http.Header, error) {
			return 200, http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"5"}}, nil
		}}
		o := testOptions(Protocol2)
		o.SendExemplars, o.SendNativeHistograms = true, true
		p, log := newPusher(t, o, c, r)
		during(t, p, time.Second)
		m := p.rounds.metrics
		for kind, want := range map[content]float64{contentSamples: 0, contentHistograms: 2, contentExemplars: 2} {
			if got := testutil.ToFloat64(m.of[kind].failed); got != want {
				t.Errorf("%d: %v failed", kind, got)
			}
		}
		if text := log.String(); !strings.Contains(text, "reason=exemplars") || !strings.Contains(text, "reason=partial") {
			t.Error(text)
		}
		balance(t, p, 10)
	})
}

// A round with native histograms allocates for its batches only.
func TestNativeRoundAllocs(t *testing.T) {
	var samples []store.Sample
	for i := range 2000 {
		samples = append(samples, requestsOf(fmt.Sprintf("%04d", i), time.UnixMilli(1)))
	}
	for _, protocol := range []string{Protocol1, Protocol2} {
		c := (&holding{}).set(requests).fill("c_seconds", samples...)
		o := testOptions(protocol)
		o.SendNativeHistograms, o.SendExemplars = true, true
		p, _ := newPusher(t, o, c, &receiver{})
		p.rounds.metadata = nil
		round := func() {
			p.rounds.collect(t.Context(), time.Minute)
			discard(p)
		}
		round()
		if n := testing.AllocsPerRun(5, round); n > 100 { // 6 batches
			t.Errorf("%s: %v allocations a round of 12,000 series", protocol, n)
		}
	}
}
