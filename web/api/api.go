package api

import (
	"context"
	"sync"
	"time"

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
	// Filtered returns the key of the setting that leaves out an envelope of one metric, whose name is its Name; "" if it is
	// kept. nil keeps all.
	Filtered func(e *metric.Envelope) (by string)
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
	surveys      surveys
}

// New makes an API. It starts nothing.
func New(o Options) *API {
	return &API{
		Monitor: overview.New(o.Options), options: o, usual: newGate(usual), heavy: newGate(heavy),
		index: live.NewIndex(o.Store),
	}
}

// Run keeps the history of the last hour, and the index of names at hand, until ctx is done. It returns nil then.
func (a *API) Run(ctx context.Context) error {
	var history sync.WaitGroup
	history.Go(func() { _ = a.Monitor.Run(ctx) }) // it never fails
	defer history.Wait()
	survey := time.NewTimer(firstSurvey)
	defer survey.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-survey.C:
			began := time.Now()
			a.survey(ctx)
			survey.Reset(max(surveyEvery, surveyRest*time.Since(began)))
		}
	}
}

const (
	// firstSurvey is when names are listed first: by then most have come.
	firstSurvey = 20 * time.Second
	surveyEvery = time.Minute
	// surveyRest is how many times as long as a survey takes it rests at least.
	surveyRest = 50
)

// survey keeps what takes long the first time ready for whoever asks. It fails when ctx is done only.
func (a *API) survey(ctx context.Context) {
	s, err := a.index.Renew(ctx)
	if err != nil {
		return
	}
	_, _ = a.ruleIndex(ctx, s)
	a.surveys.mu.Lock()
	defer a.surveys.mu.Unlock()
	_, _ = a.newSurvey(ctx)
}
