package remotewrite

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	reasonQueueFull = "queue_full"
	reasonStopped   = "stopped"
)

// metrics are named and meant as those of Prometheus' own queue manager (prometheus_remote_storage_*) are. Of the samples
// that rounds have collected, each is pending or ends in exactly one of samples, failed and dropped.
type metrics struct {
	samples, failed, retried    prometheus.Counter
	droppedSamples              *prometheus.CounterVec
	metadata, failedMetadata    prometheus.Counter
	retriedMetadata             prometheus.Counter
	droppedMetadata             *prometheus.CounterVec
	pending, pendingMetadata    prometheus.Gauge
	queueBytes, queueCapacity   prometheus.Gauge
	bytes, stale                prometheus.Counter
	gatherErrors, omitted       prometheus.Counter
	shards, maxSamples          prometheus.Gauge
	highest, highestSent, round prometheus.Gauge
	duration                    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	var all []prometheus.Collector
	keep := func(c prometheus.Collector) { all = append(all, c) }
	name := func(n string) string { return "loggregator_exporter_remote_write_" + n }
	counter := func(n, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name(n), Help: help})
		keep(c)
		return c
	}
	gauge := func(n, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name(n), Help: help})
		keep(g)
		return g
	}
	reasons := func(n, help string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name(n), Help: help}, []string{"reason"})
		for _, r := range []string{reasonQueueFull, reasonStopped} {
			v.WithLabelValues(r)
		}
		keep(v)
		return v
	}
	m := &metrics{
		samples:         counter("samples_total", "Samples that the receiver took."),
		failed:          counter("samples_failed_total", "Samples that the receiver refused for good."),
		retried:         counter("samples_retried_total", "Samples that were sent again after an error that may pass."),
		droppedSamples:  reasons("samples_dropped_total", "Samples that were dropped before the receiver took or refused them."),
		metadata:        counter("metadata_total", "Metadata entries that the receiver took (protocol 1.0)."),
		failedMetadata:  counter("metadata_failed_total", "Metadata entries that the receiver refused for good (protocol 1.0)."),
		retriedMetadata: counter("metadata_retried_total", "Metadata entries that were sent again after an error that may pass (protocol 1.0)."),
		droppedMetadata: reasons("metadata_dropped_total", "Metadata entries that were dropped before the receiver took or refused them (protocol 1.0)."),
		pending:         gauge("samples_pending", "Samples that wait in the queue or are being sent."),
		pendingMetadata: gauge("metadata_pending", "Metadata entries that wait in the queue or are being sent (protocol 1.0)."),
		queueBytes:      gauge("queue_bytes", "Bytes of compressed batches that wait in the queue."),
		queueCapacity:   gauge("queue_capacity_bytes", "Most bytes of compressed batches that may wait in the queue."),
		bytes:           counter("bytes_total", "Bytes of requests sent, compressed, repetitions included."),
		stale:           counter("stale_markers_total", "Samples among those collected that mark the end of a series."),
		gatherErrors:    counter("gather_errors_total", "Rounds from which some of the exporter's own metrics are missing."),
		omitted:         counter("families_omitted_total", "Families left out of rounds, mostly because their names, escaped, belong to another family; named in the log."),
		shards:          gauge("shards", "Requests that may be under way at a time."),
		maxSamples:      gauge("max_samples_per_send", "Most samples in a request."),
		highest:         gauge("highest_timestamp_seconds", "Highest timestamp of all samples collected."),
		highestSent:     gauge("queue_highest_sent_timestamp_seconds", "Highest timestamp of all samples that the receiver took."),
		round:           gauge("round_duration_seconds", "How long the last round took to read and encode all series, waiting for room in the queue included."),
	}
	m.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name("sent_batch_duration_seconds"), Help: "Time that requests took.",
		Buckets: append(prometheus.DefBuckets, 25, 60, 120, 300),
	})
	keep(m.duration)
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics of remote_write: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) queued(b *batch, sign, queueBytes int) {
	g := m.pending
	if b.content == contentMetadata {
		g = m.pendingMetadata
	}
	g.Add(float64(sign * b.count))
	m.queueBytes.Set(float64(queueBytes))
}

func (m *metrics) dropped(c content, n int, reason string) {
	v := m.droppedSamples
	if c == contentMetadata {
		v = m.droppedMetadata
	}
	v.WithLabelValues(reason).Add(float64(n))
}

func (m *metrics) taken(c content, n int) {
	if c == contentMetadata {
		m.metadata.Add(float64(n))
		return
	}
	m.samples.Add(float64(n))
}

func (m *metrics) refused(c content, n int) {
	if c == contentMetadata {
		m.failedMetadata.Add(float64(n))
		return
	}
	m.failed.Add(float64(n))
}

func (m *metrics) repeated(c content, n int) {
	if c == contentMetadata {
		m.retriedMetadata.Add(float64(n))
		return
	}
	m.retried.Add(float64(n))
}
