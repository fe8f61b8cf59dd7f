package wiretest

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
)

// BenchBatch is a batch as a busy foundation sends them: gauges of six tags.
func BenchBatch(tb testing.TB) []byte {
	tb.Helper()
	var envelopes []*loggregator_v2.Envelope
	for i := range 100 {
		e := &loggregator_v2.Envelope{
			Timestamp: 1795342433316702720, SourceId: fmt.Sprintf("router__%d", i), Tags: TagsV2(),
			Message: GaugeV2("memoryStats.numBytesAllocated"),
		}
		envelopes = append(envelopes, e)
	}
	return BatchOf(tb, envelopes...)
}

// OracleV2 is what stock unmarshalling makes of an envelope, as a view.
func OracleV2(e *loggregator_v2.Envelope) Plain {
	p := Plain{
		Timestamp: e.GetTimestamp(), SourceID: e.GetSourceId(), InstanceID: e.GetInstanceId(),
		Tags: map[string]string{}, Points: map[string]PlainPoint{},
	}
	for k, v := range e.GetDeprecatedTags() {
		switch d := v.GetData().(type) {
		case *loggregator_v2.Value_Text:
			p.Tags[k] = d.Text
		case *loggregator_v2.Value_Integer:
			p.Tags[k] = fmt.Sprintf("%d", d.Integer)
		case *loggregator_v2.Value_Decimal:
			p.Tags[k] = fmt.Sprintf("%f", d.Decimal)
		default:
			p.Tags[k] = ""
		}
	}
	maps.Copy(p.Tags, e.GetTags())
	switch m := e.GetMessage().(type) {
	case *loggregator_v2.Envelope_Log:
		p.Kind = metric.KindLog
	case *loggregator_v2.Envelope_Event:
		p.Kind = metric.KindEvent
	case *loggregator_v2.Envelope_Counter:
		p.Kind, p.Name, p.Delta, p.Total = metric.KindCounter, m.Counter.GetName(), m.Counter.GetDelta(),
			m.Counter.GetTotal()
	case *loggregator_v2.Envelope_Timer:
		p.Kind, p.Name, p.Start, p.Stop = metric.KindTimer, m.Timer.GetName(), m.Timer.GetStart(), m.Timer.GetStop()
	case *loggregator_v2.Envelope_Gauge:
		p.Kind = metric.KindGauge
		for k, v := range m.Gauge.GetMetrics() {
			p.Points[k] = PlainPoint{v.GetUnit(), math.Float64bits(v.GetValue())}
		}
	}
	return p
}

// GaugeV2 is the message of a gauge with some points.
func GaugeV2(points ...string) *loggregator_v2.Envelope_Gauge {
	g := &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{}}}
	for i, name := range points {
		g.Gauge.Metrics[name] = &loggregator_v2.GaugeValue{Unit: "count", Value: float64(i) + 0.5}
	}
	return g
}

// TagsV2 are the tags of a component.
func TagsV2() map[string]string {
	return map[string]string{
		"deployment": "cf", "index": "9b4c2f3e-8d0a-4e4f-9a63-0a7e3cf0c2f1", "ip": "10.0.0.5",
		"job": "router", "origin": "router__0", "__v1_type": "ValueMetric",
	}
}

// EnvelopesV2 are samples of everything that the stream holds; they seed the fuzzing.
func EnvelopesV2() []*loggregator_v2.Envelope {
	value := func(d any) *loggregator_v2.Value {
		switch v := d.(type) {
		case string:
			return &loggregator_v2.Value{Data: &loggregator_v2.Value_Text{Text: v}}
		case int64:
			return &loggregator_v2.Value{Data: &loggregator_v2.Value_Integer{Integer: v}}
		case float64:
			return &loggregator_v2.Value{Data: &loggregator_v2.Value_Decimal{Decimal: v}}
		}
		return &loggregator_v2.Value{}
	}
	nan := GaugeV2("a", "b", "c", "d")
	nan.Gauge.Metrics["a"].Value = math.NaN()
	nan.Gauge.Metrics["b"].Value = math.Inf(1)
	nan.Gauge.Metrics["c"].Value = math.Inf(-1)
	nan.Gauge.Metrics["d"].Value = -1
	http := &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{
		Name: "http", Start: 1795342433316702720,
		Stop: 1795342433417702720,
	}}
	return []*loggregator_v2.Envelope{
		{
			Timestamp: 1795342433316702720, SourceId: "router__0", Tags: TagsV2(),
			Message: GaugeV2("memoryStats.numBytesAllocated"),
		},
		{
			Timestamp: -5, SourceId: "gorouter", InstanceId: "2", Tags: TagsV2(),
			Message: &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{
				Name: "total_requests", Delta: 5,
				Total: math.MaxUint64,
			}},
		},
		{
			SourceId: "app", InstanceId: "3",
			Tags: map[string]string{"status_code": "200", "": "", "long": strings.Repeat("x", 300)}, Message: http,
		},
		{SourceId: "app", Message: &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{
			Payload: []byte("hello\xff"),
			Type:    loggregator_v2.Log_ERR,
		}}},
		{SourceId: "app", Message: &loggregator_v2.Envelope_Event{Event: &loggregator_v2.Event{Title: "t", Body: "b"}}},
		{SourceId: "nothing"},
		{},
		{Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{}}},
		{Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
			Metrics: map[string]*loggregator_v2.GaugeValue{"": {}},
		}}},
		{Message: nan},
		{
			Tags: map[string]string{"both": "preferred"},
			DeprecatedTags: map[string]*loggregator_v2.Value{
				"both": value("deprecated"), "text": value("t"),
				"integer": value(int64(-42)), "decimal": value(2.5), "nothing": value(nil),
			},
			Message: GaugeV2("x", "y"),
		},
	}
}

// OddV2 are well-formed messages that no encoder writes, and broken ones.
func OddV2() [][]byte {
	field := func(num protowire.Number, body ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), bytes.Join(body, nil))
	}
	text := func(num protowire.Number, s string) []byte { return field(num, []byte(s)) }
	varint := func(num protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
	}
	group := protowire.AppendTag(append(protowire.AppendTag(nil, 99, protowire.StartGroupType), text(1, "in a group")...),
		99, protowire.EndGroupType)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	fixed32 := protowire.AppendFixed32(protowire.AppendTag(nil, 98, protowire.Fixed32Type), 7)
	fixed64 := func(num protowire.Number) []byte {
		return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), math.Float64bits(1.5))
	}
	return [][]byte{
		field(9, text(2, "value first"), text(1, "key")),
		field(9, text(1, "k"), text(2, "v"), text(1, "again"), text(2, "last")),
		field(9, text(1, "only a key")),
		field(9, text(2, "only a value")),
		field(9),
		field(9, varint(1, 3), text(1, "k"), group, text(2, "v")),
		join(text(2, "source"), group, fixed32, text(2, "last source"), varint(2, 5),
			text(1, "a timestamp of the wrong type")),
		join(varint(1, 1), varint(1, 2)),
		// One oneof twice: merged. Another after it: replaced.
		join(field(5, text(1, "name")), field(5, varint(2, 7))),
		join(field(6, field(1, text(1, "a"), field(2, text(1, "u")))), field(6, field(1, text(1, "b")))),
		join(field(6, field(1, text(1, "a"))), field(5, text(1, "c")), field(6, field(1, text(1, "b")))),
		join(field(5, text(1, "c"), varint(3, 9)), field(7, varint(2, 1))),
		join(field(7, text(1, "t"), varint(2, 1)), field(4)),
		// A point whose value comes in two parts, one that comes twice, one without a value.
		field(6, field(1, text(1, "a"), field(2, text(1, "unit")), field(2, fixed64(2)))),
		field(6, field(1, text(1, "a"), field(2, fixed64(2))), field(1, text(1, "a"), field(2, text(1, "second")))),
		field(6, field(1, text(1, "a"), varint(2, 4))),
		// Preferred tags before deprecated ones; a Value of several parts.
		join(field(9, text(1, "k"), text(2, "preferred")), field(3, text(1, "k"), field(2, text(1, "deprecated")))),
		field(3, text(1, "k"), field(2, varint(2, 5)), field(2, text(9, "unknown"))),
		field(3, text(1, "k"), field(2, text(1, "a"), fixed64(3))),
		field(3, text(1, "k")),
		// Lengths and varints in more bytes than needed.
		{0x8a, 0x00},
		{0x92, 0x80, 0x00, 0x81, 0x00, 'x'},
		{0x0a, 0x80, 0x00},
		// Broken.
		{0x12, 0x05, 'x'},
		{0x12},
		{0x08},
		{0x08, 0x80},
		{0x00},
		{0x07},
		{0x0c},
		{0x9b, 0x06},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		field(9, []byte{0x0a, 0x09, 'k'}), field(6, []byte{0x0a, 0x09, 'k'}), field(6, field(1, []byte{0x12, 0x02, 'k'})),
		field(6, field(1, field(2, []byte{0x11, 0x01}))), field(5, []byte{0x0a}), field(7, []byte{0x10}),
		field(4, []byte{0x0a}), field(10, []byte{0x0a, 0x01}),
		field(3, []byte{0x0a}), field(3, field(2, []byte{0x0a})),
		{0x09, 1, 2, 3},
		text(2, "not \xff UTF-8"), field(9, text(1, "\xff"), text(2, "\x00\n\"")),
	}
}

// BatchOf marshals a batch.
func BatchOf(tb testing.TB, envelopes ...*loggregator_v2.Envelope) []byte {
	tb.Helper()
	b, err := proto.Marshal(&loggregator_v2.EnvelopeBatch{Batch: envelopes})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// GatewayJSON writes as the RLP gateway does: zero values are written out; the names are those of the .proto file.
var GatewayJSON = protojson.MarshalOptions{EmitUnpopulated: true}

// MarshalJSON writes an envelope as the gateway does.
func MarshalJSON(tb testing.TB, e *loggregator_v2.Envelope) []byte {
	tb.Helper()
	b, err := GatewayJSON.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// JSONBatch is a batch as the gateway sends it.
func JSONBatch(tb testing.TB, envelopes ...*loggregator_v2.Envelope) []byte {
	tb.Helper()
	b, err := GatewayJSON.Marshal(&loggregator_v2.EnvelopeBatch{Batch: envelopes})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// EnvelopesJSON are the samples that the gateway writes: it asks for preferred tags.
func EnvelopesJSON() []*loggregator_v2.Envelope {
	return slices.DeleteFunc(EnvelopesV2(),
		func(e *loggregator_v2.Envelope) bool { return len(e.GetDeprecatedTags()) > 0 })
}
