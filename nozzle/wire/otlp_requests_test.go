package wire

import (
	"math"
	"strings"
	"testing"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcev1 "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func text(key, value string) *commonv1.KeyValue {
	return attribute(key, &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: value}})
}

func attribute(key string, value *commonv1.AnyValue) *commonv1.KeyValue {
	return &commonv1.KeyValue{Key: key, Value: value}
}

func marshalOTLP(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// ofScope puts metrics into a request, under a resource and a scope.
func ofScope(
	resource []*commonv1.KeyValue,
	scope *commonv1.InstrumentationScope,
	m ...*metricsv1.Metric,
) *metricsv1.MetricsData {
	return &metricsv1.MetricsData{ResourceMetrics: []*metricsv1.ResourceMetrics{{
		Resource:     &resourcev1.Resource{Attributes: resource},
		ScopeMetrics: []*metricsv1.ScopeMetrics{{Scope: scope, Metrics: m}},
	}}}
}

const (
	unspecified = metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_UNSPECIFIED
	delta       = metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	cumulative  = metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
)

func intPoint(v int64, attributes ...*commonv1.KeyValue) *metricsv1.NumberDataPoint {
	return &metricsv1.NumberDataPoint{
		Attributes: attributes, TimeUnixNano: 1795000000123456789, StartTimeUnixNano: 1794000000000000000,
		Value: &metricsv1.NumberDataPoint_AsInt{AsInt: v},
	}
}

func doublePoint(v float64, attributes ...*commonv1.KeyValue) *metricsv1.NumberDataPoint {
	return &metricsv1.NumberDataPoint{Attributes: attributes, Value: &metricsv1.NumberDataPoint_AsDouble{AsDouble: v}}
}

func gaugeOf(p ...*metricsv1.NumberDataPoint) *metricsv1.Metric {
	return &metricsv1.Metric{
		Name: "g",
		Unit: "By",
		Data: &metricsv1.Metric_Gauge{Gauge: &metricsv1.Gauge{DataPoints: p}},
	}
}

func sumOf(t metricsv1.AggregationTemporality, monotonic bool, p ...*metricsv1.NumberDataPoint) *metricsv1.Metric {
	return &metricsv1.Metric{Name: "s", Data: &metricsv1.Metric_Sum{
		Sum: &metricsv1.Sum{AggregationTemporality: t, IsMonotonic: monotonic, DataPoints: p},
	}}
}

func histogramOf(t metricsv1.AggregationTemporality, p ...*metricsv1.HistogramDataPoint) *metricsv1.Metric {
	return &metricsv1.Metric{Name: "h", Unit: "s", Data: &metricsv1.Metric_Histogram{
		Histogram: &metricsv1.Histogram{AggregationTemporality: t, DataPoints: p},
	}}
}

func exponentialOf(
	t metricsv1.AggregationTemporality,
	p ...*metricsv1.ExponentialHistogramDataPoint,
) *metricsv1.Metric {
	return &metricsv1.Metric{Name: "e", Unit: "ms", Data: &metricsv1.Metric_ExponentialHistogram{
		ExponentialHistogram: &metricsv1.ExponentialHistogram{AggregationTemporality: t, DataPoints: p},
	}}
}

func exemplars() []*metricsv1.Exemplar {
	return []*metricsv1.Exemplar{
		{
			TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), TimeUnixNano: 5,
			Value: &metricsv1.Exemplar_AsDouble{AsDouble: 0.25}, FilteredAttributes: []*commonv1.KeyValue{text("a", "b")},
		},
		{TraceId: []byte("0123456789abcdef"), SpanId: []byte("short"), Value: &metricsv1.Exemplar_AsInt{AsInt: 3}},
		{SpanId: []byte("01234567")},
	}
}

// otlpRequests are samples of everything that OTLP can hold; they seed the fuzzing.
func otlpRequests() []*metricsv1.MetricsData {
	value := func(v *commonv1.AnyValue) *commonv1.KeyValue { return attribute("k", v) }
	number := func(f float64) *commonv1.AnyValue {
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_DoubleValue{DoubleValue: f}}
	}
	whole := &commonv1.AnyValue{Value: &commonv1.AnyValue_IntValue{IntValue: -42}}
	list := &commonv1.AnyValue{Value: &commonv1.AnyValue_ArrayValue{ArrayValue: &commonv1.ArrayValue{
		Values: []*commonv1.AnyValue{
			whole, number(1.5), number(math.NaN()),
			{},
			{Value: &commonv1.AnyValue_StringValue{StringValue: "a\"<é\n"}},
			{Value: &commonv1.AnyValue_BytesValue{BytesValue: []byte{0, 255}}},
			{Value: &commonv1.AnyValue_BoolValue{BoolValue: true}},
		},
	}}}
	object := &commonv1.AnyValue{Value: &commonv1.AnyValue_KvlistValue{KvlistValue: &commonv1.KeyValueList{
		Values: []*commonv1.KeyValue{attribute("z", list), text("a", "1")},
	}}}
	var values []*metricsv1.NumberDataPoint
	for _, v := range []*commonv1.AnyValue{
		nil,
		{},
		whole, number(1e300), number(1e-9), number(0.1), number(-3), number(math.Inf(-1)), number(math.Inf(1)),
		number(math.NaN()), list, object,
		{Value: &commonv1.AnyValue_BoolValue{}},
		{Value: &commonv1.AnyValue_BytesValue{BytesValue: []byte("bytes")}},
		{Value: &commonv1.AnyValue_StringValue{StringValue: strings.Repeat("long", 100)}},
	} {
		values = append(values, intPoint(1, value(v)))
	}
	cf := []*commonv1.KeyValue{text("instance_id", ""), text("source_id", "router__0"), text("origin", "router__0")}
	service := []*commonv1.KeyValue{
		text("service.name", "shop"), text("service.namespace", "web"), text("service.instance.id", "i-1"),
		text("k8s.pod.name", "shop-0"), text("host.name", "not kept"),
	}
	app := append([]*commonv1.KeyValue{
		text("cloudfoundry.system.id", "cf/rep"), text("cloudfoundry.app.id", "8a5c1c33-0d4e-4f55-9a4b-6c7d8e9f0a1b"),
		text("cloudfoundry.app.instance.id", "2"), text("cloudfoundry.org.name", "acme"),
		text("cloudfoundry.space.name", ""),
	}, service...)
	receiver := []*commonv1.KeyValue{
		text("org.cloudfoundry.source_id", "gorouter"), text("org.cloudfoundry.instance_id", "3"),
		text("org.cloudfoundry.origin", "gorouter"), text("cloudfoundry.system.id", "x"), text("org.cloudfoundry.", "e"),
	}
	scope := &commonv1.InstrumentationScope{Name: "lib", Version: "1.2"}
	gone := intPoint(5)
	gone.Flags = 1
	all := []*metricsv1.MetricsData{
		{},
		ofScope(nil, nil),
		ofScope(nil, nil, &metricsv1.Metric{Name: "without data"}),
		ofScope(nil, nil, gaugeOf(intPoint(1, cf...), doublePoint(math.NaN(), cf...), doublePoint(math.Inf(1)), gone)),
		ofScope(nil, nil, gaugeOf(values...)),
		ofScope(service, scope, gaugeOf(intPoint(1, cf...), intPoint(2), intPoint(3, text("source_id", "")))),
		ofScope(app, scope, gaugeOf(intPoint(1), intPoint(2, text("app_id", "own"), text("org.cloudfoundry.ip", "1")))),
		ofScope(receiver, nil, gaugeOf(intPoint(1, receiver...))),
		ofScope(append(receiver, app...), &commonv1.InstrumentationScope{Version: "2"}, gaugeOf(intPoint(1))),
		ofScope(nil, nil, gaugeOf(&metricsv1.NumberDataPoint{})),
	}
	for _, t := range []metricsv1.AggregationTemporality{unspecified, delta, cumulative, 7} {
		for _, monotonic := range []bool{false, true} {
			all = append(all, ofScope(nil, nil, sumOf(t, monotonic, intPoint(7), intPoint(-7), intPoint(math.MaxInt64),
				doublePoint(1.5), doublePoint(-1), doublePoint(math.Copysign(0, -1)), doublePoint(math.NaN()),
				doublePoint(math.Inf(1)), gone)))
		}
		all = append(all,
			ofScope(nil, nil, histogramOf(t,
				&metricsv1.HistogramDataPoint{
					Count: 6, Sum: new(1.5), BucketCounts: []uint64{1, 2, 3}, ExplicitBounds: []float64{-0.5, 10},
					Attributes: cf, TimeUnixNano: 9, StartTimeUnixNano: 3, Min: new(0.1), Max: new(12.0), Exemplars: exemplars(),
				},
				&metricsv1.HistogramDataPoint{Count: 6}, &metricsv1.HistogramDataPoint{Flags: 1},
				&metricsv1.HistogramDataPoint{Count: 6, BucketCounts: []uint64{6}},
				&metricsv1.HistogramDataPoint{Count: 6, BucketCounts: []uint64{6, 0}},
				&metricsv1.HistogramDataPoint{Count: 6, BucketCounts: []uint64{5, 0}, ExplicitBounds: []float64{1}},
				&metricsv1.HistogramDataPoint{
					Count: 1, BucketCounts: []uint64{math.MaxUint64, 2}, ExplicitBounds: []float64{1},
				},
				&metricsv1.HistogramDataPoint{Count: 1, BucketCounts: []uint64{1, 0, 0}, ExplicitBounds: []float64{1, 1}},
				&metricsv1.HistogramDataPoint{
					Count: 1, BucketCounts: []uint64{1, 0}, ExplicitBounds: []float64{math.Inf(1)},
				},
				&metricsv1.HistogramDataPoint{
					BucketCounts: make([]uint64, maxBounds+2), ExplicitBounds: make([]float64, maxBounds+1),
				},
			)),
			ofScope(nil, nil, exponentialOf(t,
				&metricsv1.ExponentialHistogramDataPoint{
					Count:         22,
					Sum:           new(-3.0),
					Scale:         3,
					ZeroCount:     1,
					ZeroThreshold: 0.5,
					Exemplars:     exemplars(),
					Attributes:    cf,
					Positive:      &metricsv1.ExponentialHistogramDataPoint_Buckets{Offset: -2, BucketCounts: []uint64{1, 0, 5}},
					Negative:      &metricsv1.ExponentialHistogramDataPoint_Buckets{Offset: 7, BucketCounts: []uint64{15}},
				},
				&metricsv1.ExponentialHistogramDataPoint{
					Count: 28, Scale: 10,
					Positive: &metricsv1.ExponentialHistogramDataPoint_Buckets{
						Offset: -3, BucketCounts: []uint64{1, 2, 3, 4, 5, 6, 7},
					},
				},
				&metricsv1.ExponentialHistogramDataPoint{
					Count: 3, Scale: 20,
					Positive: &metricsv1.ExponentialHistogramDataPoint_Buckets{
						Offset: math.MaxInt32 - 1, BucketCounts: []uint64{1, 1},
					},
					Negative: &metricsv1.ExponentialHistogramDataPoint_Buckets{Offset: math.MinInt32, BucketCounts: []uint64{1}},
				},
				&metricsv1.ExponentialHistogramDataPoint{Scale: math.MaxInt32},
				&metricsv1.ExponentialHistogramDataPoint{Scale: -4}, &metricsv1.ExponentialHistogramDataPoint{Scale: -5},
				&metricsv1.ExponentialHistogramDataPoint{Count: 1},
				&metricsv1.ExponentialHistogramDataPoint{ZeroThreshold: -1},
				&metricsv1.ExponentialHistogramDataPoint{Flags: 1},
				&metricsv1.ExponentialHistogramDataPoint{
					Positive: &metricsv1.ExponentialHistogramDataPoint_Buckets{BucketCounts: make([]uint64, maxBuckets+1)},
				},
			)))
	}
	quantile := func(q, v float64) *metricsv1.SummaryDataPoint_ValueAtQuantile {
		return &metricsv1.SummaryDataPoint_ValueAtQuantile{Quantile: q, Value: v}
	}
	return append(all, ofScope(nil, nil, &metricsv1.Metric{Name: "q", Data: &metricsv1.Metric_Summary{
		Summary: &metricsv1.Summary{DataPoints: []*metricsv1.SummaryDataPoint{
			{
				Count: 3, Sum: 1.5, Attributes: cf,
				QuantileValues: []*metricsv1.SummaryDataPoint_ValueAtQuantile{quantile(0.5, 1), quantile(1, math.NaN())},
			},
			{QuantileValues: []*metricsv1.SummaryDataPoint_ValueAtQuantile{quantile(1.5, 1)}},
			{QuantileValues: []*metricsv1.SummaryDataPoint_ValueAtQuantile{quantile(math.NaN(), 1)}},
			{Flags: 1},
			{},
		}},
	}}))
}

// oddOTLP are requests that no encoder writes: parts that come twice or in another order.
func oddOTLP() [][]byte {
	field := func(num protowire.Number, body ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), join(body...))
	}
	str := func(num protowire.Number, s string) []byte { return field(num, []byte(s)) }
	varint := func(num protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
	}
	fixed := func(num protowire.Number, v uint64) []byte {
		return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), v)
	}
	attr := func(parts ...[]byte) []byte { return field(7, parts...) }
	point := func(parts ...[]byte) []byte { return field(1, parts...) }
	request := func(m ...[]byte) []byte { return field(1, field(2, field(2, m...))) }
	k := str(1, "k")
	return [][]byte{
		// The metrics before the scope and its resource, both in two parts.
		field(
			1,
			field(2, field(2, str(1, "n"), field(5, point(fixed(6, 1)))), field(1, str(1, "lib")), field(1, str(2, "v"))),
			field(1, field(1, str(1, "service.name"), field(2, str(1, "s")))),
			field(1, field(1, str(1, "service.namespace"), field(2, str(1, "ns")))),
		),
		// Data of two kinds: the last counts. Twice the same kind: merged, also the temporality.
		request(str(1, "n"), field(5, point(fixed(6, 1))), field(7, point(fixed(6, 2)), varint(2, 2), varint(3, 1))),
		request(field(7, point(fixed(6, 2))), field(7, point(fixed(6, 3)), varint(2, 2)), varint(5, 7), str(1, "n")),
		request(field(7, varint(2, 1)), field(5), field(7, point(fixed(6, 3)))),
		// A value of two kinds, one that comes twice, attributes in parts.
		request(field(5, point(fixed(6, 1), fixed(4, 2)), point(fixed(4, 1), fixed(6, 2)), point(varint(4, 1)))),
		request(field(5, point(fixed(6, 1), attr(field(2, str(1, "v")), k), attr(k, field(2, str(1, "a")), field(2)),
			attr(k, field(2, varint(3, 5), varint(2, 1))), attr(k, field(2, str(1, "a"), varint(3, 5))), attr(), attr(k)))),
		request(field(5, point(fixed(6, 1), attr(k, field(2, field(5)), field(2, str(1, "then text")))))),
		request(field(5, point(fixed(6, 1), attr(k, field(2, field(5, field(1, varint(3, 1)))),
			field(2, field(5, field(1, varint(3, 2)))))))),
		// Counts that are not packed, and both ways.
		request(field(9, point(fixed(4, 3), fixed(6, 1), fixed(6, 2), fixed(7, math.Float64bits(1))), varint(2, 2))),
		request(field(10, point(fixed(4, 6), field(8, varint(2, 1), field(2, []byte{2, 3}))), varint(2, 2))),
		// A scale in more bits than it has.
		request(field(10, point(varint(6, 1<<40|2)), varint(2, 2))),
	}
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
