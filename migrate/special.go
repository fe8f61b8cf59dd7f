package migrate

import (
	"errors"
	"regexp"
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
	// before and after stand around the new series.
	before, after string
	// buckets are the upper bounds of those of the old histogram, and of the new one.
	buckets, newBuckets []float64
	// older: the name is one of versions of firehose_exporter before 7, whose requests had the label bosh_deployment.
	older bool
	// codes: the old series of requests have the status code.
	codes bool
}

// goneNames are the names that firehose_exporter has of itself, or had, and why there is nothing to translate them to.
var goneNames = []struct {
	names  *regexp.Regexp
	reason string
}{
	{
		regexp.MustCompile(`^(?:container_metric|counter_event|http_metric|http_start_stop|value_metric)s?_cached$`),
		"there are no caches by kind: see loggregator_exporter_series for all series",
	},
	{regexp.MustCompile(`^(?:total_envelopes_dropped|dropped_messages)$`), "there is no queue that could drop any"},
	{
		regexp.MustCompile(`^http_start_stop_client_request_duration_seconds(?:_sum|_count)?$`),
		"requests are counted once here, by the gorouter's timer as a server: it no longer sends one as a client",
	},
	{
		regexp.MustCompile(`^http_start_stop_last_request_timestamp$`),
		"when an app was requested last is not kept: see loggregator_exporter_last_sample_timestamp_seconds for all requests",
	},
}

// selectSpecial fills a translation of a name, without the namespace, that no component emits.
func (m *Migrator) selectSpecial(s *translation, name string) (bool, error) {
	// With --retro_compat.disable a container metric has its raw name alone.
	if found := m.names.byOld[m.old.Name("", name, metric.KindGauge)]; len(found) > 0 && found[0].anywhere {
		return true, m.take(s, found, nil, "")
	}
	name = strings.Replace(name, "_processed", "_received", 1) // of older versions
	if m.selectHTTP(s, name) || m.selectOwn(s, name) {
		return true, nil
	}
	for _, gone := range goneNames {
		if gone.names.MatchString(name) {
			return true, errors.New(gone.reason)
		}
	}
	return false, nil
}

// ownMetrics are those that firehose_exporter has of itself.
var ownMetrics = map[string]ownMetric{
	"total_envelopes_received": {
		metric: "envelopes_total", matchers: []*matcher{{label: "outcome", values: []string{"converted"}}},
		split: "without (source, outcome)", join: "sum",
	},
	"total_metrics_received": {
		metric:   "received_samples_total",
		matchers: []*matcher{{label: "kind", values: []string{"container", "counter", "gauge", "http"}}},
		split:    "without (kind)", join: "sum",
	},
	"total_metrics_dropped": {
		metric:   "samples_total",
		matchers: []*matcher{{label: "outcome", values: []string{"conflict", "over_limit", "invalid"}}},
		split:    "without (outcome)", join: "sum",
	},
	"last_envelope_received_timestamp": {
		metric: "source_last_envelope_timestamp_seconds", split: "without (source)", join: "max",
	},
	"last_metric_received_timestamp": {
		metric: "source_last_envelope_timestamp_seconds", split: "without (source)", join: "max",
	},
	"total_container_metrics_received": ofKind("received_samples_total", "container"),
	"total_counter_events_received":    ofKind("received_samples_total", "counter"),
	"total_value_metrics_received":     ofKind("received_samples_total", "gauge"),

	"last_container_metric_received_timestamp": ofKind("last_sample_timestamp_seconds", "container"),
	"last_counter_event_received_timestamp":    ofKind("last_sample_timestamp_seconds", "counter"),
	"last_value_metric_received_timestamp":     ofKind("last_sample_timestamp_seconds", "gauge"),
	"last_http_metric_received_timestamp":      ofKind("last_sample_timestamp_seconds", "http"),
	"last_http_start_stop_received_timestamp":  ofKind("last_sample_timestamp_seconds", "http"),

	"slow_consumer_alert": {
		metric: "upstream_dropped_total", matchers: []*matcher{{label: "direction", values: []string{"egress"}}},
		before: "sgn(sum without (direction, origin) (increase(", after: "[5m])))",
		note: "the alert of a slow consumer is 1 here where Loggregator lost envelopes in the last five minutes since " +
			"readers were too slow",
	},
}

func ofKind(metric, kind string) ownMetric {
	return ownMetric{metric: metric, matchers: []*matcher{{label: "kind", values: []string{kind}}}}
}

// ownMetric is a metric of this exporter, without its prefix.
type ownMetric struct {
	metric      string
	matchers    []*matcher
	split, join string

	before, after, note string
}

func (m *Migrator) selectOwn(s *translation, name string) bool {
	if name == "total_http_start_stop_received" || name == "total_http_metrics_received" {
		m.selectHTTP(s, "http_total")
		s.identity = nil
		s.special = &special{split: "by (environment, instance, job)", join: "sum"}
		return true
	}
	own, ok := ownMetrics[name]
	if !ok {
		return false
	}
	s.special = &special{split: own.split, join: own.join, before: own.before, after: own.after}
	if own.note != "" {
		s.notes = append(s.notes, own.note)
	}
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
	tags := []metric.Label{{Name: labelOrigin, Value: "gorouter"}}
	id := &store.Identity{Kind: metric.KindTimer, Name: "http", Tags: tags}
	found, suffix := false, ""
	if name == "http_total" || name == "http_start_stop_requests" || name == "http_start_stop_request_total" {
		found, suffix = true, "_count"
	}
	requests := &special{coarse: true, older: strings.HasPrefix(name, "http_start_stop_"), codes: suffix != ""}
	for _, f := range httpFamilies {
		rest, ok := strings.CutPrefix(name, f.old)
		switch {
		case !ok:
		case rest == "_sum", rest == "_count", rest == "_bucket" && !f.summary:
			found, suffix, id.ResponseSize, requests.codes = true, rest, f.size, f.size
		case rest == "" && f.summary:
			found, suffix, id.ResponseSize, requests.quantile, requests.codes = true, "_bucket", f.size, true, f.size
		}
	}
	if !found {
		return false
	}
	family := m.new.Explain(id, nil)
	if suffix == "_bucket" && !requests.quantile {
		was := *id
		was.Name = "http_duration_seconds"
		requests.buckets, requests.newBuckets = m.old.Resolve(&was).Buckets, family.Buckets
	}
	s.special, s.identity = requests, id
	s.matchers = []*matcher{{label: labelName, values: []string{family.Metric + suffix}}}
	return true
}
