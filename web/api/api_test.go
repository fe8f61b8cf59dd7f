package api

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/web/live"
)

// TestRun: the history of the last hour, the sizes of metrics in it, and long lists are at hand before anybody asks.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.fill()
		f.fillMany()
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
		if !f.hasRulesOf("queue.other.depth") {
			t.Error("the name that came last, or its rules, are not known")
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

// hasRulesOf reports whether the rules of a name are known without asking for them.
func (f *fixture) hasRulesOf(name string) bool {
	x := f.API.rules.last
	return x != nil && slices.ContainsFunc(x.names.Names, func(n live.Name) bool { return n.Name == name })
}

// fillMany sends so many series that they are listed before anybody asks.
func (f *fixture) fillMany() {
	for i := range quickSeries {
		f.gauge("rep", "many", "index", strconv.Itoa(i))
	}
}

// TestTendUnasked: few series are not listed before somebody asks.
func TestTendUnasked(t *testing.T) {
	f := newFixture(t)
	f.fill()
	if f.tend(t.Context()); f.index.Made() || f.surveys.Made() || f.API.rules.last != nil {
		t.Error("lists are made that nobody asks for")
	}
}

// TestTend: lists follow what the store has, and proposals that are old are dropped.
func TestTend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.fill()
		if _, err := f.Learn(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(proposalsAge - 1)
		if f.tend(t.Context()); f.proposals.last == nil {
			t.Error("proposals are dropped too early")
		}
		f.gauge("rep", "came.later")
		time.Sleep(time.Nanosecond)
		if f.tend(t.Context()); f.proposals.last != nil {
			t.Error("old proposals are kept")
		}
		if !f.hasRulesOf("came.later") {
			t.Error("the name that came last, or its rules, are not known")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.surveys.Get(ctx); err != nil {
			t.Error("sizes are not known")
		}
	})
}
