package store

import (
	"context"
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
