package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	buildinfo "github.com/prometheus/client_golang/prometheus/collectors/version"

	"loggregator_exporter/config"
)

const program = "loggregator_exporter"

// newRegistry returns a registry with what is not any stage's own: the build and the process.
func newRegistry() (*prometheus.Registry, error) {
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		buildinfo.NewCollector(program),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics of the process: %w", err)
		}
	}
	return reg, nil
}

// withEnvironment registers metrics of the exporter with the label environment of metrics.environment, as the series
// of the foundation have it.
func withEnvironment(reg prometheus.Registerer, m *config.Metrics) prometheus.Registerer {
	if m.Environment == "" {
		return reg
	}
	return prometheus.WrapRegistererWith(prometheus.Labels{"environment": m.Environment}, reg)
}
