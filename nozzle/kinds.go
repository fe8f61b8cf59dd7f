package nozzle

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/metric"
)

// sampleKind is what a sample measures, as far as an operator tells the streams of a foundation apart.
type sampleKind uint8

const (
	kindGauge sampleKind = iota
	kindContainer
	kindCounter
	kindHTTP
	kindTimer
	kindHistogram
	kindSummary

	numSampleKinds
)

var sampleKindNames = [numSampleKinds]string{"gauge", "container", "counter", "http", "timer", "histogram", "summary"}

// kindCounts counts samples by kind, without locks: it belongs to one goroutine.
type kindCounts [numSampleKinds]uint64

// add counts the samples of an envelope.
func (c *kindCounts) add(e *metric.Envelope) {
	switch e.Kind {
	case metric.KindGauge:
		for i := range e.Points {
			if metric.IsContainerMetric(e.Points[i].Name) {
				c[kindContainer]++
			} else {
				c[kindGauge]++
			}
		}
	case metric.KindCounter:
		c[kindCounter]++
	case metric.KindTimer:
		if string(e.Name) == "http" {
			c[kindHTTP]++
		} else {
			c[kindTimer]++
		}
	case metric.KindHistogram:
		c[kindHistogram]++
	case metric.KindSummary:
		c[kindSummary]++
	case metric.KindNone, metric.KindLog, metric.KindEvent:
	}
}

// kindAccount is what all sources received, by kind. It is safe for concurrent use.
type kindAccount struct {
	counts, last [numSampleKinds]atomic.Uint64 // last: arrival in nanoseconds since the epoch; 0 if never

	received, lastReceived *prometheus.Desc
}

func newKindAccount() *kindAccount {
	return &kindAccount{
		received: prometheus.NewDesc(metricPrefix+"received_samples_total",
			"Samples that the filters let pass, by what they measure.", []string{"kind"}, nil),
		lastReceived: prometheus.NewDesc(metricPrefix+"last_sample_timestamp_seconds",
			"Unix time at which a sample of the kind was last received; 0 if never.", []string{"kind"}, nil),
	}
}

// flush adds counts, and empties them. Kinds that did not come cost no atomic operation.
func (a *kindAccount) flush(c *kindCounts, now int64) {
	for i, n := range c {
		if n > 0 {
			a.counts[i].Add(n)
			a.last[i].Store(uint64(max(now, 0)))
			c[i] = 0
		}
	}
}

func (a *kindAccount) describe(ch chan<- *prometheus.Desc) {
	ch <- a.received
	ch <- a.lastReceived
}

func (a *kindAccount) collect(ch chan<- prometheus.Metric) {
	for i, kind := range sampleKindNames {
		last := float64(a.last[i].Load()) / float64(time.Second)
		ch <- prometheus.MustNewConstMetric(a.received, prometheus.CounterValue, float64(a.counts[i].Load()), kind)
		ch <- prometheus.MustNewConstMetric(a.lastReceived, prometheus.GaugeValue, last, kind)
	}
}
