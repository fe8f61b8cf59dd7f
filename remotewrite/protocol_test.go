package remotewrite

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func isV2(r *http.Request) bool { return r.Header.Get("X-Prometheus-Remote-Write-Version") == "2.0.0" }

// With protocol auto, a receiver that does not take 2.0 gets the same samples again in 1.0, and 1.0 from then on,
// whenever it says so.
func TestAuto(t *testing.T) {
	unconfirmed := func(*receiver) (int, http.Header) { return 204, http.Header{} }
	for _, tc := range []struct {
		name         string
		v2           func(r *receiver) (int, http.Header) // the answer to a request of 2.0
		wantV2       int                                  // requests of 2.0
		log          string                               // once; empty if 2.0 is kept
		wantMetadata bool
	}{
		{"takes 2.0", func(*receiver) (int, http.Header) { return 200, nil }, 5 * 3, "", false},
		{"no confirmation", unconfirmed, 4, "how many samples were written", true},
		{"415", func(*receiver) (int, http.Header) { return 415, nil }, 4, "status 415", true},
		{"400", func(*receiver) (int, http.Header) { return 400, http.Header{} }, 4, "status 400", true},
		{"another receiver later", func(r *receiver) (int, http.Header) {
			if r.count() <= 5 {
				return 200, nil
			}
			return 415, nil
		}, 5 + 4, "status 415", false}, // only stale markers come later
		{"away at first", func(r *receiver) (int, http.Header) {
			r.mu.Lock()
			first := r.times[0]
			r.mu.Unlock()
			if time.Now().Before(first.Add(20 * time.Second)) {
				return 503, nil
			}
			return 204, http.Header{}
		}, 0, "how many samples were written", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := testOptions(ProtocolAuto)
				o.MaxSamplesPerSend = 100
				v2Requests := 0
				r := &receiver{}
				r.answer = func(req *http.Request, _ []received) (int, http.Header, error) {
					<-time.After(time.Second) // so that all four shards have sent a request before the first answer
					if !isV2(req) {
						return 204, nil, nil
					}
					r.mu.Lock()
					v2Requests++
					r.mu.Unlock()
					status, header := tc.v2(r)
					return status, header, nil
				}
				p, log := newPusher(t, o, many(500), r)
				start := time.Now()
				during(t, p, 25*time.Second)

				for i := range 500 {
					got := r.got[fmt.Sprintf(`{__name__="a",instance="i",job="j",x="%04d"}`, i)]
					if len(got) != 3 || got[0].timestamp != start.UnixMilli() ||
						got[1].timestamp != start.Add(15*time.Second).UnixMilli() ||
						got[0].text != fmt.Sprint(i) ||
						got[2].text != "stale" {
						t.Fatalf("series %d: %v", i, got)
					}
				}
				if r.problem != nil {
					t.Error(r.problem)
				}
				if tc.wantV2 > 0 && v2Requests != tc.wantV2 {
					t.Errorf("%d requests of 2.0, want %d", v2Requests, tc.wantV2)
				}
				m := p.rounds.metrics.of
				if n := testutil.ToFloat64(m[contentSamples].taken); n != 1500 || m[contentSamples].ended() != 1500 {
					t.Errorf("%v samples taken of %v", n, m[contentSamples].ended())
				}
				// Metadata is sent separately in 1.0.
				if n := testutil.ToFloat64(m[contentMetadata].taken); (n > 0) != tc.wantMetadata {
					t.Errorf("%v metadata entries", n)
				}
				if text := log.String(); strings.Count(text, "sending 1.0 from now on") != min(len(tc.log), 1) ||
					!strings.Contains(text, tc.log) {
					t.Error(text)
				}
			})
		})
	}
}

// VictoriaMetrics stores the sum and count of a histogram twice if it gets it in both forms: it gets one, in every
// protocol.
func TestVictoriaMetricsHistograms(t *testing.T) {
	for _, protocol := range []string{ProtocolAuto, Protocol1} {
		for _, classic := range []bool{true, false} {
			t.Run(fmt.Sprint(protocol, "/", classic), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testVictoriaMetrics(t, protocol, classic) })
			})
		}
	}
}

func testVictoriaMetrics(t *testing.T, protocol string, classic bool) {
	t.Helper()
	bare := requestsOf("bare", time.Now())
	bare.Histogram.Bounds, bare.Histogram.Counts = nil, []uint64{7}
	c := (&holding{}).set(requests).fill("c_seconds", requestsOf("1", time.Now()), bare)
	r := &receiver{answer: func(*http.Request, []received) (int, http.Header, error) {
		return 204, http.Header{victoriaHeader: {"host"}}, nil
	}}
	o := testOptions(protocol)
	o.ExternalLabels, o.SendNativeHistograms, o.SendClassicHistograms = nil, true, classic
	p, log := newPusher(t, o, c, r)
	during(t, p, 20*time.Second)

	const first, later = "(7 9 -1 1@0.25 -2+3[2 -2 4] 1)", "(7 9 -1 1@0.25 -2+3[2 -2 4] 0)"
	var want []string
	switch {
	case !classic:
		want = append(
			want,
			`{__name__="c_seconds",x="1"} `+first+" "+later+" stale",
			`{__name__="c_seconds",x="bare"} `+first+" "+later+" stale",
		)
	case protocol == Protocol1: // the first answer shows which receiver it is
		want = append(want, `{__name__="c_seconds",x="1"} `+first, `{__name__="c_seconds",x="bare"} `+first+" "+later)
	default: // native histograms that were encoded before that are left out
		want = append(want, `{__name__="c_seconds",x="bare"} `+later)
	}
	if classic {
		for s, v := range map[string]string{
			`bucket",le="0.5"`: "1", `bucket",le="1.0"`: "3", `bucket",le="+Inf"`: "7", `sum"`: "9", `count"`: "7",
		} {
			want = append(want, fmt.Sprintf(`{__name__="c_seconds_%s,x="1"} %s %s stale`, s, v, v))
		}
	}
	if diff := cmp.Diff(sorted(want), sorted(r.texts())); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(log.String(), "the receiver is VictoriaMetrics"); (n == 1) != classic {
		t.Error(log.String())
	}
	balance(t, p, p.rounds.metrics.of[contentSamples].ended())
}
