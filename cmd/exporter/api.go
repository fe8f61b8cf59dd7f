package main

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"loggregator_exporter/exposition"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/api"
)

// newAPI makes what the console and the JSON API show of a service.
func newAPI(s *service, r *reloader, own prometheus.Gatherer, log *slog.Logger) *api.API {
	return api.New(api.Options{
		Store: s.stores.main, Own: own, Version: version.Version, Revision: version.GetRevision(), Log: log,
		Sources: func() []api.Source { return sourcesOf(s.ledger.Reports()) },
		Losses:  func() []api.Loss { return lossesOf(s.ledger.Losses()) },
		Rules:   func() tagger.Options { return r.inForce.Load().rules },
		Reload:  r.report,
		Config:  r.config,
	})
}

// observeScrapes returns what tells the API of scrapes; nil where there is none.
func observeScrapes(a *api.API) func(exposition.Scrape) {
	if a == nil {
		return nil
	}
	return func(s exposition.Scrape) {
		a.ObserveScrape(api.Scrape{
			Remote: s.Remote, UserAgent: s.UserAgent, Format: s.Format, Compression: s.Compression, Outcome: s.Outcome,
			Bytes: s.Bytes, LimitBytes: s.LimitBytes, Duration: s.Duration,
		})
	}
}

func sourcesOf(reports []nozzle.SourceReport) []api.Source {
	sources := make([]api.Source, len(reports))
	for i := range reports {
		r := &reports[i]
		sources[i] = api.Source{
			Name: r.Name, Up: r.Up, Connections: r.Connections, ConnectedSince: r.Opened.UTC(), LastEnvelope: r.Heard.UTC(),
			Received: r.Received, Envelopes: r.Envelopes, Samples: r.Samples, Reconnects: r.Reconnects, Refusals: r.Refusals,
			ClockAheadSeconds: r.ClockAhead.Seconds(), ClockSender: r.ClockSender,
		}
		if f := r.LastFailure; f != nil {
			sources[i].LastError = &api.SourceError{Time: f.At.UTC(), Reason: f.Reason, Advice: f.Advice, Text: f.Text}
		}
	}
	return sources
}

func lossesOf(reports []nozzle.LossReport) []api.Loss {
	losses := make([]api.Loss, len(reports))
	for i, r := range reports {
		losses[i] = api.Loss{Origin: r.Origin, Direction: r.Direction, Count: r.Count}
	}
	return losses
}

// report says how the last attempt to load the configuration went.
func (r *reloader) report() api.Reload {
	last := r.last.Load()
	out := api.Reload{Successful: last.err == nil, LastSuccess: last.success.UTC(), LastAttempt: last.at.UTC()}
	if last.err != nil {
		out.Error = last.err.Error()
	}
	return out
}
