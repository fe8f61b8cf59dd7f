package nozzle

import (
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// pairs takes every second timer for a duplicate, as the gorouter's timer as a client is.
type pairs struct {
	nullSink
	timers int
}

func (p *pairs) Add(e *metric.Envelope, tally *metric.Tally) {
	if e.Kind == metric.KindTimer {
		if p.timers++; p.timers%2 == 0 {
			tally[metric.Duplicate]++
			return
		}
	}
	p.nullSink.Add(e, tally)
}

// TestReceivedKinds: each sample counts as what it measures, whichever source brought it, and the last of a kind is
// remembered.
func TestReceivedKinds(t *testing.T) {
	l, reg := newTestLedger(t)
	gauge := func(names ...string) *loggregator_v2.Envelope {
		values := map[string]*loggregator_v2.GaugeValue{}
		for _, name := range names {
			values[name] = &loggregator_v2.GaugeValue{Value: 1}
		}
		return &loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: values}}}
	}
	timer := func(name string) *loggregator_v2.Envelope {
		return &loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{Name: name, Stop: 1}}}
	}
	counter := &loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: "x"}}}
	log := &loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{}}}
	NewIntake(l.Source("rlp"), &nullSink{}).V2(wiretest.BatchOf(t,
		gauge("cpu", "memory", "disk", "memory_quota", "disk_quota", "absolute_usage"), counter, counter, timer("other"), log),
		time.Unix(100, 0))
	NewIntake(l.Source("gateway"), &pairs{}).V2(wiretest.BatchOf(t, gauge("x", "y"), timer("http"), timer("http")),
		time.Unix(160, 0))
	requireMetrics(t, reg, `
# HELP loggregator_exporter_last_sample_timestamp_seconds Unix time at which a sample of the kind was last received; 0 if never.
# TYPE loggregator_exporter_last_sample_timestamp_seconds gauge
loggregator_exporter_last_sample_timestamp_seconds{kind="container"} 100
loggregator_exporter_last_sample_timestamp_seconds{kind="counter"} 100
loggregator_exporter_last_sample_timestamp_seconds{kind="gauge"} 160
loggregator_exporter_last_sample_timestamp_seconds{kind="histogram"} 0
loggregator_exporter_last_sample_timestamp_seconds{kind="http"} 160
loggregator_exporter_last_sample_timestamp_seconds{kind="summary"} 0
loggregator_exporter_last_sample_timestamp_seconds{kind="timer"} 100
# HELP loggregator_exporter_received_samples_total Samples that the filters let pass, by what they measure.
# TYPE loggregator_exporter_received_samples_total counter
loggregator_exporter_received_samples_total{kind="container"} 5
loggregator_exporter_received_samples_total{kind="counter"} 2
loggregator_exporter_received_samples_total{kind="gauge"} 3
loggregator_exporter_received_samples_total{kind="histogram"} 0
loggregator_exporter_received_samples_total{kind="http"} 1
loggregator_exporter_received_samples_total{kind="summary"} 0
loggregator_exporter_received_samples_total{kind="timer"} 1
`, metricPrefix+"received_samples_total", metricPrefix+"last_sample_timestamp_seconds")
}
