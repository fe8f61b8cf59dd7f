package foundation

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// notAttributes are the tags that a forwarder agent leaves out.
var notAttributes = []string{"instance_id", "source_id", "__v1_type", "span_id", "trace_id"} // constant

// otlpMetrics returns what a forwarder agent makes of an envelope: a metric for each point of a gauge, in random
// order, one for a counter with the total but not the delta, nothing of anything else. The total loses its top bit.
func otlpMetrics(e *loggregator_v2.Envelope, rng *rand.Rand) (metrics []*metricsv1.Metric) {
	point := func() *metricsv1.NumberDataPoint {
		return &metricsv1.NumberDataPoint{Attributes: otlpAttributes(e, rng), TimeUnixNano: uint64(e.GetTimestamp())}
	}
	switch m := e.GetMessage().(type) {
	case *loggregator_v2.Envelope_Gauge:
		for _, name := range shuffled(m.Gauge.GetMetrics(), rng) {
			p := point()
			p.Value = &metricsv1.NumberDataPoint_AsDouble{AsDouble: m.Gauge.GetMetrics()[name].GetValue()}
			metrics = append(metrics, &metricsv1.Metric{
				Name: name, Unit: m.Gauge.GetMetrics()[name].GetUnit(),
				Data: &metricsv1.Metric_Gauge{Gauge: &metricsv1.Gauge{DataPoints: []*metricsv1.NumberDataPoint{p}}},
			})
		}
	case *loggregator_v2.Envelope_Counter:
		p := point()
		p.Value = &metricsv1.NumberDataPoint_AsInt{AsInt: int64(m.Counter.GetTotal() &^ (1 << 63))}
		metrics = append(metrics, &metricsv1.Metric{
			Name: m.Counter.GetName(),
			Data: &metricsv1.Metric_Sum{Sum: &metricsv1.Sum{
				AggregationTemporality: metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE,
				IsMonotonic:            true, DataPoints: []*metricsv1.NumberDataPoint{p},
			}},
		})
	}
	return metrics
}

// otlpAttributes returns the ids and tags of an envelope, in random order.
func otlpAttributes(e *loggregator_v2.Envelope, rng *rand.Rand) (attributes []*commonv1.KeyValue) {
	tags := make(map[string]string, len(e.GetTags())+2)
	for key, value := range e.GetDeprecatedTags() {
		switch v := value.GetData().(type) {
		case *loggregator_v2.Value_Text:
			tags[key] = v.Text
		case *loggregator_v2.Value_Integer:
			tags[key] = strconv.FormatInt(v.Integer, 10)
		case *loggregator_v2.Value_Decimal:
			tags[key] = strconv.FormatFloat(v.Decimal, 'g', -1, 64)
		}
	}
	maps.Copy(tags, e.GetTags())
	for _, key := range notAttributes {
		delete(tags, key)
	}
	tags["source_id"], tags["instance_id"] = e.GetSourceId(), e.GetInstanceId()
	if tags["source_id"] == "" {
		tags["source_id"] = tags["origin"]
	}
	for _, key := range shuffled(tags, rng) {
		attributes = append(attributes, &commonv1.KeyValue{
			Key: key, Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: tags[key]}},
		})
	}
	return attributes
}

// shuffled returns the keys of a map in an order that only the generator decides.
func shuffled[V any](m map[string]V, rng *rand.Rand) []string {
	keys := slices.Sorted(maps.Keys(m))
	rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}

// OTLPRequest returns what a forwarder agent sends of envelopes, in wire bytes; the generator decides every order.
func OTLPRequest(envelopes []*loggregator_v2.Envelope, rng *rand.Rand) ([]byte, error) {
	var metrics []*metricsv1.Metric
	for _, e := range envelopes {
		metrics = append(metrics, otlpMetrics(e, rng)...)
	}
	return proto.Marshal(otlpRequestOf(metrics))
}
