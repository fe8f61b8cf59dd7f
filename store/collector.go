package store

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats are the store's numbers at one moment.
type Stats struct {
	Series        int // exposed series
	Families      int
	UntaggedNames int // raw names that no rule matched and in which the quarantine found nothing
	// UndescribedNames are those of them that no entry of metrics describes, as their last sender was resolved.
	UndescribedNames int
	Refused          int // entries that are remembered as refused, dropped or joined to another
	Parts            int // entries that are parts of histograms and summaries, or have no series yet
}

// Stats returns the store's numbers.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Series: s.limits.live, Families: s.families.count(), UntaggedNames: s.entries.untagged,
		UndescribedNames: s.entries.undescribed,
		Refused:          s.limits.others, Parts: s.limits.parts,
	}
}

// Refusals lists what was refused, by name, bounded; entries that count nothing are left out.
func (s *Store) Refusals() []Refusal {
	all, by := s.refused()
	for i := range all {
		all[i].explain(by)
	}
	return all
}

// refused is Refusals without the reasons that are made from rivals, which take some microseconds each.
func (s *Store) refused() ([]Refusal, Resolver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return withSamples(s.refusals.all), s.resolver
}

// withSamples returns a copy of those that have counted something.
func withSamples(all []Refusal) []Refusal {
	return slices.DeleteFunc(slices.Clone(all), func(r Refusal) bool { return r.Count == 0 })
}

// collector shows the store's own metrics.
type collector struct {
	store *Store

	series, families, untagged, refused, overrides *prometheus.Desc
	metricSeries, labelValues, ownerSeries         *prometheus.Desc
}

// Collector returns the collector of the store's self-metrics.
func (s *Store) Collector() prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("loggregator_exporter_"+name, help, labels, nil)
	}
	return &collector{
		store: s,
		series: desc(
			"series",
			"Series that are exposed now; a histogram or summary with one set of labels is one, though it has several lines.",
		),
		families: desc("families", "Metric families that are exposed now."),
		untagged: desc("untagged_names", "Raw names that no rule matched and in which the quarantine found nothing."),
		refused: desc("refused_samples_total",
			"Samples that were not stored, by name; beyond 100 names an outcome the rest is counted together, without a name.",
			"outcome", "metric", "raw_name"),
		overrides: desc(
			"label_overrides_total",
			"Series of which a label was set twice with different values, the envelope's of which is kept as "+
				"envelope_<label>; beyond 100 pairs of label and metric the rest is counted together, without names.",
			"label",
			"metric",
		),
		metricSeries: desc("top_metric_series", "Series of the ten metrics that have the most.", "metric"),
		labelValues: desc(
			"top_label_values",
			"Values of the label that has the most, among the first 20,000 series of each of the ten largest metrics.",
			"metric",
			"label",
		),
		ownerSeries: desc(
			"top_owner_series",
			"Series of the ten owners that have the most, where metrics.max_series_per_owner is set.",
			"owner",
		),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.series, c.families, c.untagged, c.refused, c.overrides, c.metricSeries, c.labelValues, c.ownerSeries,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	stats := c.store.Stats()
	gauge := func(d *prometheus.Desc, v int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	gauge(c.series, stats.Series)
	gauge(c.families, stats.Families)
	gauge(c.untagged, stats.UntaggedNames)
	refused, _ := c.store.refused()
	for i := range refused {
		r := &refused[i]
		ch <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(r.Count),
			r.Outcome.String(), r.Metric, r.RawName)
	}
	top := c.store.Offenders()
	for _, o := range top.Metrics {
		ch <- prometheus.MustNewConstMetric(c.metricSeries, prometheus.GaugeValue, float64(o.Series), o.Metric)
		ch <- prometheus.MustNewConstMetric(c.labelValues, prometheus.GaugeValue, float64(o.Values), o.Metric, o.Label)
	}
	shown := map[string]bool{} // of owners that look alike where they are cut the largest
	for _, o := range top.Owners {
		if owner := printable(o.Owner); !shown[owner] {
			shown[owner] = true
			ch <- prometheus.MustNewConstMetric(c.ownerSeries, prometheus.GaugeValue, float64(o.Series), owner)
		}
	}
	c.store.mu.Lock()
	overrides := make(map[overrideKey]uint64, len(c.store.overrides))
	maps.Copy(overrides, c.store.overrides)
	c.store.mu.Unlock()
	for k, n := range overrides {
		ch <- prometheus.MustNewConstMetric(c.overrides, prometheus.CounterValue, float64(n), k.label, k.metric)
	}
}
