package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// scrapedHistogram is what the prom scraper makes of a histogram, as it sends it.
func scrapedHistogram(
	name string, sum float64, count uint64, buckets map[string]uint64, pairs ...string,
) []*metric.Envelope {
	out := []*metric.Envelope{gauge(name+"_sum", sum, pairs...), counter(name+"_count", 0, count, pairs...)}
	for le, n := range buckets {
		out = append(out, counter(name+"_bucket", 0, n, append([]string{"le", le}, pairs...)...))
	}
	return out
}

// scrapedSummary is the same for a summary.
func scrapedSummary(
	name string, sum float64, count uint64, quantiles map[string]float64, pairs ...string,
) []*metric.Envelope {
	out := []*metric.Envelope{gauge(name+"_sum", sum, pairs...), counter(name+"_count", 0, count, pairs...)}
	for q, v := range quantiles {
		out = append(out, gauge(name, v, append([]string{"quantile", q}, pairs...)...))
	}
	return out
}

func nameOf(e *metric.Envelope) string {
	name := string(e.Name)
	for _, p := range e.Points {
		name = string(p.Name)
	}
	return fmt.Sprintf("%s%s", name, e.Tags)
}

func writeAll(t *testing.T, s *Store, envelopes []*metric.Envelope) {
	t.Helper()
	for _, e := range envelopes {
		if got := write(s, e); got != "stored" {
			t.Errorf("%s: %s", nameOf(e), got)
		}
	}
}

func TestCompositesArePutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		writeAll(
			t,
			s,
			scrapedHistogram(
				"rpc_latency_ms",
				1500,
				7,
				map[string]uint64{"5": 1, "10": 4, "1e+03": 6, "+Inf": 7},
				"origin",
				"bbs",
				"method",
				"Get",
			),
		)
		// The same family, other buckets.
		writeAll(
			t,
			s,
			scrapedHistogram("rpc_latency_ms", 20, 2, map[string]uint64{"1": 1, "+Inf": 2}, "origin", "bbs", "method", "Put"),
		)
		writeAll(
			t,
			s,
			scrapedSummary(
				"gc_duration_seconds",
				0.5,
				9,
				map[string]float64{"0": 0.01, "0.5": 0.02, "1": math.NaN()},
				"origin",
				"bbs",
			),
		)
		want := `summary cf_gc_duration_seconds{component="bbs",origin="bbs"} [0 0.5 1] [0.01 0.02 NaN] count=9 sum=0.5
histogram cf_rpc_latency_seconds{component="bbs",method="Get",origin="bbs"} [0.005 0.01 1] [1 3 2 1] count=7 sum=1.5
histogram cf_rpc_latency_seconds{component="bbs",method="Put",origin="bbs"} [0.001] [1 1] count=2 sum=0.02
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if got := s.Stats(); got.Series != 3 || got.Parts != 6+4+5 || got.Refused != 0 || got.Families != 2 {
			t.Errorf("%+v", got)
		}
		if got := s.Refusals(); len(got) > 0 {
			t.Errorf("%+v", got)
		}
	})
}

// What only looks like a part is what it always was.
func TestWhatIsNoPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		for _, e := range []*metric.Envelope{
			gauge("level", 1, "le", "5"), counter("hits", 0, 1, "le", "5"), counter("a_bucket", 0, 2),
			counter("b_bucket", 0, 3, "le", "many"), counter("c_bucket", 0, 4, "le", "NaN"), counter("d_bucket", 0, 5, "le", "-Inf"),
			counter("_bucket", 0, 6, "le", "1"), gauge("e", 7, "quantile", "1.5"), gauge("f", 8, "quantile", "p99"), gauge("g_sum", 9),
			counter("h_count", 0, 10), gauge("i_bucket", 11, "le", "1"), counter("j_bucket", 0, 12, "le", "0x1p-2"), counter("k", 0, 13, "quantile", "0.5"),
		} {
			if got := write(s, e); got != "stored" {
				t.Errorf("%s: %s", nameOf(e), got)
			}
		}
		want := `counter cf_a_bucket_total{} 2
counter cf_b_bucket_total{envelope_le="many"} 3
counter cf_bucket_total{envelope_le="1"} 6
counter cf_c_bucket_total{envelope_le="NaN"} 4
counter cf_d_bucket_total{envelope_le="-Inf"} 5
gauge cf_e{envelope_quantile="1.5"} 7
gauge cf_f{envelope_quantile="p99"} 8
gauge cf_g_sum{} 9
counter cf_h_count_total{} 10
counter cf_hits_total{envelope_le="5"} 1
gauge cf_i_bucket{envelope_le="1"} 11
counter cf_j_bucket_total{envelope_le="0x1p-2"} 12
counter cf_k_total{envelope_quantile="0.5"} 13
gauge cf_level{envelope_le="5"} 1
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// A gauge with a unit is no quantile. A sum and a count are those of a histogram where another tag set of the name has
// buckets.
func TestUnitsAndTagSetsOfParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		withUnit := gauge("x", 3, "quantile", "0.5")
		withUnit.Points[0].Unit = []byte("ms")
		writeAll(t, s, []*metric.Envelope{withUnit, counter("y_bucket", 0, 4, "le", "+Inf", "a", "1")})
		writeAll(t, s, []*metric.Envelope{gauge("y_sum", 5, "a", "2"), counter("y_count", 0, 6, "a", "2")})
		want := `gauge cf_x_seconds{envelope_quantile="0.5"} 0.003
histogram cf_y{a="1"} [] [4] count=4 sum=NaN
histogram cf_y{a="2"} [] [6] count=6 sum=5
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// Other emitters' sums and counts, which came first, are parts from their next samples on, and lose nothing.
func TestEarlySumsAreTakenIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, verbatim := range []bool{false, true} {
			s := testStore(t, func(o *Settings) { o.Naming.Verbatim = verbatim })
			for i := range 3 {
				writeAll(
					t,
					s,
					[]*metric.Envelope{
						gauge("x_sum", float64(i), "a", fmt.Sprint(i)),
						counter("x_count", 0, uint64(10+i), "a", fmt.Sprint(i)),
					},
				)
			}
			if got := s.Stats(); got.Series != 6 || got.Families != 2 {
				t.Errorf("%+v", got)
			}
			writeAll(t, s, []*metric.Envelope{counter("x_bucket", 0, 2, "le", "1", "a", "1")})
			if got := s.Stats(); got.Series != 1 || got.Families != 1 || got.Parts != 7 || got.Refused != 0 {
				t.Errorf("%+v", got)
			}
			for _, i := range []int{0, 2} {
				writeAll(
					t,
					s,
					[]*metric.Envelope{
						gauge("x_sum", float64(i), "a", fmt.Sprint(i)),
						counter("x_count", 0, uint64(10+i), "a", fmt.Sprint(i)),
					},
				)
			}
			want := `histogram cf_x{a="0"} [] [10] count=10 sum=0
histogram cf_x{a="1"} [1] [2 9] count=11 sum=1
histogram cf_x{a="2"} [] [12] count=12 sum=2
`
			if verbatim {
				want = strings.ReplaceAll(want, "cf_x", "x")
			}
			if got := dump(s); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if got := s.Stats(); got.Series != 3 || got.Parts != 7 || got.Refused != 0 || got.UntaggedNames != 3 {
				t.Errorf("%+v", got)
			}
			writeAll(
				t,
				s,
				[]*metric.Envelope{
					at(time.Second, gauge("x_sum", 7, "a", "0")),
					at(time.Second, counter("x_count", 0, 70, "a", "0")),
				},
			)
			if got := dump(s); !strings.Contains(got, `{a="0"} [] [70] count=70 sum=7`) {
				t.Error(got)
			}
		}
	})
}

// v1 tells its counters and gauges apart by tags.
func TestCompositesOfV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, sumFirst := range []bool{false, true} {
			s := testStore(t)
			envelopes := []*metric.Envelope{
				gauge("x_sum", 5, "__v1_type", "ValueMetric", "instance_id", "3", "origin", "o"),
				counter("x_count", 0, 7, "__v1_type", "CounterEvent", "origin", "o"),
				counter("x_bucket", 0, 6, "__v1_type", "CounterEvent", "le", "1", "origin", "o"),
			}
			if !sumFirst {
				envelopes[0], envelopes[2] = envelopes[2], envelopes[0]
			}
			for _, e := range envelopes {
				e.InstanceID = []byte("3")
			}
			writeAll(t, s, envelopes)
			want := `histogram cf_x{component="o",instance_id="3",origin="o"} [1] [6 1] count=7 sum=5` + "\n"
			if got := dump(s); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		}
	})
}

func TestPartsThatClash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		for _, step := range []struct {
			envelope *metric.Envelope
			want     string
		}{
			{counter("x_bucket", 0, 5, "le", "1"), "stored"},
			{counter("x_bucket", 0, 6, "le", "1.0"), "conflict"},
			{counter("x_bucket", 0, 7, "le", "1.0"), "conflict"},
			{counter("x_bucket", 0, 7, "le", "-0"), "stored"},
			{counter("x_bucket", 0, 7, "le", "0"), "conflict"},
			{counter("x_bucket", 0, 4, "le", "-2.5"), "stored"},
			{gauge("x", 7, "quantile", "0.5"), "conflict"}, // of another type
			{gauge("x", 7, "quantile", "0.5"), "conflict"},
			{gauge("x", 7), "conflict"},
			{gauge("x_sum", 2), "stored"},
			{counter("go_x_bucket", 0, 5, "le", "1"), "stored"},
		} {
			if got := write(s, step.envelope); got != step.want {
				t.Errorf("%s: %s, want %s", nameOf(step.envelope), got, step.want)
			}
		}
		want := `histogram cf_go_x{} [1] [5 0] count=5 sum=NaN
histogram cf_x{} [-2.5 0 1] [4 1 0 0] count=5 sum=2
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		counts := map[string]uint64{}
		for _, r := range s.Refusals() {
			counts[r.Metric+" "+r.RawName+" "+r.Outcome.String()] += r.Count
		}
		if got := fmt.Sprint(counts); got != "map[cf_x x conflict:3 cf_x x_bucket conflict:3]" {
			t.Error(got)
		}
		// The other spelling takes over when the first has gone.
		later := counter("x_bucket", 0, 9, "le", "1.0")
		s.sweep(timeOf(start + int64(11*time.Minute)))
		if got := write(s, at(11*time.Minute, later)); got != "stored" {
			t.Error(got)
		}
		if got := dump(s); got != "histogram cf_x{} [1] [9 0] count=9 sum=NaN\n" {
			t.Error(got)
		}
	})
}

func TestKnownPartsAllocateNothing(t *testing.T) {
	s := testStore(t)
	envelopes := append(scrapedHistogram("x", 5, 3, map[string]uint64{"1": 2, "+Inf": 3}, "origin", "bbs"),
		scrapedSummary("y", 5, 3, map[string]float64{"0.5": 2}, "origin", "bbs")...)
	refused := []*metric.Envelope{
		counter("y_bucket", 0, 5, "le", "1", "origin", "bbs"), counter("x_bucket", 0, 5, "le", "1.0", "origin", "bbs"),
	}
	w := s.Writer()
	var tally metric.Tally
	all := slices.Concat(envelopes, refused)
	for _, e := range all {
		w.Write(e, &tally)
	}
	n := uint64(3)
	if got := testing.AllocsPerRun(100, func() {
		n++
		for _, e := range all {
			e.Arrived += 1e9
			e.Timestamp += 1e9
			e.Total = n
			w.Write(e, &tally)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
	if tally[metric.Stored] != 102*7 || tally[metric.Conflict] != 102*2 {
		t.Errorf("%v", tally)
	}
}
