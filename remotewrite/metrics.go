package remotewrite

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Values of the label reason.
const (
	reasonQueueFull = "queue_full"
	reasonStopped   = "stopped"
)

// metrics have the names and meanings of those of Prometheus' own queue manager (prometheus_remote_storage_*). Of
// what rounds have collected, each sample, histogram and so on is pending or ends in exactly one of taken, failed
// and dropped.
type metrics struct {
	of                          [numContents]outcomes
	queueBytes                  prometheus.Gauge
	bytes, stale                prometheus.Counter
	gatherErrors, omitted       prometheus.Counter
	highest, highestSent, round prometheus.Gauge
	duration                    prometheus.Histogram
}

// outcomes says what became of one content of requests.
type outcomes struct {
	taken, failed, retried *counter
	dropped                map[string]*counter // by reason
	pending                prometheus.Gauge
}

// counter is a counter that can be read without gathering.
type counter struct {
	prometheus.CounterFunc
	n            atomic.Uint64
	name, reason string // without the prefix; the value of its label, or ""
}

// Counts passes the counters of samples, by name without the prefix and by reason; second is always empty. It
// allocates nothing.
func (p *Pusher) Counts(yield func(name, reason, second string, n uint64)) {
	of := &p.rounds.metrics.of[contentSamples]
	for _, c := range [...]*counter{of.taken, of.failed, of.dropped[reasonQueueFull], of.dropped[reasonStopped]} {
		yield(c.name, c.reason, "", c.n.Load())
	}
}

func newMetrics(reg prometheus.Registerer, o *Options) (*metrics, error) {
	var all []prometheus.Collector
	name := func(n string) string { return "loggregator_exporter_remote_write_" + n }
	plain := func(n, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name(n), Help: help})
		all = append(all, c)
		return c
	}
	gauge := func(n, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name(n), Help: help})
		all = append(all, g)
		return g
	}
	readable := func(n, help, reason string) *counter {
		c, opts := &counter{name: "remote_write_" + n, reason: reason}, prometheus.CounterOpts{Name: name(n), Help: help}
		if reason != "" {
			opts.ConstLabels = prometheus.Labels{"reason": reason}
		}
		c.CounterFunc = prometheus.NewCounterFunc(opts, func() float64 { return float64(c.n.Load()) })
		all = append(all, c)
		return c
	}
	m := &metrics{
		queueBytes: gauge("queue_bytes", "Bytes of compressed batches that wait in the queue."),
		bytes:      plain("bytes_total", "Bytes of requests sent, compressed, repetitions included."),
		stale: plain("stale_markers_total",
			"Samples and native histograms among those collected that mark the end of a series."),
		gatherErrors: plain("gather_errors_total", "Rounds from which some of the exporter's own metrics are missing."),
		omitted: plain("families_omitted_total", "Families left out of rounds, mostly because their names, escaped, "+
			"belong to another family; named in the log."),
		highest: gauge("highest_timestamp_seconds", "Highest timestamp of all samples collected."),
		highestSent: gauge("queue_highest_sent_timestamp_seconds",
			"Highest timestamp of all samples that the receiver took or refused for good."),
		round: gauge("round_duration_seconds", "How long the last round took to read and encode all series, waiting "+
			"for room in the queue included."),
	}
	gauge("queue_capacity_bytes", "Most bytes of compressed batches that may wait in the queue.").
		Set(float64(o.QueueMaxBytes))
	gauge("shards", "Requests that may be under way at a time.").Set(float64(o.Shards))
	gauge("max_samples_per_send", "Most samples in a request.").Set(float64(o.MaxSamplesPerSend))
	for c, words := range [...]struct{ name, what, end string }{
		contentSamples:    {"samples", "Samples", "."},
		contentHistograms: {"histograms", "Native histograms", "."},
		contentExemplars:  {"exemplars", "Exemplars", "."},
		contentMetadata:   {"metadata", "Metadata entries", " (protocol 1.0)."},
	} {
		n, help := words.name, func(text string) string { return words.what + " that " + text + words.end }
		m.of[c] = outcomes{
			taken:   readable(n+"_total", help("the receiver took"), ""),
			failed:  readable(n+"_failed_total", help("the receiver refused for good"), ""),
			retried: readable(n+"_retried_total", help("were sent again after an error that may pass"), ""),
			pending: gauge(n+"_pending", help("wait in the queue or are being sent")),
			dropped: map[string]*counter{},
		}
		for _, reason := range []string{reasonQueueFull, reasonStopped} {
			m.of[c].dropped[reason] = readable(n+"_dropped_total",
				help("were dropped before the receiver took or refused them"), reason)
		}
	}
	m.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name("sent_batch_duration_seconds"), Help: "Time that requests took.",
		Buckets: append(prometheus.DefBuckets, 25, 60, 120, 300),
	})
	for _, c := range append(all, m.duration) {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics of remote_write: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) queued(b *batch, sign, queueBytes int) {
	for c, n := range b.counts {
		m.of[c].pending.Add(float64(sign * n))
	}
	m.queueBytes.Set(float64(queueBytes))
}

// add adds the counts to a counter of each content.
func (m *metrics) add(all *counts, to func(*outcomes) *counter) {
	for c, n := range all {
		to(&m.of[c]).n.Add(uint64(n))
	}
}

func (m *metrics) dropped(all *counts, reason string) {
	m.add(all, func(o *outcomes) *counter { return o.dropped[reason] })
}

func (m *metrics) taken(all *counts) { m.add(all, func(o *outcomes) *counter { return o.taken }) }

func (m *metrics) refused(all *counts) { m.add(all, func(o *outcomes) *counter { return o.failed }) }

func (m *metrics) retried(all *counts) { m.add(all, func(o *outcomes) *counter { return o.retried }) }

func seconds(milliseconds int64) float64 { return math.Round(float64(milliseconds)) / 1000 }
