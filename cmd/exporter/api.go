package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/filter"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/api"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// eventsLast is overview.Options.Recent as text. Tests in a browser let the linker set it, so as not to wait for
// minutes.
var eventsLast string

// newAPI makes what the console and the JSON API show of a service.
func newAPI(s *service, r *reloader, own prometheus.Gatherer) *api.API {
	recent, _ := time.ParseDuration(eventsLast) // empty is the default
	return api.New(api.Options{
		Options: overview.Options{
			Store: s.stores.main, Own: own, Version: version.Version, Reload: r.report,
			Sources: func() []overview.Source { return sourcesOf(s.ledger.Reports()) },
			Losses:  func() []overview.Loss { return lossesOf(s.ledger.Losses()) },
			Counts:  s.counts,
			Recent:  recent,
		},
		Rules:    func() tagger.Options { return r.inForce.Load().rules },
		Config:   func() api.Config { return s.withPorts(r.config()) },
		Filtered: filteredBy(&r.running.Nozzle.Stream),
		LeftOut:  func() []live.LeftOut { return filteredNames(s.ledger.Filtered()) },
		Revision: version.GetRevision(),
	})
}

// filteredBy returns what says which setting leaves a metric out. Filters and selectors change by a restart only.
func filteredBy(o *nozzle.StreamOptions) func(*metric.Envelope) string {
	list, err := filter.New(o.Filters)
	if err != nil {
		list = nil // the options were checked before
	}
	return func(e *metric.Envelope) string { return list.RefusedBy(o.Selectors, e) }
}

// counts passes the counters of the service whose last hour is remembered.
func (s *service) counts(yield func(c overview.Column, value float64)) {
	count := func(name, first, second string, n uint64) {
		yield(overview.Column{Metric: name, First: first, Second: second}, float64(n))
	}
	s.ledger.Counts(count)
	if s.pusher != nil {
		s.pusher.Counts(count)
	}
}

// observeScrapes returns what tells the API of scrapes; nil where there is none.
func observeScrapes(a *api.API) func(exposition.Scrape) {
	if a == nil {
		return nil
	}
	return func(s exposition.Scrape) {
		a.ObserveScrape(overview.Scrape{
			Remote: s.Remote, UserAgent: s.UserAgent, Format: s.Format, Compression: s.Compression, Outcome: s.Outcome,
			Bytes: s.Bytes, LimitBytes: s.LimitBytes, Duration: s.Duration, Omitted: s.Omitted,
		})
	}
}

func sourcesOf(reports []nozzle.SourceReport) []overview.Source {
	sources := make([]overview.Source, len(reports))
	for i := range reports {
		r := &reports[i]
		sources[i] = overview.Source{
			Name: r.Name, Up: r.Up, Connections: r.Connections, ConnectedSince: r.Opened.UTC(), LastEnvelope: r.Heard.UTC(),
			Received: r.Received, Envelopes: r.Envelopes, Samples: r.Samples, Reconnects: r.Reconnects, Refusals: r.Refusals,
			ClockAheadSeconds: r.ClockAhead.Seconds(), ClockSender: r.ClockSender,
			Ignored: ignoredOf(r.Ignored), Malformed: malformedOf(r.Malformed),
		}
		if f := r.LastFailure; f != nil {
			sources[i].LastError = &overview.SourceError{Time: f.At.UTC(), Reason: f.Reason, Advice: f.Advice, Text: f.Text}
		}
	}
	return sources
}

// report says how the last attempt to load the configuration went.
func (r *reloader) report() overview.Reload {
	last := r.last.Load()
	out := overview.Reload{Successful: last.err == nil, LastSuccess: last.success.UTC(), LastAttempt: last.at.UTC()}
	if last.err != nil {
		out.Error = last.err.Error()
	}
	return out
}
