package main

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"loggregator_exporter/tagger"
	"loggregator_exporter/web/api"
)

// newAPI makes what the console and the JSON API show of a service.
func newAPI(s *service, r *reloader, own prometheus.Gatherer, log *slog.Logger) *api.API {
	return api.New(api.Options{
		Store: s.stores.main, Own: own, Version: version.Version, Revision: version.GetRevision(), Log: log,
		Rules: func() tagger.Options { return r.inForce.Load().rules },
	})
}
