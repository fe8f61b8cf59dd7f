package store

import (
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// A page that is read while buckets come in is a histogram all the same, and no bucket of it ever falls.
func TestHalfAScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		x := func(le string, n uint64) *metric.Envelope { return counter("x_bucket", 0, n, "le", le) }
		for _, step := range []struct {
			envelope *metric.Envelope
			want     string
		}{
			{x("1", 5), "[1] [5 0] count=5 sum=NaN"},
			{x("2", 7), "[1 2] [5 2 0] count=7 sum=NaN"},
			{x("+Inf", 9), "[1 2] [5 2 2] count=9 sum=NaN"},
			{counter("x_count", 0, 20), "[1 2] [5 2 2] count=9 sum=NaN"},
			{gauge("x_sum", 3.5), "[1 2] [5 2 2] count=9 sum=3.5"},
			{at(15*time.Second, x("1", 30)), "[1 2] [7 0 2] count=9 sum=3.5"},
			{at(15*time.Second, x("2", 40)), "[1 2] [9 0 0] count=9 sum=3.5"},
			{at(15*time.Second, x("+Inf", 50)), "[1 2] [30 10 10] count=50 sum=3.5"},
			{at(15*time.Second, x("0.5", 3)), "[0.5 1 2] [3 27 10 10] count=50 sum=3.5"},
		} {
			if got := write(s, step.envelope); got != "stored" {
				t.Error(got)
			}
			if got := dump(s); got != "histogram cf_x{} "+step.want+"\n" {
				t.Errorf("got %swant %s", got, step.want)
			}
		}
	})
}

// An emitter that restarts with other buckets never sends the old ones again.
func TestOldBucketsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		round := func(i int, les ...string) {
			for _, le := range les {
				write(s, at(time.Duration(i)*15*time.Second, counter("x_bucket", 0, uint64(100+i), "le", le)))
			}
			s.sweep(timeOf(start + int64(i)*15e9))
		}
		for i := range 10 {
			round(i, "1", "2", "+Inf")
		}
		for i := range 3 {
			round(10+i, "1", "3", "+Inf")
		}
		if got := dump(s); got != "histogram cf_x{} [1 2 3] [109 0 3 0] count=112 sum=NaN\n" {
			t.Error(got)
		}
		round(13, "1", "3", "+Inf")
		if got := dump(s); got != "histogram cf_x{} [1 3] [113 0 0] count=113 sum=NaN\n" {
			t.Error(got)
		}
		// Of one that is silent altogether all stay until they expire.
		s.sweep(timeOf(start + int64(9*time.Minute)))
		if got := s.Stats(); got.Parts != 3 {
			t.Errorf("%+v", got)
		}
		s.sweep(timeOf(start + int64(30*time.Minute)))
		if got := s.Stats(); got != (Stats{}) || s.entries.pairs.live != 0 ||
			len(s.entries.tagsetIndex.slots) > 0 && s.entries.tagsetIndex.live != 0 {
			t.Errorf("%+v, %d entries, %d tag sets", got, s.entries.pairs.live, s.entries.tagsetIndex.live)
		}
	})
}

// A scrape shows no histogram of which all parts are overdue, even if it comes before the sweep.
func TestAdaptiveExpiryOfComposites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.AdaptiveExpiration = true })
		for range 6 {
			<-time.After(15 * time.Second)
			for _, e := range scrapedHistogram("x", 5, 3, map[string]uint64{"1": 2, "+Inf": 3}) {
				e.Arrived = time.Now().UnixNano()
				write(s, e)
			}
			s.sweep(time.Now())
		}
		for _, step := range []struct {
			pause time.Duration
			shown bool
		}{{50 * time.Second, true}, {12 * time.Second, false}} {
			<-time.After(step.pause)
			if got := dump(s); (got != "") != step.shown {
				t.Errorf("%v later: %s", step.pause, got)
			}
		}
		s.sweep(time.Now())
		if err := checkEmpty(s); err != nil {
			t.Error(err)
		}
	})
}

// The start is known once all buckets have fallen.
func TestStartOfComposites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		round := func(after time.Duration, n uint64, les ...string) {
			for i, le := range les {
				write(s, at(after+time.Duration(i)*time.Millisecond, counter("x_bucket", 0, n, "le", le)))
			}
		}
		startOf := func() int64 {
			var r Reader
			f := s.Families()
			r.Reset(&f[0])
			return r.Next()[0].Start
		}
		round(0, 100, "1", "+Inf")
		if got := startOf(); got != 0 {
			t.Error("a start was guessed:", got)
		}
		round(15*time.Second, 1, "1", "+Inf")
		round(30*time.Second, 2, "1")
		if got := startOf(); got != 0 {
			t.Error("a start while one bucket has not fallen:", got)
		}
		round(30*time.Second, 3, "1", "+Inf")
		if got := startOf(); got != start+int64(15*time.Second) {
			t.Error(got - start)
		}
	})
}
