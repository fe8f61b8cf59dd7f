package compat

import (
	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// collector shows what the exporter knows of a store of the dialect that stands beside its own.
type collector struct {
	store    *store.Store
	received *Received

	series, families, samples, refused *prometheus.Desc
}

// NewCollector makes the collector of the exporter's own metrics on a store of the dialect: it is for stores whose own Collector would
// repeat the names of another store's.
func NewCollector(s *store.Store, r *Received) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("loggregator_exporter_compatibility_"+name, help, labels, nil)
	}
	return &collector{
		store: s, received: r,
		series:   desc("series", "Series that are exposed now by the names of metrics.compatibility."),
		families: desc("families", "Metric families that are exposed now by the names of metrics.compatibility."),
		samples:  desc("samples_total", "Samples by what became of them by the names of metrics.compatibility.", "outcome"),
		refused: desc("refused_samples_total",
			"Samples that the names of metrics.compatibility have no place for, by name; beyond 100 names an outcome the rest is counted together, without a name.",
			"outcome", "metric", "raw_name"),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.series, c.families, c.samples, c.refused} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	stats := c.store.Stats()
	ch <- prometheus.MustNewConstMetric(c.series, prometheus.GaugeValue, float64(stats.Series))
	ch <- prometheus.MustNewConstMetric(c.families, prometheus.GaugeValue, float64(stats.Families))
	for outcome, n := range c.received.samples() {
		ch <- prometheus.MustNewConstMetric(c.samples, prometheus.CounterValue, float64(n), metric.Outcome(outcome).String())
	}
	for _, r := range c.store.Refusals() {
		ch <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(r.Count), r.Outcome.String(), r.Metric, r.RawName)
	}
}
