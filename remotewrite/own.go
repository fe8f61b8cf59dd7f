package remotewrite

import (
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"loggregator_exporter/metric"
)

// familyOf converts what the exporter's own registry says of a family.
func familyOf(mf *dto.MetricFamily) family {
	types := map[dto.MetricType]metric.Type{
		dto.MetricType_COUNTER: metric.TypeCounter, dto.MetricType_SUMMARY: metric.TypeSummary,
		dto.MetricType_HISTOGRAM: metric.TypeHistogram, dto.MetricType_GAUGE_HISTOGRAM: metric.TypeHistogram,
	}
	f := family{name: mf.GetName(), typ: metric.TypeGauge, help: mf.GetHelp(), unit: mf.GetUnit()}
	if t, ok := types[mf.GetType()]; ok {
		f.typ = t
	}
	return f
}

// pointsOf converts the metrics of a family, sorted by labels.
func pointsOf(mf *dto.MetricFamily, t metric.Type) []point {
	points := make([]point, 0, len(mf.GetMetric()))
	labels := []metric.Label{}
	for _, m := range mf.GetMetric() {
		labels = labels[:0]
		for _, l := range m.GetLabel() {
			labels = append(labels, metric.Label{Name: l.GetName(), Value: l.GetValue()})
		}
		p := pointOf(m, t)
		p.labels = metric.RenderLabels(labels)
		points = append(points, p)
	}
	slices.SortFunc(points, func(a, b point) int { return strings.Compare(string(a.labels), string(b.labels)) })
	return points
}

func pointOf(m *dto.Metric, t metric.Type) (p point) {
	var created *timestamppb.Timestamp
	switch t {
	case metric.TypeCounter:
		p.value = m.GetCounter().GetValue()
		created = m.GetCounter().GetCreatedTimestamp()
	case metric.TypeHistogram:
		h := m.GetHistogram()
		p.classic, p.count, p.sum = true, float64(h.GetSampleCount()), h.GetSampleSum()
		for _, b := range h.GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 1) { // which is not among a point's bounds
				p.bounds = append(p.bounds, b.GetUpperBound())
				p.values = append(p.values, float64(b.GetCumulativeCount()))
			}
		}
		created = h.GetCreatedTimestamp()
	case metric.TypeSummary:
		s := m.GetSummary()
		p.classic, p.count, p.sum = true, float64(s.GetSampleCount()), s.GetSampleSum()
		for _, q := range s.GetQuantile() {
			p.bounds = append(p.bounds, q.GetQuantile())
			p.values = append(p.values, q.GetValue())
		}
		created = s.GetCreatedTimestamp()
	default:
		p.value = m.GetGauge().GetValue() + m.GetUntyped().GetValue()
	}
	if created != nil {
		p.start = created.AsTime().UnixMilli()
	}
	return p
}
