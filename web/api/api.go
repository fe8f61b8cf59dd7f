package api

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
)

// Options are what an API reads. Functions are called from many goroutines, must not block for long, and return values
// that nobody changes afterwards.
type Options struct {
	// Store holds the series under the exporter's own names, or under those of metrics.compatibility where these stand
	// alone.
	Store *store.Store
	// Own gathers the exporter's own metrics.
	Own prometheus.Gatherer
	// Sources returns the sources in the order of the documentation.
	Sources func() []Source
	// Losses returns what Loggregator itself reports as lost, those that lost most first.
	Losses func() []Loss
	// Rules returns the rule files in force, with their text.
	Rules func() tagger.Options
	// Reload returns the last attempt to load the configuration.
	Reload func() Reload
	// Config returns the settings in force. It may read files.
	Config func() Config
	// Version and Revision are those of the build.
	Version, Revision string
	Log               *slog.Logger
}

// API answers questions about a running exporter. It is safe for concurrent use.
type API struct {
	options Options

	usual, heavy *gate
	index        *live.Index
	rules        ruleIndexes
	proposals    proposals
	recorder     recorder
	scrapers     scrapers
	status       statusCache
	surveys      surveys
	started      time.Time
}

// New makes an API. It starts nothing.
func New(o Options) *API {
	return &API{options: o, usual: newGate(usual), heavy: newGate(heavy), index: live.NewIndex(o.Store), started: time.Now()}
}

// Run keeps the history of the last hour, and the index of names at hand, until ctx is done. It returns nil then.
func (a *API) Run(ctx context.Context) error {
	point := time.NewTicker(historyStep)
	defer point.Stop()
	survey := time.NewTimer(firstSurvey)
	defer survey.Stop()
	a.point()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-point.C:
			a.point()
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

// point adds a point to the history.
func (a *API) point() { a.recorder.record(a.gather(), a.scrapers.point(time.Now())) }

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
