package metric

import dto "github.com/prometheus/client_model/go"

// Type is the type of a family of series, as Prometheus knows it.
type Type uint8

// The types of a family.
const (
	TypeGauge Type = iota
	TypeCounter
	TypeHistogram
	TypeSummary
)

var typeNames = [...]string{"gauge", "counter", "histogram", "summary"}

// String returns the word of the TYPE line.
func (t Type) String() string { return typeNames[t] }

// TypeOf returns the type of a family that client_golang gathered. Untyped families are gauges.
func TypeOf(t dto.MetricType) Type {
	switch t {
	case dto.MetricType_COUNTER:
		return TypeCounter
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return TypeHistogram
	case dto.MetricType_SUMMARY:
		return TypeSummary
	default:
		return TypeGauge
	}
}
