package remotewrite

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// Summaries arrive with their quantiles; those that vanish are ended, as are sums and counts that are no longer
// known. One without any quantile does not confuse the next.
func TestSummaries(t *testing.T) {
	for _, protocol := range []string{Protocol1, Protocol2} {
		synctest.Test(t, func(t *testing.T) {
			family := store.Family{Name: "s", Help: "S.", Type: metric.TypeSummary}
			summary := func(x string, q store.Summary) store.Sample {
				s := one(0, "x", x)
				s.Start, s.Summary = 5e6, &q
				return s
			}
			unknown := store.Sample{
				Labels:    `x="3"`,
				Histogram: &store.Histogram{Counts: []uint64{2}, Count: 2, Sum: math.NaN(), Unsummed: true},
			}
			c := (&holding{}).set(store.Family{Name: "h", Type: metric.TypeHistogram}, family)
			c.fill("h", unknown)
			c.fill(
				"s",
				summary("0", store.Summary{Count: 1, Sum: 2}),
				summary("1", store.Summary{Quantiles: []float64{0.5, 1}, Values: []float64{8, math.NaN()}, Count: 4, Sum: 2.5}),
				summary(
					"2",
					store.Summary{Quantiles: []float64{0.5}, Values: []float64{7}, Unsummed: true, Uncounted: true, Sum: math.NaN()},
				),
			)
			o := testOptions(protocol)
			o.ExternalLabels, o.Interval = nil, 11*time.Second
			r := &receiver{}
			p, _ := newPusher(t, o, c, r)
			during(t, p, 30*time.Second, func() {
				c.fill(
					"s",
					summary(
						"1",
						store.Summary{Quantiles: []float64{0.5}, Values: []float64{9}, Count: 5, Unsummed: true, Sum: math.NaN()},
					),
					summary("2", store.Summary{Quantiles: []float64{0.5}, Values: []float64{7}, Count: 3, Sum: 6}),
				)
			}, func() { c.set() })
			want := []string{
				`{__name__="h_bucket",le="+Inf",x="3"} 2 2 stale`,
				`{__name__="h_count",x="3"} 2 2 stale`,
				`{__name__="h_sum",x="3"} stale stale stale`,
				`{__name__="s_count",x="0"} 1 stale`,
				`{__name__="s_sum",x="0"} 2 stale`,
				`{__name__="s",quantile="0.5",x="1"} 8 9 stale`,
				`{__name__="s",quantile="1.0",x="1"} NaN stale`,
				`{__name__="s_count",x="1"} 4 5 stale`,
				`{__name__="s_sum",x="1"} 2.5 stale stale`,
				`{__name__="s",quantile="0.5",x="2"} 7 7 stale`,
				`{__name__="s_count",x="2"} stale 3 stale`,
				`{__name__="s_sum",x="2"} stale 6 stale`,
			}
			if diff := cmp.Diff(sorted(want), sorted(r.texts())); diff != "" {
				t.Error(protocol, diff)
			}
			if got := r.got[`{__name__="s",quantile="0.5",x="1"}`]; protocol == Protocol2 && got[0].start != 5 {
				t.Error("start", got[0].start)
			}
		})
	}
}
