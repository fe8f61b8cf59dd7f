package store

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

const (
	everySo = 15 * time.Second
	// Three intervals, what rounding adds to them, and a sweep.
	overdue = 3*everySo + 16*time.Second + everySo
)

// rounds sends what one round emits for some time, every 15 s, and sweeps as Run does.
func rounds(s *Store, lasting time.Duration, emit func() []*metric.Envelope) {
	for until := time.Now().Add(lasting); time.Now().Before(until); {
		<-time.After(everySo)
		s.sweep(time.Now())
		now := time.Now().UnixNano()
		for _, e := range emit() {
			e.Arrived, e.Timestamp = now, now
			write(s, e)
		}
	}
}

// A composite whose buckets or quantiles are no longer sent is a sum and a count, which go on as if they had never
// been anything else: another exporter may have the buckets.
func TestLastPartEndsComposites(t *testing.T) {
	for _, c := range []struct {
		name         string
		adaptive     bool
		part         *metric.Envelope
		before, back string
	}{
		{
			"histogram", false, counter("x_bucket", 0, 2, "le", "1"),
			"histogram cf_x{} [1] [2 ?] count=# sum=5\n", "histogram cf_x{} [1] [2 ?] count=# sum=5\n",
		},
		{"histogram", true, counter("x_bucket", 0, 2, "le", "1"), "histogram cf_x{} [1] [2 ?] count=# sum=5\n", ""},
		{"summary", false, gauge("x", 7, "quantile", "0.5"), "summary cf_x{} [0.5] [7] count=# sum=5\n", ""},
		{"summary", true, gauge("x", 7, "quantile", "0.5"), "summary cf_x{} [0.5] [7] count=# sum=5\n", ""},
	} {
		t.Run(fmt.Sprint(c.name, c.adaptive), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t, func(o *Settings) { o.AdaptiveExpiration = c.adaptive })
				n := uint64(0)
				rest := func() []*metric.Envelope {
					n++
					return []*metric.Envelope{gauge("x_sum", 5), counter("x_count", 1, 0)} // deltas: the count is nowhere but here
				}
				all := func() []*metric.Envelope {
					part := *c.part
					return append(rest(), &part)
				}
				is := func(want string) {
					t.Helper()
					want = strings.NewReplacer("#", fmt.Sprint(n), "?", fmt.Sprint(max(n, 2)-2)).Replace(want)
					if got := dump(s); got != want {
						t.Errorf("got\n%swant\n%s", got, want)
					}
					if err := s.checkComposites(); err != nil {
						t.Error(err)
					}
				}
				const alone = "counter cf_x_count_total{} #\ngauge cf_x_sum{} 5\n"
				for range 3 {
					rounds(s, time.Minute+everySo, all)
					is(c.before)
					rounds(s, overdue, rest)
					is(alone)
					if got := s.Stats(); got.Series != 2 || got.Parts != 0 || got.Refused != 0 || got.Families != 2 {
						t.Errorf("%+v", got)
					}
				}
				rounds(s, everySo, all)
				is(c.before)
				if err := checkEmpty(s); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A page shows no histogram of which all buckets are overdue, even if it comes before the sweep. What is left comes
// with the first samples after the sweep.
func TestOverdueBucketsAreNotShown(t *testing.T) {
	for _, adaptive := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := testStore(t, func(o *Settings) { o.AdaptiveExpiration = adaptive })
			rounds(s, 2*time.Minute, func() []*metric.Envelope {
				return append(scrapedHistogram("x", 5, 3, map[string]uint64{"1": 2, "+Inf": 3}, "a", "1"),
					append(scrapedHistogram("x", 5, 4, nil, "a", "2"), scrapedSummary("y", 5, 3, map[string]float64{"0.5": 2})...)...)
			})
			for i := range 10 {
				<-time.After(everySo)
				for _, e := range append(scrapedHistogram("x", 5, 3, nil, "a", "1"), append(scrapedHistogram("x", 5, 4, nil, "a", "2"), scrapedSummary("y", 5, 3, nil)...)...) {
					e.Arrived = time.Now().UnixNano()
					write(s, e)
				}
				want := `histogram cf_x{a="1"} [1] [2 1] count=3 sum=5` + "\n" + `histogram cf_x{a="2"} [] [4] count=4 sum=5` + "\nsummary cf_y{} [0.5] [2] count=3 sum=5\n"
				switch {
				case i == 3:
					want = ""
				case i > 3:
					want = `counter cf_x_count_total{a="1"} 3` + "\n" + `counter cf_x_count_total{a="2"} 4` + "\n" + `gauge cf_x_sum{a="1"} 5` + "\n" + `gauge cf_x_sum{a="2"} 5` + "\n" +
						"counter cf_y_count_total{} 3\ngauge cf_y_sum{} 5\n"
				}
				if got := dump(s); got != want {
					t.Errorf("%d missed: got\n%swant\n%s", i+1, got, want)
				}
				if i == 3 {
					s.sweep(time.Now())
				}
			}
			if got := s.Stats(); got.Series != 6 || got.Families != 4 || got.Parts != 0 {
				t.Errorf("%+v", got)
			}
			if err := checkEmpty(s); err != nil {
				t.Error(err)
			}
		})
	}
}

// So it is with a sum and a count: they may have gone to another exporter, and the buckets stayed.
func TestOverdueSumsAreNotShown(t *testing.T) {
	for _, adaptive := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := testStore(t, func(o *Settings) { o.AdaptiveExpiration = adaptive })
			parts := func() []*metric.Envelope {
				return []*metric.Envelope{
					counter("x_bucket", 0, 2, "le", "1"),
					gauge("y", 2, "quantile", "0.5"),
					counter("z_bucket", 0, 2, "le", "1", "a", "1"),
				}
			}
			rounds(s, 2*time.Minute, func() []*metric.Envelope {
				sums := append(scrapedHistogram("x", 5, 3, nil), scrapedSummary("y", 5, 3, nil)...)
				return append(parts(), append(sums, scrapedHistogram("z", 5, 3, nil, "a", "2")...)...)
			})
			for i := range 10 {
				<-time.After(everySo)
				for _, e := range append(parts(), gauge("z_sum", 5, "a", "2")) {
					e.Arrived = time.Now().UnixNano()
					write(s, e)
				}
				want := "histogram cf_x{} [1] [2 1] count=3 sum=5\nsummary cf_y{} [0.5] [2] count=3 sum=5\n" +
					"histogram cf_z{a=\"1\"} [1] [2 0] count=2 sum=NaN\nhistogram cf_z{a=\"2\"} [] [3] count=3 sum=5\n"
				if i > 2 {
					want = "histogram cf_x{} [1] [2 0] count=2 sum=NaN\nsummary cf_y{} [0.5] [2] count=0 sum=NaN\nhistogram cf_z{a=\"1\"} [1] [2 0] count=2 sum=NaN\n"
				}
				if got := dump(s); got != want {
					t.Errorf("%d missed: got\n%swant\n%s", i+1, got, want)
				}
			}
			before := dump(s)
			s.sweep(time.Now())
			if got := dump(s); got != before {
				t.Errorf("the sweep changes\n%sto\n%s", before, got)
			}
		})
	}
}

// As long as one emitter sends buckets, all of that name are histograms.
func TestOneEmitterKeepsBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		x := func(a string, buckets map[string]uint64) []*metric.Envelope {
			return scrapedHistogram("x", 5, 3, buckets, "a", a)
		}
		some := map[string]uint64{"1": 2}
		rounds(s, 2*time.Minute, func() []*metric.Envelope { return append(x("1", some), x("2", some)...) })
		rounds(s, overdue, func() []*metric.Envelope { return append(x("1", some), x("2", nil)...) })
		if got, want := dump(
			s,
		), `histogram cf_x{a="1"} [1] [2 1] count=3 sum=5`+"\n"+`histogram cf_x{a="2"} [] [3] count=3 sum=5`+"\n"; got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		// The one with buckets is silent altogether: it is its histogram that expires.
		rounds(s, 11*time.Minute, func() []*metric.Envelope { return x("2", nil) })
		if got, want := dump(s), `counter cf_x_count_total{a="2"} 3`+"\n"+`gauge cf_x_sum{a="2"} 5`+"\n"; got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if err := checkEmpty(s); err != nil {
			t.Error(err)
		}
	})
}

// The sum of a histogram in another unit is what was sent, again.
func TestEndedCompositesKeepUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(
			t,
			func(o *Settings) { o.Tagger = rules(t, "metrics: [{name: x, unit: ms}, {name: x_sum, unit: s}]") },
		)
		now := time.Now().UnixNano()
		sum := func() *metric.Envelope { return gauge("x_sum", 1500) }
		rounds(
			s,
			2*time.Minute,
			func() []*metric.Envelope { return []*metric.Envelope{counter("x_bucket", 0, 3, "le", "5"), sum()} },
		)
		if got := dump(s); got != "histogram cf_x_seconds{} [0.005] [3 0] count=3 sum=1.5\n" {
			t.Error(got)
		}
		rounds(s, overdue, func() []*metric.Envelope { return []*metric.Envelope{sum()} })
		late := sum()
		late.Timestamp, late.Arrived = now, time.Now().UnixNano()
		if got := write(s, late); got != "outdated" {
			t.Error(got)
		}
		if got := dump(s); got != "gauge cf_x_sum_seconds{} 1500\n" {
			t.Error(got)
		}
	})
}

// Counters that share an agent's total know each other still, and what is neither shown nor continued is forgotten.
func TestEndedCompositesKeepTheirCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		total, sent := uint64(100), [2]uint64{100, 0} // the first of them begins with all that there was
		count := func() (out []*metric.Envelope) {
			for i, instance := range []string{"0", "1"} {
				total += 2
				e := counter("x_count", 2, total)
				e.InstanceID = []byte(instance)
				out = append(out, e)
				sent[i] += 2
			}
			return out
		}
		rounds(s, 2*time.Minute, func() []*metric.Envelope {
			bucket := counter("x_bucket", 0, 3, "le", "5")
			bucket.InstanceID = []byte("0")
			return append(count(), bucket)
		})
		rounds(s, overdue+time.Minute, count)
		want := fmt.Sprintf(
			"counter cf_x_count_total{instance_id=\"0\"} %d\ncounter cf_x_count_total{instance_id=\"1\"} %d\n",
			sent[0],
			sent[1],
		)
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if err := checkEmpty(s); err != nil {
			t.Error(err)
		}
	})
}

// However many end with the last bucket of a name, each goes on where it was.
func TestManyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 800
		s := testStore(t, func(o *Settings) { o.MaxSeries = 10 * n })
		counts := func() (out []*metric.Envelope) {
			for i := range n {
				out = append(out, counter("x_count", 2, 0, "a", fmt.Sprint(i)))
			}
			return out
		}
		rounds(
			s,
			2*time.Minute,
			func() []*metric.Envelope { return append(counts(), counter("x_bucket", 0, 5, "le", "+Inf")) },
		)
		if got := s.Stats(); got.Series != n+1 || got.Parts != n+1 {
			t.Errorf("%+v", got)
		}
		s.mu.Lock()
		pos := s.entries.lookup(counterKey(s, "x_bucket", "le", "+Inf"), nameCounter, []byte("x_bucket"))
		s.remove(pos)
		s.mu.Unlock()
		if got := s.Stats(); got.Series != 0 || got.Families != 0 || got.Parts != n {
			t.Errorf("%+v", got)
		}
		writeAll(t, s, counts())
		if got := strings.Count(dump(s), "} 18\n"); got != n {
			t.Errorf("%d of %d: %s", got, n, dump(s)[:100])
		}
		if got := s.Stats(); got.Series != n || got.Parts != 0 || got.Families != 1 {
			t.Errorf("%+v", got)
		}
		if err := checkEmpty(s); err != nil {
			t.Error(err)
		}
	})
}

// counterKey is the identity of an envelope.
func counterKey(s *Store, name string, pairs ...string) []byte {
	w := s.Writer()
	w.identify(counter(name, 0, 1, pairs...))
	return w.key
}

// What a limit has no room for when a histogram ends is refused as any newcomer is.
func TestEndedCompositesAndLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.MaxSeries = 4 })
		x := func() []*metric.Envelope { return []*metric.Envelope{gauge("x_sum", 5), counter("x_count", 1, 0)} }
		others := func() []*metric.Envelope { return []*metric.Envelope{gauge("a", 1), gauge("b", 1), gauge("c", 1)} }
		rounds(s, 2*time.Minute, func() []*metric.Envelope {
			return append(append(x(), counter("x_bucket", 0, 5, "le", "1")), others()...)
		})
		rounds(s, overdue, func() []*metric.Envelope { return append(x(), others()...) })
		if got := dump(s); got != "gauge cf_a{} 1\ngauge cf_b{} 1\ngauge cf_c{} 1\ngauge cf_x_sum{} 5\n" {
			t.Error(got)
		}
		if got := write(s, counter("x_count", 1, 0)); got != "over_limit" {
			t.Error(got)
		}
		if err := checkEmpty(s); err != nil {
			t.Error(err)
		}
	})
}
