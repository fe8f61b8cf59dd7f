package remotewrite

import (
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"loggregator_exporter/metric"
)

// ownFamily converts a family that client_golang gathered. Points are sorted by labels.
func ownFamily(mf *dto.MetricFamily) (family, []point) {
	f := family{name: mf.GetName(), typ: metric.TypeOf(mf.GetType()), help: mf.GetHelp(), unit: mf.GetUnit()}
	points := make([]point, 0, len(mf.GetMetric()))
	labels := []metric.Label{}
	for _, m := range mf.GetMetric() {
		labels = labels[:0]
		for _, l := range m.GetLabel() {
			labels = append(labels, metric.Label{Name: l.GetName(), Value: l.GetValue()})
		}
		p := ownPoint(m, f.typ)
		p.labels = metric.RenderLabels(labels)
		points = append(points, p)
	}
	slices.SortFunc(points, func(a, b point) int { return strings.Compare(string(a.labels), string(b.labels)) })
	return f, points
}

func ownPoint(m *dto.Metric, t metric.Type) (p point) {
	switch t {
	case metric.TypeCounter:
		p.value = m.GetCounter().GetValue()
		if c := m.GetCounter().GetCreatedTimestamp(); c != nil {
			p.start = c.AsTime().UnixMilli()
		}
	case metric.TypeHistogram:
		h := m.GetHistogram()
		p.classic = true
		p.count, p.sum = float64(h.GetSampleCount()), h.GetSampleSum()
		for _, b := range h.GetBucket() {
			if b.GetUpperBound() <= math.MaxFloat64 { // +Inf is not among a point's bounds
				p.bounds = append(p.bounds, b.GetUpperBound())
				p.values = append(p.values, float64(b.GetCumulativeCount()))
			}
		}
		if c := h.GetCreatedTimestamp(); c != nil {
			p.start = c.AsTime().UnixMilli()
		}
	case metric.TypeSummary:
		s := m.GetSummary()
		p.classic = true
		p.count, p.sum = float64(s.GetSampleCount()), s.GetSampleSum()
		for _, q := range s.GetQuantile() {
			p.bounds = append(p.bounds, q.GetQuantile())
			p.values = append(p.values, q.GetValue())
		}
		if c := s.GetCreatedTimestamp(); c != nil {
			p.start = c.AsTime().UnixMilli()
		}
	default:
		p.value = m.GetGauge().GetValue() + m.GetUntyped().GetValue()
	}
	return p
}
