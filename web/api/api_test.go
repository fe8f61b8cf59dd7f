package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRun: history and names are at hand before anybody asks.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.fill()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		time.Sleep(firstSurvey + time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		f.surveys.mu.Lock()
		defer f.surveys.mu.Unlock()
		if f.surveys.last == nil || f.surveys.last.taken.Sub(f.Started()) != firstSurvey || f.API.rules.last == nil {
			t.Errorf("survey %+v, rules %+v", f.surveys.last, f.API.rules.last)
		}
		h, err := f.History(t.Context())
		if err != nil || len(h.Times) != 3 {
			t.Errorf("%d points, %v", len(h.Times), err)
		}
	})
}
