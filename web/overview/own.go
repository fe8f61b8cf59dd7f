package overview

import (
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

const ownPrefix = "loggregator_exporter_"

// ownMetrics are the exporter's own metrics at one moment: gauges and counters by name, without the prefix.
type ownMetrics struct {
	at      time.Time
	samples map[string][]ownSample
}

// ownSample is one series of them.
type ownSample struct {
	labels []*dto.LabelPair
	value  float64
}

// label returns the value of a label.
func (s *ownSample) label(name string) string {
	for _, l := range s.labels {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// gather reads the exporter's own metrics. What cannot be gathered is left out: scrapes report that.
func (m *Monitor) gather() *ownMetrics {
	own := &ownMetrics{at: time.Now(), samples: map[string][]ownSample{}}
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

// column names the series of a metric in the history, by pairs of label and value in the order of labels.
func column(name string, pairs ...string) string {
	return strings.Join(append([]string{name}, pairs...), "\xff")
}

// column names the series. The label environment, which all have if any has it, is left out.
func (s *ownSample) column(name string) string {
	var pairs []string
	for _, l := range s.labels {
		if l.GetName() != "environment" {
			pairs = append(pairs, l.GetName(), l.GetValue())
		}
	}
	return column(name, pairs...)
}
