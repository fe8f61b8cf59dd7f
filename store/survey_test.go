package store

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Who looks at a new exporter should not wait a minute to see which metrics are large; from then on each minute has
// its look.
func TestSurveyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		write(s, gauge("a", 1))
		began := time.Now()
		for want, at := range []time.Duration{firstSurvey, firstSurvey + surveyEvery, firstSurvey + 2*surveyEvery} {
			<-time.After(at - time.Nanosecond - time.Since(began))
			synctest.Wait()
			if got := len(s.Offenders().Metrics); got != want {
				t.Errorf("before %v: %d metrics, want %d", at, got, want)
			}
			<-time.After(time.Nanosecond)
			synctest.Wait()
			if got := len(s.Offenders().Metrics); got != want+1 {
				t.Errorf("at %v: %d metrics, want %d", at, got, want+1)
			}
			write(s, gauge(string(rune('b'+want)), 1))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// An empty store waits for its first entry, which then expires and is surveyed in time.
func TestRunRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Expiration = 10 * time.Minute })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		resting := func() bool {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.resting
		}
		for round := range time.Duration(3) {
			time.Sleep(time.Hour)
			if !resting() {
				t.Fatalf("round %d: an empty store does not rest", round)
			}
			began := time.Now()
			write(s, at(time.Duration(began.UnixNano()-start), gauge("a", 1)))
			if resting() {
				t.Errorf("round %d: it rests with an entry", round)
			}
			time.Sleep(firstSurvey)
			synctest.Wait()
			if n := len(s.Offenders().Metrics); n != 1 {
				t.Errorf("round %d: %d metrics after the first survey", round, n)
			}
			time.Sleep(10*time.Minute - firstSurvey - 1)
			synctest.Wait()
			if s.Stats().Series != 1 {
				t.Errorf("round %d: the series ended after %v", round, time.Since(began))
			}
			time.Sleep(15 * time.Second)
			if !resting() || s.Stats().Series != 0 || len(s.Offenders().Metrics) != 0 {
				t.Errorf("round %d: after its end: %+v, %+v", round, s.Stats(), s.Offenders())
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The labels of a family are looked at again only where a series has come or gone, also where as many are left.
func TestSurveyOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Expiration = 10 * time.Minute })
		values := func() map[string]int {
			s.findOffenders()
			got := map[string]int{}
			for _, o := range s.Offenders().Metrics {
				got[o.Metric] = o.Values
			}
			return got
		}
		want := func(what string, a, b int) {
			t.Helper()
			if got := values(); got["cf_a"] != a || got["cf_b"] != b {
				t.Errorf("%s: %v, want %d and %d", what, got, a, b)
			}
		}
		for i := range 3 {
			write(s, at(time.Duration(i/2)*time.Minute, gauge("a", 1, "id", fmt.Sprint(i))))
			write(s, at(time.Minute, gauge("b", 1, "id", fmt.Sprint(i))))
		}
		want("at first", 3, 3)
		s.surveyed[0].Values, s.surveyed[1].Values = 7, 8
		want("nothing has changed", 7, 8)
		write(s, at(time.Minute, gauge("a", 1, "id", "3")))
		want("one has come", 4, 8)
		s.surveyed[0].Values = 7
		s.sweep(time.Unix(0, start).Add(10*time.Minute + 1))
		write(s, at(time.Minute, gauge("a", 1, "id", "4")))
		write(s, at(time.Minute, gauge("a", 1, "id", "5")))
		want("two have gone, two have come", 4, 8)
	})
}

// BenchmarkSurvey surveys 100,000 series of 1,000 families, ten of which have half of them: where nothing has changed,
// and where one series more has come to each of those.
func BenchmarkSurvey(b *testing.B) {
	s := testStore(b, func(o *Settings) { o.MaxSeries = 200_000 })
	add := func(name string, i int) {
		e := gauge(name, 1, "origin", "rep", "deployment", "cf", "job", "diego-cell", "index", fmt.Sprint(i), "ip", fmt.Sprint("10.0.0.", i))
		e.Arrived = time.Now().UnixNano()
		write(s, e)
	}
	for i := range 50_000 {
		add(fmt.Sprintf("large%c", 'a'+i%10), i)
		add(fmt.Sprintf("small%cx%dx", 'a'+i%26, i%1000), i)
	}
	s.findOffenders()
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			s.findOffenders()
		}
	})
	b.Run("changed", func(b *testing.B) {
		for i := 50_000; b.Loop(); i += 10 {
			for k := range 10 {
				add(fmt.Sprintf("large%c", 'a'+k), i+k)
			}
			s.findOffenders()
		}
	})
}
