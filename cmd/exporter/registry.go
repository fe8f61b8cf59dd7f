package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	buildinfo "github.com/prometheus/client_golang/prometheus/collectors/version"
)

const program = "loggregator_exporter"

// newRegistry returns a registry with what is not any stage's own: the build, the process, and whether the
// configuration that runs is the one that was last asked for.
func newRegistry() (*prometheus.Registry, error) {
	reg := prometheus.NewRegistry()
	successful := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: program + "_config_last_reload_successful",
		Help: "Whether the last attempt to load the configuration succeeded (1) or not (0).",
	})
	successful.Set(1)
	successTime := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: program + "_config_last_reload_success_timestamp_seconds",
		Help: "Unix time at which the configuration was last loaded.",
	})
	successTime.SetToCurrentTime()
	for _, c := range []prometheus.Collector{
		buildinfo.NewCollector(program),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		successful,
		successTime,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics of the process: %w", err)
		}
	}
	return reg, nil
}
