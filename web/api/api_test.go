package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRun: the history of the last hour, and the sizes of metrics in it, are at hand before anybody asks; names are not
// listed for that.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.fill()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		time.Sleep(time.Minute + time.Second)
		began := f.store.Stats().Series
		f.gauge("rep", "queue.other.depth")
		time.Sleep(54 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if f.known() {
			t.Error("names are known though nobody has asked")
		}
		h, err := f.History(t.Context())
		if err != nil || len(h.Times) != 1+55 {
			t.Errorf("%d points, %v", len(h.Times), err)
		}
		c, err := f.Cardinality(t.Context(), CardinalityQuery{})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Grown) != 1 || c.Grown[0].Metric != "cf_queue_depth" || c.Grown[0].Grown != 1 || c.Series != began+1 ||
			!c.GrownSince.Equal(f.Started().Add(time.Minute)) {
			t.Errorf("%+v since %v", c.Grown, c.GrownSince)
		}
	})
}

// known reports whether something is kept of what is made for those who ask.
func (f *fixture) known() bool {
	f.API.rules.mu.Lock()
	defer f.API.rules.mu.Unlock()
	f.proposals.mu.Lock()
	defer f.proposals.mu.Unlock()
	return f.index.Known() || f.surveys.Known() || f.API.rules.last != nil || f.proposals.last != nil
}

// TestForget: what is made for those who ask is kept while they do, and some minutes longer.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.fill()
		asks := map[string]func() error{
			"names":       func() error { _, err := f.Names(t.Context(), NamesQuery{}); return err },
			"rules":       func() error { _, err := f.Rules(t.Context(), RulesQuery{}); return err },
			"cardinality": func() error { _, err := f.Cardinality(t.Context(), CardinalityQuery{}); return err },
			"learn":       func() error { _, err := f.Learn(t.Context()); return err },
		}
		for name, ask := range asks {
			for range 3 {
				if err := ask(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(forgetAfter - 1)
				synctest.Wait()
				if !f.known() {
					t.Errorf("%s: forgotten too early", name)
				}
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if f.known() {
				t.Errorf("%s: not forgotten", name)
			}
		}
	})
}
