package overview

import (
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

const ownPrefix = "loggregator_exporter_"

// ownMetrics are the exporter's own metrics at one moment: gauges and counters by name, without the prefix, and those
// counters whose last hour is remembered.
type ownMetrics struct {
	at      time.Time
	samples map[string][]ownSample
	counts  map[Column]float64
}

// ownSample is one series of them.
type ownSample struct {
	labels []*dto.LabelPair
	value  float64
}

// setting is the value of the label of that name.
func (s *ownSample) setting() string {
	for _, l := range s.labels {
		if l.GetName() == "setting" {
			return l.GetValue()
		}
	}
	return ""
}

// gather reads the exporter's own metrics. What cannot be gathered is left out: scrapes report that.
func (m *Monitor) gather() *ownMetrics {
	own := &ownMetrics{at: time.Now(), samples: map[string][]ownSample{}, counts: map[Column]float64{}}
	m.counts(func(c Column, value float64) { own.counts[c] = value })
	families, _ := m.options.Own.Gather()
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), ownPrefix)
		for _, one := range f.GetMetric() {
			s := ownSample{labels: one.GetLabel()}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				s.value = one.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				s.value = one.GetGauge().GetValue()
			default:
				continue
			}
			own.samples[name] = append(own.samples[name], s)
		}
	}
	return own
}

// value returns the sum of all series of a name; ok is false if there are none.
func (o *ownMetrics) value(name string) (sum float64, ok bool) {
	for _, s := range o.samples[name] {
		sum += s.value
	}
	return sum, len(o.samples[name]) > 0
}
