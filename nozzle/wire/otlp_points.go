package wire

import (
	"bytes"
	"math"

	"loggregator_exporter/metric"
)

// Tags of the fields of Metric, and of its data:
//
//	message Metric { string name = 1, unit = 3; oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9;
//	  ExponentialHistogram exponential_histogram = 10; Summary summary = 11; } }
//	message Gauge, Summary { repeated DataPoint data_points = 1; }
//	message Sum { repeated NumberDataPoint data_points = 1; AggregationTemporality aggregation_temporality = 2;
//	  bool is_monotonic = 3; }
//	message Histogram, ExponentialHistogram { repeated DataPoint data_points = 1;
//	  AggregationTemporality aggregation_temporality = 2; }
//	enum AggregationTemporality { UNSPECIFIED = 0; DELTA = 1; CUMULATIVE = 2; }
const (
	metricName        = 1<<3 | Bytes
	metricUnit        = 3<<3 | Bytes
	metricGauge       = 5<<3 | Bytes
	metricSum         = 7<<3 | Bytes
	metricHistogram   = 9<<3 | Bytes
	metricExponential = 10<<3 | Bytes
	metricSummary     = 11<<3 | Bytes

	dataPoints      = 1<<3 | Bytes
	dataTemporality = 2<<3 | Varint
	dataMonotonic   = 3<<3 | Varint

	temporalityDelta      = 1
	temporalityCumulative = 2
)

// otlpMetric is what the points of a metric have in common.
type otlpMetric struct {
	name, unit  []byte
	data        uint64 // field tag of the kind of data; 0 for none that is known
	temporality uint64
	monotonic   bool
}

// metric walks the points of one metric.
func (w *otlpWalk) metric(b []byte) {
	var m otlpMetric
	from := 0 // of the data: of different ones the last counts, two of the same kind are merged
	f := Fields{Message: b}
	for at := 0; f.Next(); at = f.at {
		switch f.Tag {
		case metricName:
			m.name = f.Bytes
		case metricUnit:
			m.unit = f.Bytes
		case metricGauge, metricSum, metricHistogram, metricExponential, metricSummary:
			if f.Tag != m.data {
				m = otlpMetric{name: m.name, unit: m.unit, data: f.Tag}
				from = at
			}
			if f.Tag != metricGauge && f.Tag != metricSummary {
				m.properties(f.Bytes)
			}
		}
	}
	if f.Bad {
		w.each(Malformed)
		return
	}
	if m.data == 0 {
		return
	}
	for f := (Fields{Message: b, at: from}); f.Next(); {
		if f.Tag == m.data {
			w.data(f.Bytes, &m)
		}
	}
}

// properties reads what the data of a sum or histogram says of all its points. What is malformed is found by data.
func (m *otlpMetric) properties(data []byte) {
	for f := (Fields{Message: data}); f.Next(); {
		switch f.Tag {
		case dataTemporality:
			m.temporality = f.Number
		case dataMonotonic:
			m.monotonic = f.Number != 0
		}
	}
}

// data walks the points of a gauge, sum, histogram or summary.
func (w *otlpWalk) data(b []byte, m *otlpMetric) {
	f := Fields{Message: b}
	for f.Next() {
		if f.Tag != dataPoints {
			continue
		}
		w.e.Reset()
		w.e.Tags = append(w.e.Tags, w.tags...)
		w.scratch = w.scratch[:w.kept]
		w.each(w.point(f.Bytes, m))
	}
	if f.Bad {
		w.each(Malformed)
	}
}

// point decodes one data point.
func (w *otlpWalk) point(b []byte, m *otlpMetric) Refusal {
	switch m.data {
	case metricHistogram:
		return w.histogram(b, m)
	case metricExponential:
		return w.exponential(b, m)
	case metricSummary:
		return w.summary(b, m)
	default:
		return w.number(b, m)
	}
}

// Tags of the fields of NumberDataPoint:
//
//	repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2, time_unix_nano = 3;
//	oneof value { double as_double = 4; sfixed64 as_int = 6; } repeated Exemplar exemplars = 5; uint32 flags = 8;
const (
	pointStart      = 2<<3 | Fixed64 // in all kinds of data points
	pointTime       = 3<<3 | Fixed64 // in all kinds of data points
	numberDouble    = 4<<3 | Fixed64
	numberInt       = 6<<3 | Fixed64
	numberAttribute = 7<<3 | Bytes
	numberFlags     = 8<<3 | Varint

	// flagNoRecordedValue says that there is no value, for example since what is measured is gone.
	flagNoRecordedValue = 1
)

// number decodes a point of a gauge or sum.
func (w *otlpWalk) number(b []byte, m *otlpMetric) Refusal {
	var value, kind, flags uint64
	ids := otlpIDs{}
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case numberAttribute:
			if !w.pointAttribute(f.Bytes, &ids) {
				return Malformed
			}
		case pointStart:
			w.e.Began = int64(f.Number)
		case pointTime:
			w.e.Timestamp = int64(f.Number)
		case numberDouble, numberInt:
			value, kind = f.Number, f.Tag
		case numberFlags:
			flags = f.Number
		}
	}
	if f.Bad {
		return Malformed
	}
	w.identify(ids)
	switch {
	case flags&flagNoRecordedValue != 0:
		return Taken
	case kind == 0:
		return NoValue
	case m.data == metricGauge:
		return w.gauge(m, value, kind)
	case m.temporality != temporalityDelta && m.temporality != temporalityCumulative:
		return Temporality
	case m.monotonic:
		return w.counter(m, value, kind)
	case m.temporality == temporalityDelta:
		return DeltaOfGauge
	default:
		return w.gauge(m, value, kind)
	}
}

func (w *otlpWalk) gauge(m *otlpMetric, value, kind uint64) Refusal {
	p := metric.Point{Name: m.name, Unit: m.unit, Value: float64(int64(value))}
	if kind == numberDouble {
		p.Value = math.Float64frombits(value)
	}
	w.e.Kind, w.e.Points = metric.KindGauge, append(w.e.Points, p)
	return Taken
}

// counter fills in a point of a monotonic sum.
func (w *otlpWalk) counter(m *otlpMetric, value, kind uint64) Refusal {
	e := w.e
	if kind == numberDouble {
		if v := math.Float64frombits(value); !(v >= 0) || math.IsInf(v, 1) {
			return CounterValue
		}
		value &^= 1 << 63 // -0 is 0
		e.Fractional = true
	} else if int64(value) < 0 {
		return CounterValue
	}
	e.Kind, e.Name, e.Unit = metric.KindCounter, m.name, m.unit
	if m.temporality == temporalityDelta {
		e.Delta = value
	} else {
		e.Total = value
	}
	return Taken
}

// otlpIDs says which ids a point has in its own attributes, where they may be empty.
type otlpIDs struct{ source, instance bool }

// pointAttribute reads an attribute of a data point.
func (w *otlpWalk) pointAttribute(b []byte, ids *otlpIDs) bool {
	key, value, ok := w.attribute(b)
	if !ok {
		return false
	}
	if len(key) > len(cloudFoundryPrefix) && key[0] == cloudFoundryPrefix[0] {
		key = bytes.TrimPrefix(key, []byte(cloudFoundryPrefix))
	}
	switch string(key) {
	case sourceIDName:
		w.e.SourceID, ids.source = value, true
	case instanceIDName:
		w.e.InstanceID, ids.instance = value, true
	default:
		w.e.AddTag(key, value)
	}
	return true
}
