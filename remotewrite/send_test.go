package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/store"
)

func contextFor(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(context.Background())
}

// many is a store with n gauges in one family, and their series as they arrive.
func many(n int) *holding {
	samples := make([]store.Sample, n)
	for i := range samples {
		samples[i] = one(float64(i), "x", fmt.Sprintf("%04d", i))
	}
	return (&holding{}).set(gauge("a")).fill("a", samples...)
}

// Requests are sent again after temporary failures, with growing pauses, or after the time that the receiver asks for.
func TestRetries(t *testing.T) {
	at := time.Date(2000, 1, 1, 0, 0, 9, 0, time.UTC) // the bubble's clock starts nine seconds before
	for _, tc := range []struct {
		name     string
		statuses []int // 0: the network fails
		after    string
		want     []time.Duration // between the requests
	}{
		{"server error", []int{500, 503, 502}, "", []time.Duration{30, 60, 120}},
		{"network", []int{0, 0}, "", []time.Duration{30, 60}},
		{"the pauses are bounded", []int{500, 500, 500, 500, 500, 500}, "", []time.Duration{30, 60, 120, 240, 300, 300}},
		{"seconds", []int{429, 429}, "2", []time.Duration{2000, 2000}},
		{"date", []int{503}, at.Format(http.TimeFormat), []time.Duration{9000}},
		{"nonsense", []int{503}, "soon", []time.Duration{30}},
		{"the past", []int{503}, at.Add(-time.Hour).Format(http.TimeFormat), []time.Duration{30}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				r.answer = func(*http.Request, []received) (int, http.Header, error) {
					n := r.count()
					switch {
					case n > len(tc.statuses):
						return 204, nil, nil
					case tc.statuses[n-1] == 0:
						return 0, nil, errors.New("no route")
					}
					return tc.statuses[n-1], http.Header{"Retry-After": {tc.after}}, nil
				}
				o := testOptions(Protocol1)
				o.Interval, o.MaxBackoff = time.Hour, 300*time.Millisecond
				p, log := newPusher(t, o, many(10), r)
				p.rounds.metadata = nil
				during(t, p, time.Minute)
				var got []time.Duration
				for i := range tc.want {
					got = append(got, r.times[i+1].Sub(r.times[i])/time.Millisecond)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Error(diff)
				}
				balance(t, p, 20)
				if got := testutil.ToFloat64(p.rounds.metrics.of[contentSamples].retried); got != float64(10*len(tc.want)) {
					t.Errorf("%v retried", got)
				}
				if text := log.String(); strings.Contains(text, "secret") ||
					strings.Count(text, "will send a request again") != 1 ||
					!strings.Contains(text, "works again") {
					t.Error(text)
				}
			})
		})
	}
}

// A request that is refused for good is not sent again.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		protocol string
		status   int
		header   http.Header
		want     string
	}{
		{Protocol1, 401, nil, "status 401: because"},
		{Protocol1, 404, nil, "status 404: because"},
		{Protocol1, 429, nil, "status 429: because"}, // switched off below
		{Protocol1, 302, nil, "302"},
		{ProtocolAuto, 404, http.Header{}, "status 404: because"},
		{Protocol2, 415, nil, `set remote_write.protocol to \"1.0\"`},
		{Protocol2, 204, http.Header{}, `set remote_write.protocol to \"1.0\"`},
	} {
		t.Run(fmt.Sprint(tc.protocol, tc.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{
					answer: func(*http.Request, []received) (int, http.Header, error) { return tc.status, tc.header, nil },
				}
				o := testOptions(tc.protocol)
				o.RetryOnRateLimit = false
				p, log := newPusher(t, o, many(10), r)
				p.rounds.metadata = nil
				during(t, p, 10*time.Second)
				if n := r.count(); n != 2 && tc.status != 302 {
					t.Errorf("%d requests", n)
				}
				if got := testutil.ToFloat64(p.rounds.metrics.of[contentSamples].failed); got != 20 && tc.status != 302 {
					t.Errorf("%v failed", got)
				}
				if !strings.Contains(log.String(), tc.want) {
					t.Error(log.String())
				}
			})
		})
	}
}

// A receiver that refuses one sample of a request gets no request again, whether or not it stores the others. What
// is lost is counted as far as the receiver says, and the log names the series that the answer names.
func TestRefusedSample(t *testing.T) {
	for _, tc := range []struct {
		name, protocol, answer, want string
		written                      bool
		failed                       float64
	}{
		{"2.0", Protocol2, `out of bounds for series {__name__="a", x="0777"}`, `{__name__=\"a\", x=\"0777\"}`, true, 2},
		{"2.0 that says nothing", Protocol2, "because", "because", false, 2000},
		{"auto", ProtocolAuto, `out of bounds for series {__name__="a", x="0777"}`, `{__name__=\"a\", x=\"0777\"}`, true, 2},
		{"1.0", Protocol1, `series: 'a{x="0777"}' (err-mimir-max-series-per-user)`, `series="a{x=\"0777\"}"`, false, 2000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{text: tc.answer, answer: func(_ *http.Request, series []received) (int, http.Header, error) {
					h := http.Header{}
					if tc.written {
						h.Set("X-Prometheus-Remote-Write-Samples-Written", fmt.Sprint(len(series)-1))
					}
					return 400, h, nil
				}}
				p, log := newPusher(t, testOptions(tc.protocol), many(1000), r)
				p.rounds.metadata = nil
				during(t, p, 10*time.Second)
				if n := r.count(); n != 2 {
					t.Errorf("%d requests", n)
				}
				if got := testutil.ToFloat64(p.rounds.metrics.of[contentSamples].failed); got != tc.failed {
					t.Errorf("%v failed, want %v", got, tc.failed)
				}
				balance(t, p, 2000)
				if text := log.String(); !strings.Contains(text, tc.want) ||
					strings.Count(text, "remote write has lost samples") != 1 {
					t.Error(text)
				}
			})
		})
	}
}

func TestSeriesIn(t *testing.T) {
	long := `{a="` + strings.Repeat("x", maxLineBytes) + `"}`
	for text, want := range map[string][]string{
		`out of bounds for series {__name__="a", b="}\"{"}` + "\n" + `too old for series {__name__="c"}`: {
			`{__name__="a", b="}\"{"}`, `{__name__="c"}`,
		},
		`series: 'a_total{b="c"}' (err-mimir-x)`: {`a_total{b="c"}`},
		`{"status":"error","error":"no"}`:        {},
		`series {__name__="a", b="cut`:           {},
		long + ` {b="c"}`:                        {`{b="c"}`},
		"":                                       {},
	} {
		if got := seriesIn(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A receiver that takes no request at all, however small, is not flooded with parts of them.
func TestEverythingIsRefused(t *testing.T) {
	for _, status := range []int{400, 413} {
		synctest.Test(t, func(t *testing.T) {
			r := &receiver{answer: func(*http.Request, []received) (int, http.Header, error) {
				<-time.After(time.Millisecond) // so that all of the round is queued before
				return status, nil, nil
			}}
			o := testOptions(Protocol1)
			o.MaxSamplesPerSend = 128
			p, _ := newPusher(t, o, many(1024), r)
			p.rounds.metadata = nil
			during(t, p, 5*time.Second)
			want := 2 * 1024 / 128
			if status == 413 { // eight requests are halved down to parts of 2, and the stale markers come in such parts
				want = 8*127 + 1024/2
			}
			if n := r.count(); n != want {
				t.Errorf("%d: %d requests, want %d", status, n, want)
			}
			balance(t, p, 2*1024)
		})
	}
}

// What a receiver of 2.0 says it has stored is counted as taken, the rest as failed.
func TestPartialWrite(t *testing.T) {
	for _, status := range []int{200, 400} {
		synctest.Test(t, func(t *testing.T) {
			r := &receiver{answer: func(*http.Request, []received) (int, http.Header, error) {
				return status, http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"7"}}, nil
			}}
			p, _ := newPusher(t, testOptions(Protocol2), many(10), r)
			during(t, p, 5*time.Second)
			if n := r.count(); n != 2 {
				t.Errorf("%d requests", n)
			}
			if got := testutil.ToFloat64(p.rounds.metrics.of[contentSamples].failed); got != 6 {
				t.Errorf("%v failed", got)
			}
			balance(t, p, 20)
		})
	}
}

// With several shards, slow answers and failures, the samples of a series arrive in order, none twice, none lost. The
// receiver checks the order.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng, mu := rand.New(rand.NewPCG(1, 2)), sync.Mutex{}
		r := &receiver{answer: func(*http.Request, []received) (int, http.Header, error) {
			mu.Lock()
			fail, wait := rng.IntN(4) == 0, time.Duration(rng.IntN(2000))*time.Millisecond
			mu.Unlock()
			<-time.After(wait)
			if fail {
				return 503, nil, nil
			}
			return 204, nil, nil
		}}
		o := testOptions(Protocol1)
		o.MaxSamplesPerSend = 10
		c := many(200)
		p, _ := newPusher(t, o, c, r)
		during(t, p, 10*time.Minute)
		if r.problem != nil {
			t.Error(r.problem)
		}
		balance(t, p, testutil.ToFloat64(p.rounds.metrics.of[contentSamples].taken)+
			testutil.ToFloat64(p.rounds.metrics.of[contentSamples].dropped[reasonStopped]))
		for series, values := range r.got {
			if len(values) < 30 {
				t.Fatalf("%s: only %d samples", series, len(values))
			}
		}
	})
}

// A dead receiver costs a bounded queue, in which the newest stay, and does not delay the stop beyond its time.
func TestDeadReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := true
		r := &receiver{}
		r.answer = func(req *http.Request, _ []received) (int, http.Header, error) {
			if dead {
				<-req.Context().Done()
				return 0, nil, req.Context().Err()
			}
			return 204, nil, nil
		}
		o := testOptions(Protocol1)
		o.MaxSamplesPerSend, o.QueueMaxBytes, o.Shards = 100, 20_000, 2
		p, log := newPusher(t, o, many(1000), r)
		m := p.rounds.metrics
		p.rounds.metadata = nil
		full := 0
		check := func() {
			if b := testutil.ToFloat64(m.queueBytes); b > 20_000 {
				t.Errorf("%v bytes", b)
			} else if b > 18_000 {
				full++
			}
		}
		during(t, p, 20*time.Minute+10*time.Second, check, check, check, check) // never at the moment of a round
		if full != 4 {
			t.Errorf("the queue was full %d times", full)
		}
		if n := testutil.ToFloat64(m.of[contentSamples].dropped[reasonQueueFull]); n < 50_000 {
			t.Errorf("%v dropped", n)
		}
		if !strings.Contains(log.String(), "reason=queue_full") || !strings.Contains(log.String(), "reason=stopped") {
			t.Error(log.String())
		}
		if testutil.ToFloat64(m.of[contentSamples].pending) != 0 || testutil.ToFloat64(m.of[contentSamples].taken) != 0 {
			t.Error("samples are pending or taken")
		}
	})
}

// A receiver that is back gets the queued samples first, then new ones, each with the time of its round.
func TestReceiverComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(5 * time.Minute)
		r := &receiver{answer: func(*http.Request, []received) (int, http.Header, error) {
			if time.Now().Before(back) {
				return 503, nil, nil
			}
			return 204, nil, nil
		}}
		p, _ := newPusher(t, testOptions(Protocol1), many(100), r)
		start := time.Now()
		during(t, p, 10*time.Minute+time.Second)
		values := r.got[`{__name__="a",instance="i",job="j",x="0042"}`]
		if len(values) != 4*10+2 { // with the first and the stale marker
			t.Errorf("%d samples", len(values))
		}
		for i, v := range values[:len(values)-1] {
			if want := start.Add(time.Duration(i) * 15 * time.Second).UnixMilli(); v.timestamp != want {
				t.Errorf("sample %d at %d, want %d", i, v.timestamp, want)
			}
		}
		balance(t, p, 42*100)
	})
}

// A stop ends the pause before a retry.
func TestStopWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		r.answer = func(*http.Request, []received) (int, http.Header, error) {
			if r.count() == 1 {
				return 503, http.Header{"Retry-After": {"600"}}, nil
			}
			return 204, nil, nil
		}
		o := testOptions(Protocol1)
		o.Shards = 1
		p, _ := newPusher(t, o, many(10), r)
		p.rounds.metadata = nil
		start := time.Now()
		during(t, p, 59*time.Second)
		if took := time.Since(start); took != 59*time.Second {
			t.Errorf("stopped after %v", took)
		}
		balance(t, p, 4*10+10)
		if len(r.got) != 10 {
			t.Errorf("%d series", len(r.got))
		}
	})
}
