package migrate

import (
	"errors"
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// special says how series stand to those of firehose_exporter that are no gauge or counter of a component.
type special struct {
	// coarse: one new series is the sum of several old ones, which had more labels.
	coarse bool
	// quantile: the old series are quantiles of a summary, the new ones buckets of a histogram.
	quantile bool
	// split: several new series are one old one, which the aggregation join makes of them.
	split string // by or without, with labels
	join  string
}

const clientReason = "requests are counted once here, by the gorouter's timer as a server; " +
	"those of its timer as a client are left out"

const (
	byKindReason     = "envelopes are counted by source and outcome, not by kind: see loggregator_exporter_envelopes_total"
	lastOfKindReason = "the last envelope is told by source, not by kind: see " +
		"loggregator_exporter_source_last_envelope_timestamp_seconds"
)

// goneReasons say of names that firehose_exporter itself has no longer why there is nothing to translate them to.
var goneReasons = map[string]string{
	"container_metrics_cached":                              "there are no caches",
	"counter_events_cached":                                 "there are no caches",
	"http_start_stop_cached":                                "there are no caches",
	"value_metrics_cached":                                  "there are no caches",
	"http_start_stop_client_request_duration_seconds":       clientReason,
	"http_start_stop_client_request_duration_seconds_sum":   clientReason,
	"http_start_stop_client_request_duration_seconds_count": clientReason,
	"slow_consumer_alert":                                   "streams tell no slow consumers: see loggregator_exporter_upstream_dropped_total",
	"total_envelopes_dropped":                               "there is no queue that could drop any",
	"dropped_messages":                                      "there is no queue that could drop any",
	"total_container_metrics_received":                      byKindReason,
	"total_counter_events_received":                         byKindReason,
	"total_value_metrics_received":                          byKindReason,
	"last_container_metric_received_timestamp":              lastOfKindReason,
	"last_counter_event_received_timestamp":                 lastOfKindReason,
	"last_http_start_stop_received_timestamp":               lastOfKindReason,
	"last_value_metric_received_timestamp":                  lastOfKindReason,
}

// bareContainers are the names that container metrics have with --retro_compat.disable.
var bareContainers = []string{"cpu", "memory", "disk", "memory_quota", "disk_quota"}

// selectSpecial fills a translation of a name, without the namespace, that no component emits.
func (m *Migrator) selectSpecial(s *translation, name string) (bool, error) {
	name = strings.Replace(name, "_processed", "_received", 1) // of older versions
	if reason, gone := goneReasons[name]; gone {
		return true, errors.New(reason)
	}
	if slices.Contains(bareContainers, name) {
		return true, m.take(s, m.names.lookUp(m.old.Name("", name, metric.KindGauge)), nil, "")
	}
	return m.selectHTTP(s, name) || m.selectOwn(s, name), nil
}

// ownMetrics are those that firehose_exporter has of itself.
var ownMetrics = map[string]ownMetric{
	"total_envelopes_received": {
		metric: "envelopes_total", matchers: []*matcher{{label: "outcome", values: []string{"converted"}}},
		split: "without (source, outcome)", join: "sum",
	},
	"total_metrics_received": {
		metric: "samples_total", matchers: []*matcher{{label: "outcome", values: []string{"duplicate"}, not: true}},
		split: "without (outcome)", join: "sum",
	},
	"last_envelope_received_timestamp": {
		metric: "source_last_envelope_timestamp_seconds", split: "without (source)", join: "max",
	},
	"last_metric_received_timestamp": {
		metric: "source_last_envelope_timestamp_seconds", split: "without (source)", join: "max",
	},
}

// ownMetric is a metric of this exporter, without its prefix.
type ownMetric struct {
	metric      string
	matchers    []*matcher
	split, join string
}

func (m *Migrator) selectOwn(s *translation, name string) bool {
	if name == "total_http_start_stop_received" || name == "total_http_metrics_received" {
		m.selectHTTP(s, "http_total")
		s.of = subject{}
		s.special = &special{split: "by (environment, instance, job)", join: "sum"}
		return true
	}
	own, ok := ownMetrics[name]
	if !ok {
		return false
	}
	s.special = &special{split: own.split, join: own.join}
	name = "loggregator_exporter_" + own.metric
	s.matchers = append([]*matcher{{label: labelName, values: []string{name}}}, own.matchers...)
	return true
}

// httpFamilies are the families of requests, old and older.
var httpFamilies = []struct {
	old     string
	size    bool // of responses; else durations
	summary bool
}{
	{"http_start_stop_server_request_duration_seconds", false, true},
	{"http_duration_seconds", false, false},
	{"http_start_stop_response_size_bytes", true, true},
	{"http_response_size_bytes", true, true},
}

func (m *Migrator) selectHTTP(s *translation, name string) bool {
	id := &store.Identity{Kind: metric.KindTimer, Name: "http", Tags: []metric.Label{{Name: labelOrigin, Value: "gorouter"}}}
	found, suffix := false, ""
	if name == "http_total" || name == "http_start_stop_requests" {
		found, suffix = true, "_count"
	}
	s.special = &special{coarse: true}
	for _, f := range httpFamilies {
		rest, ok := strings.CutPrefix(name, f.old)
		switch {
		case !ok:
		case rest == "_sum", rest == "_count", rest == "_bucket" && !f.summary:
			found, suffix, id.ResponseSize = true, rest, f.size
		case rest == "" && f.summary:
			found, suffix, id.ResponseSize, s.special.quantile = true, "_bucket", f.size, true
		}
	}
	if !found {
		s.special = nil
		return false
	}
	family := m.new.Explain(id, nil)
	s.of = subject{id}
	s.matchers = []*matcher{{label: labelName, values: []string{family.Metric + suffix}}}
	return true
}
