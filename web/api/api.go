package api

import (
	"context"
	"sync"
	"time"

	"loggregator_exporter/internal/beat"
	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// Options are what an API reads. Functions are called from many goroutines, must not block for long, and return values
// that nobody changes afterwards.
type Options struct {
	overview.Options

	// Rules returns the rule files in force, with their text.
	Rules func() tagger.Options
	// Config returns the settings in force. It may read files.
	Config func() Config
	// Filtered returns the key of the setting that leaves out an envelope of one metric, whose name is its Name; "" if it
	// is kept. nil keeps all.
	Filtered func(e *metric.Envelope) (by string)
	// LeftOut returns what was filtered before it came to the store, by name; nil for nothing.
	LeftOut func() []live.LeftOut
	// Revision is that of the build.
	Revision string
}

// API answers questions about a running exporter. It is safe for concurrent use.
type API struct {
	*overview.Monitor

	options Options

	usual, heavy *gate
	index        *live.Index
	rules        ruleIndexes
	proposals    proposals
	surveys      live.Cache[sizes]
	growth       growth
}

// New makes an API. It starts nothing.
func New(o Options) *API {
	a := &API{
		Monitor: overview.New(o.Options), options: o, usual: newGate(usual), heavy: newGate(heavy),
		index: live.NewIndex(o.Store, o.LeftOut),
	}
	a.surveys.Make = a.survey
	return a
}

// Run keeps the history of the last hour, and the sizes of metrics in it, and the lists that answers are made of,
// until ctx is done. It returns nil then.
func (a *API) Run(ctx context.Context) error {
	var history sync.WaitGroup
	history.Go(func() { _ = a.Monitor.Run(ctx) }) // it never fails
	defer history.Wait()
	first := beat.Next(time.Minute)
	if first < leastGrowth {
		first += time.Minute
	}
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			a.growth.note(time.Now(), familySizes(a.options.Store))
			a.tend(ctx)
			timer.Reset(beat.Next(growthStep))
		}
	}
}

// quickSeries is how many series there may be for their first lists to be made while somebody waits.
const quickSeries = 10_000

// tend lists anew what answers are made of, so that who asks after a pause finds it. An exporter of few series has no
// lists until somebody asks.
func (a *API) tend(ctx context.Context) {
	a.proposals.forgetOld()
	if a.options.Store.Stats().Series < quickSeries && !a.index.Made() {
		return
	}
	a.index.Tend()
	a.surveys.Tend()
	if names, err := a.index.Get(ctx); err == nil {
		_, _ = a.indexRules(ctx, names) // fails only where ctx is done
	}
}

// snapshot returns the names.
func (a *API) snapshot(ctx context.Context) (*live.Snapshot, error) {
	s, err := shared(ctx, a.index.Get)
	if err != nil {
		return nil, canceled(ctx)
	}
	return s, nil
}
