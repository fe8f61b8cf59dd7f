package store

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// What contradicts itself is invalid, and harms nothing that is there.
func TestInvalidDistributions(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, tt := range []struct {
		name   string
		e      *metric.Envelope
		reason string
	}{
		{"none", with(sent("h", nil, nil), func(e *metric.Envelope, _ *metric.Distribution) { e.Distribution = nil }), reasonEmpty},
		{"equal bounds", sent("h", []float64{1, 1}, []uint64{1, 2, 3}), reasonBounds},
		{"bounds that fall", sent("h", []float64{1, 0}, []uint64{1, 2, 3}), reasonBounds},
		{"a bound +Inf", sent("h", []float64{1, inf}, []uint64{1, 2, 3}), reasonBounds},
		{"a bound -Inf", sent("h", []float64{-inf, 1}, []uint64{1, 2, 3}), reasonBounds},
		{"a bound NaN", sent("h", []float64{nan}, []uint64{1, 2}), reasonBounds},
		{"513 bounds", sent("h", slices.Collect(rising(513)), make([]uint64, 514)), reasonBounds},
		{"bounds that are one in seconds", unit("ns", sent("h", []float64{5e-324, 1e-323}, []uint64{1, 2, 3})), reasonBounds},
		{"bounds without counts", sent("h", []float64{1}, nil), reasonCounts},
		{"too few counts", sent("h", []float64{1}, []uint64{1}), reasonCounts},
		{"counts beyond 64 bits", sent("h", []float64{1}, []uint64{1 << 63, 1 << 63}), reasonCounts},
		{"native counts beyond 64 bits", sentNative("h", []uint64{1 << 63}, []uint64{1 << 63}), reasonCounts},
		{"native counts that differ", with(sentNative("h", []uint64{1}, nil), func(_ *metric.Envelope, d *metric.Distribution) {
			d.Counts = []uint64{1}
		}), reasonCounts},
		{"a schema too fine", with(sentNative("h", nil, nil), func(_ *metric.Envelope, d *metric.Distribution) { d.Schema = 9 }), reasonNative},
		{"a schema too coarse", with(sentNative("h", nil, nil), func(_ *metric.Envelope, d *metric.Distribution) { d.Schema = -5 }), reasonNative},
		{"an index too high", with(sentNative("h", []uint64{1, 1}, nil), func(_ *metric.Envelope, d *metric.Distribution) {
			d.Positive.First = math.MaxInt32
		}), reasonNative},
		{"an index too low", with(sentNative("h", nil, []uint64{1}), func(_ *metric.Envelope, d *metric.Distribution) {
			d.Negative.First = -2201
		}), reasonNative},
		{"a zero bucket of no width", with(sentNative("h", nil, nil), func(_ *metric.Envelope, d *metric.Distribution) { d.ZeroThreshold = nan }), reasonNative},
		{"a summary with buckets", with(sent("h", []float64{1}, []uint64{1, 2}), func(e *metric.Envelope, _ *metric.Distribution) {
			e.Kind = metric.KindSummary
		}), reasonMixed},
		{"a summary with native buckets", with(sentNative("h", nil, nil), func(e *metric.Envelope, _ *metric.Distribution) {
			e.Kind = metric.KindSummary
		}), reasonMixed},
		{"a quantile twice", sentSummary("h", 1, metric.Quantile{Share: 0.5}, metric.Quantile{Share: 0.5}), reasonQuantiles},
		{"a quantile above 1", sentSummary("h", 1, metric.Quantile{Share: 1.1}), reasonQuantiles},
		{"a quantile below 0", sentSummary("h", 1, metric.Quantile{Share: -0.1}), reasonQuantiles},
		{"a quantile NaN", sentSummary("h", 1, metric.Quantile{Share: nan}), reasonQuantiles},
		{"513 quantiles", with(sentSummary("h", 1), func(_ *metric.Envelope, d *metric.Distribution) {
			for q := range rising(513) {
				d.Quantiles = append(d.Quantiles, metric.Quantile{Share: q / 1000})
			}
		}), reasonQuantiles},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t)
				if got := write(s, tt.e); got != "invalid" {
					t.Errorf("outcome %s", got)
				}
				if got := s.Refusals(); len(got) != 1 || got[0].Reason != tt.reason || got[0].RawName != "h" {
					t.Errorf("%+v", got)
				}
				if got := s.Stats(); got != (Stats{}) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// rising yields n numbers that rise.
func rising(n int) func(func(float64) bool) {
	return func(yield func(float64) bool) {
		for i := range n {
			if !yield(float64(i)) {
				return
			}
		}
	}
}

// Families of such histograms are no others', and timers come first: the gorouter's requests have a fixed name.
func TestDistributionConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		bucket := func(name, le string, total uint64) *metric.Envelope {
			return counter(name+"_bucket", 0, total, "le", le)
		}
		for _, step := range []struct {
			e    *metric.Envelope
			want string
		}{
			{sent("a", []float64{1}, []uint64{1, 2}), "stored"},
			{gauge("a", 1), "conflict"},
			{sentSummary("a", 1), "conflict"},
			{bucket("a", "1", 5), "conflict"},
			{gauge("b", 1), "stored"},
			{sent("b", nil, []uint64{1}), "conflict"},
			{bucket("c", "1", 5), "stored"},
			{sent("c", nil, []uint64{1}), "conflict"},
			{unit("s", sent("d", nil, []uint64{1}, "ip", "1")), "stored"},
			{timer("d", time.Second), "stored"},
			{at(1, unit("s", sent("d", nil, []uint64{1}, "ip", "1"))), "conflict"},
			{counter("e_count", 0, 1), "stored"},
			{sentSummary("e", 1), "stored"}, // cf_e_count_total is no name of the summary cf_e
			{gauge("f_sum", 1), "stored"},
			{sentSummary("f", 1), "conflict"},
			{unit("By", counter("c_count", 0, 9)), "stored"}, // no part of c: the prom scraper sends no units
		} {
			if got := write(s, step.e); got != step.want {
				t.Errorf("%s %s: %s, want %s", step.e.Kind, step.e.Name, got, step.want)
			}
			check(t, s)
		}
		want := []string{
			"cf_a{} since ?: [1] [1 2] 3 10", "cf_b{} since ?: 1", "cf_c{} since ?: [1] [5 0] 5 NaN",
			"cf_c_count_bytes_total{} since ?: 9", "cf_d_seconds{} since 0s: [0.1 1] [0 1 0] 1 1",
			"cf_e{} since ?: [] [] 1 10", "cf_e_count_total{} since ?: 1", "cf_f_sum{} since ?: 1",
		}
		if diff := cmp.Diff(want, dumpAll(s)); diff != "" {
			t.Error(diff)
		}
		want = []string{
			"a: cf_a was counted by its senders, unlike this one", "b: cf_b of type gauge has the name of this histogram",
			"c: cf_c was sent in parts, unlike this one", "d: cf_d_seconds is made of timers, unlike this one",
			"f: cf_f_sum of type gauge has the name of this summary",
		}
		var reasons []string
		for _, r := range s.Refusals() {
			reasons = append(reasons, r.RawName+": "+r.Reason)
		}
		if diff := cmp.Diff(want, reasons); diff != "" {
			t.Error(diff)
		}
	})
}

// A histogram counts as one series in limits, expires when it falls silent, and goes with a rule that is reloaded.
func TestDistributionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Limits.PerMetric = 1 })
		wants := func(e *metric.Envelope, want string) {
			t.Helper()
			if got := write(s, e); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		wants(sent("h", nil, []uint64{1}, "ip", "1"), "stored")
		wants(sent("h", nil, []uint64{1}, "ip", "2"), "over_limit")
		wants(sentSummary("s", 1), "stored")
		wants(at(9*time.Minute, sentSummary("s", 1)), "stored")
		s.sweep(timeOf(start + int64(11*time.Minute)))
		time.Sleep(11 * time.Minute)
		if diff := cmp.Diff([]string{"cf_s{} since ?: [] [] 1 10"}, dumpAll(s)); diff != "" {
			t.Error(diff)
		}
		check(t, s)
		o := testSettings(t)
		if done, err := s.Reload(o.options()); err != nil || done.Kept != 1 {
			t.Errorf("%+v, %v", done, err)
		}
		o.Naming = naming.Style{Namespace: "other"}
		if done, err := s.Reload(o.options()); err != nil || done.Retired != 1 || len(dumpAll(s)) != 0 {
			t.Errorf("%+v, %v, %v", done, err, dumpAll(s))
		}
		wants(at(10*time.Minute, sentSummary("s", 2)), "stored")
		check(t, s)
	})
}
