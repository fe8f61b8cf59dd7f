package store

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"loggregator_exporter/metric"
)

// The size of a response is no sample of its own: what refuses its series is not counted, whatever it is.
func TestResponseSizeIsCountedWithItsDuration(t *testing.T) {
	request := func(of string) *metric.Envelope {
		return timer("http", time.Second, "method", of, "content_length", "5")
	}
	for name, tt := range map[string]struct {
		change func(*Settings)
		want   []Refusal
	}{
		"max_series, for a new entry": {func(o *Settings) { o.MaxSeries = 1 }, []Refusal{}},
		"max_series, for an entry that is settled again": {
			func(o *Settings) { o.MaxSeries, o.Limits.PerMetric = 3, 1 },
			[]Refusal{{
				Outcome: metric.OverLimit, Metric: "cf_http_request_duration_seconds", RawName: "http",
				Reason: "metrics.max_series_per_metric is reached", Count: 1, Kind: metric.KindTimer, Arrived: start,
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t, tt.change)
				if got := write(s, request("GET")); got != "stored" {
					t.Error(got)
				}
				if len(tt.want) > 0 {
					if got := write(s, request("PUT")); got != "over_limit" {
						t.Error(got)
					}
				}
				if diff := cmp.Diff(tt.want, s.Refusals(), cmpopts.IgnoreFields(Refusal{}, "Sender", "rival"), cmpopts.IgnoreUnexported(Refusal{})); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// A name is refused for the reason that it has now.
func TestReasonOfARefusalIsTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Limits.PerMetric = 1 })
		write(s, gauge("a", 1, "ip", "1"))
		write(s, gauge("a", 1, "ip", "2"))
		o := testSettings(t)
		o.Limits = LimitOptions{PerOwner: 1, Owner: OwnerSourceID}
		if _, err := s.Reload(o.options()); err != nil {
			t.Fatal(err)
		}
		from := func(e *metric.Envelope) *metric.Envelope {
			e.SourceID = []byte("s")
			return e
		}
		write(s, from(gauge("b", 1)))
		write(s, from(gauge("a", 1, "ip", "3")))
		write(s, &metric.Envelope{Kind: metric.KindGauge, Points: []metric.Point{{Name: []byte("t")}}, TooManyTags: true})
		write(s, &metric.Envelope{Kind: metric.KindTimer, Name: []byte("t"), Start: 1})
		var got []string
		for _, r := range s.Refusals() {
			got = append(got, r.RawName+": "+r.Reason)
		}
		want := []string{`a: metrics.max_series_per_owner is reached by source_id "s"`, "t: " + reasonTimer}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// The reason of an invalid sample is the one that holds.
func TestReasonsOfInvalidSamples(t *testing.T) {
	for reason, e := range map[string]*metric.Envelope{
		reasonTimer:    timer("early", -time.Second),
		reasonTags:     gauge("tags", 1, "a", strings.Repeat("x", metric.MaxValueBytes)),
		reasonLongName: gauge(strings.Repeat("n", metric.MaxNameBytes+1), 1),
	} {
		s := testStore(t)
		if got := write(s, e); got != "invalid" {
			t.Errorf("%s: %s", reason, got)
		}
		var reasons []string
		for _, r := range s.Refusals() {
			reasons = append(reasons, r.Reason)
		}
		if len(reasons) != 1 || reasons[0] != reason {
			t.Errorf("%q, want %q", reasons, reason)
		}
	}
}
