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
