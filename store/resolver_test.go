package store

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// byPrefix is a resolver that names families after the type they are to have: c_ counter, h_ histogram, s_ summary,
// else gauge.
type byPrefix struct{ prefix string }

func (d byPrefix) Identification() Identification { return Identification{} }

func (d byPrefix) Resolve(id *Identity) Resolved {
	r := Resolved{Metric: d.prefix + id.Name, Help: "help", Mul: 1, Div: 1}
	for _, t := range id.Tags {
		if t.Name != "nothing" {
			r.Labels = append(r.Labels, t)
		}
	}
	switch id.Name[:min(2, len(id.Name))] {
	case "c_":
		r.Type = metric.TypeCounter
	case "h_":
		r.Type, r.Buckets = metric.TypeHistogram, []float64{0.1, 1}
	case "s_":
		r.Type = metric.TypeSummary
	default:
		r.Type = metric.TypeGauge
	}
	return r
}

func prefixStore(tb testing.TB) *Store {
	tb.Helper()
	return testStore(tb, func(o *Settings) { o.Resolver = byPrefix{"old_"} })
}

func observation(name string, pairs ...string) *metric.Envelope {
	return &metric.Envelope{Kind: metric.KindTimer, Arrived: start, Name: []byte(name), Tags: tags(pairs...)}
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := prefixStore(t)
		w := s.Writer()
		for _, v := range []float64{0.05, 0.1, 2} {
			for _, name := range []string{"c_requests_total", "h_duration", "s_size", "level"} {
				if got := w.Observe(observation(name, "a", "1"), v); got != metric.Stored {
					t.Fatalf("%s: %s", name, got)
				}
			}
		}
		// A tag that becomes no label does not distinguish series.
		if got := w.Observe(observation("h_duration", "a", "1", "nothing", "x"), 0.05); got != metric.Stored {
			t.Error(got)
		}
		for what, e := range map[string]*metric.Envelope{"no name": observation(""), "huge": observation("h_x", "a", strings.Repeat("x", metric.MaxValueBytes))} {
			if got := w.Observe(e, 1); got != metric.Invalid {
				t.Errorf("%s: %s", what, got)
			}
		}
		for _, v := range []float64{-1, math.NaN()} {
			if got := w.Observe(observation("h_duration"), v); got != metric.Invalid {
				t.Errorf("%v: %s", v, got)
			}
		}
		if got := write(s, gauge("level_2", 7, "b", "2")); got != "stored" {
			t.Error(got)
		}
		want := `counter old_c_requests_total{a="1"} 3
histogram old_h_duration{a="1"} [0.1 1] [3 0 1] count=4 sum=2.1999999999999997
gauge old_level{a="1"} 2
gauge old_level_2{b="2"} 7
summary old_s_size{a="1"} [0.2 0.5 0.75 0.95] [0.050327822873414196 0.10065564574682839 2 2] count=3 sum=2.15
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		var r Reader
		for _, f := range s.Families() {
			r.Reset(&f)
			for _, sample := range r.Next() {
				if f.Type != metric.TypeGauge && sample.Start != start {
					t.Errorf("%s starts at %d", f.Name, sample.Start)
				}
				if sum := sample.Summary; (sum != nil) != (f.Type == metric.TypeSummary) ||
					sum != nil && (sum.Count != 3 || sum.Sum != 2.15) {
					t.Errorf("%s: %+v", f.Name, sum)
				}
			}
		}
		// All that was counted goes with the series, and begins anew.
		s.sweep(timeOf(start + int64(time.Hour)))
		if got := s.Stats(); got.Series != 0 || dump(s) != "" {
			t.Errorf("%+v", got)
		}
		w.Observe(observation("c_requests_total"), 1)
		w.Observe(observation("s_size"), 5)
		if got, want := dump(
			s,
		), "counter old_c_requests_total{} 1\nsummary old_s_size{} [0.2 0.5 0.75 0.95] [5 5 5 5] count=1 sum=5\n"; got != want {
			t.Error(got)
		}
	})
}

func TestReload_Resolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := prefixStore(t)
		write(s, gauge("level", 7))
		o := testSettings(t)
		o.Resolver = byPrefix{"old_"}
		if done, err := s.Reload(o.options()); err != nil || done != (Reloaded{Kept: 1}) {
			t.Errorf("%+v, %v", done, err)
		}
		o.Resolver = byPrefix{"new_"}
		if done, err := s.Reload(o.options()); err != nil || done != (Reloaded{Retired: 1}) {
			t.Errorf("%+v, %v", done, err)
		}
		if write(s, gauge("level", 7)); dump(s) != "gauge new_level{} 7\n" {
			t.Error(dump(s))
		}
	})
}

func TestObserveDoesNotAllocate(t *testing.T) {
	s := prefixStore(t)
	w := s.Writer()
	for _, name := range []string{"c_requests_total", "h_duration", "s_size"} {
		e := observation(name, "a", "1", "b", "2")
		at := start
		observe := func() {
			at += int64(time.Minute) // the window of a summary turns now and then
			e.Arrived = at
			w.Observe(e, 512)
			w.Observe(e, 100)
		}
		for range 20 {
			observe()
		}
		if got := testing.AllocsPerRun(100, observe); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func TestStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tagged := testStore(t, func(o *Settings) { o.Naming.Namespace, o.Reserved = "", []string{"old_"} })
		old := prefixStore(t)
		for _, e := range []*metric.Envelope{gauge("alpha", 1), gauge("zeta", 1), gauge("old_mid", 1)} {
			write(tagged, e)
			write(old, e)
		}
		if got := tagged.Refusals(); len(got) != 1 || got[0].Metric != "old_mid" || got[0].Outcome != metric.Conflict {
			t.Errorf("%+v", got)
		}
		var names []string
		values := map[string]float64{}
		var r Reader
		for _, f := range (Stores{tagged, old}).Families() {
			names = append(names, f.Name)
			r.Reset(&f)
			for _, sample := range r.Next() {
				values[f.Name] += sample.Value
			}
		}
		if want := []string{
			"alpha",
			"old_alpha",
			"old_old_mid",
			"old_zeta",
			"zeta",
		}; !slices.Equal(names, want) ||
			len(values) != len(want) {
			t.Errorf("%q, %v", names, values)
		}
	})
	a, b := []Family{{Name: "a"}, {Name: "b", Help: "first"}}, []Family{{Name: "b", Help: "second"}, {Name: "c"}}
	if got := mergeFamilies(a, b); len(got) != 3 || got[1].Help != "first" || got[2].Name != "c" {
		t.Errorf("%+v", got)
	}
}

// Whatever the values, a quantile is where a sorted list has it, within half a bucket.
func TestQuantiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		var w window
		var values []float64
		span, at := rnd.Float64()*14, int64(1)
		for range 1 + rnd.IntN(2000) {
			v := math.Floor(math.Exp2(rnd.Float64() * span))
			if rnd.IntN(20) == 0 {
				v = 0
			}
			at += rnd.Int64N(quantileSpan / 2000)
			values = append(values, v)
			w.observe(v, at)
		}
		if w.since != 1 {
			values = values[len(values)-int(w.recent.count+w.before.count):]
		}
		slices.Sort(values)
		got := w.appendQuantiles(nil, ObservedQuantiles, at)
		for i, q := range ObservedQuantiles {
			want := values[max(1, int(math.Ceil(q*float64(len(values)))))-1]
			if math.Abs(got[i]-want) > 0.045*want {
				t.Fatalf("round %d: quantile %v of %d values is %v, want %v", round, q, len(values), got[i], want)
			}
		}
	}
}

func TestWindow(t *testing.T) {
	var w window
	at := int64(time.Hour)
	ask := func(after time.Duration) []float64 {
		return w.appendQuantiles(nil, []float64{0.5, 1}, at+int64(after))
	}
	equal := func(what string, got []float64, want ...float64) {
		t.Helper()
		if !slices.EqualFunc(got, want, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	equal("empty", ask(0), math.NaN(), math.NaN())
	w.observe(777, at)
	equal("one value is exact", ask(0), 777, 777)
	w.observe(10, at+quantileSpan)
	w.observe(10, at+quantileSpan)
	equal("both halves", ask(6*time.Minute), 10, 777)
	equal("only the recent half", ask(10*time.Minute), 10, 10)
	equal("nothing lately", ask(15*time.Minute), math.NaN(), math.NaN())
	w.observe(5, at+3*quantileSpan)
	equal("after a pause", ask(3*time.Duration(quantileSpan)), 5, 5)
	w.observe(math.Inf(1), at+3*quantileSpan)
	w.observe(math.MaxFloat64, at+3*quantileSpan)
	w.observe(math.SmallestNonzeroFloat64, at+3*quantileSpan)
	equal("extremes", ask(3 * time.Duration(quantileSpan))[1:], math.Inf(1))
}

// A resolver without composites sees each part of what Cloud Foundry's prom scraper takes apart.
func TestResolverWithoutComposites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := prefixStore(t)
		for _, e := range []*metric.Envelope{
			gauge("x_sum", 3), counter("x_count", 0, 2), counter("x_bucket", 0, 1, "le", "1"), counter("x_bucket", 0, 2, "le", "+Inf"),
			gauge("y", 5, "quantile", "0.5"), gauge("y_sum", 5), counter("y_count", 0, 1),
		} {
			if got := write(s, e); got != "stored" {
				t.Errorf("%+v: %s", e, got)
			}
		}
		want := "gauge old_x_bucket{le=\"+Inf\"} 2\ngauge old_x_bucket{le=\"1\"} 1\ngauge old_x_count{} 2\ngauge old_x_sum{} 3\n" +
			"gauge old_y{quantile=\"0.5\"} 5\ngauge old_y_count{} 1\ngauge old_y_sum{} 5\n"
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// What families have beside their entries goes with them.
func TestObservedSeriesLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := prefixStore(t)
		w := s.Writer()
		for round := range 3 {
			for i := range 50 {
				for _, name := range []string{"c_requests_total", "h_duration", "s_size", "level"} {
					if got := w.Observe(
						observation(name, "a", strings.Repeat("x", 50*round+i+1), "nothing", name),
						1,
					); got != metric.Stored {
						t.Fatal(got)
					}
				}
			}
			if err := checkEmpty(s); err != nil {
				t.Error(err)
			}
		}
		if got := len(s.distributions.all) - 1; got > 100 {
			t.Errorf("%d histograms and windows, of which 100 were there at once", got)
		}
	})
}
