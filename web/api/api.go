package api

import (
	"context"
	"log/slog"

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
}

// New makes an API. It starts nothing.
func New(o Options) *API {
	return &API{options: o, usual: newGate(usual), heavy: newGate(heavy), index: live.NewIndex(o.Store)}
}

// Run keeps the history of the last hour until ctx is done, and returns nil then.
func (a *API) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
