package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
)

// points decodes a request. ok is false where nothing of it can be read.
func points(d *OTLP, request []byte) (all []otlpPoint, ok bool) {
	var e metric.Envelope
	ok = d.Request(request, &e, func(r Refusal) { all = append(all, pointOf(&e, r)) })
	return all, ok
}

func requirePoints(t *testing.T, what string, got, want []otlpPoint) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func keepK8s(name string) bool { return strings.HasPrefix(name, "k8s.") }

func newOTLP() *OTLP {
	return &OTLP{ResourceAttribute: func(name []byte) bool { return keepK8s(string(name)) }}
}

// compareOTLP walks a request and compares with the oracle, where that accepts.
func compareOTLP(t *testing.T, d *OTLP, b []byte) {
	t.Helper()
	var stock metricsv1.MetricsData
	err := proto.Unmarshal(b, &stock)
	got, ok := points(d, b)
	if err != nil {
		return // broken parts are refused, strings that are not UTF-8 are taken: others of the request can be good
	}
	if !ok {
		t.Fatalf("refused a good request: %.300x", b)
	}
	want := oracleOTLP(&stock, keepK8s)
	for _, p := range want {
		if len(p.Plain.Tags) >= metric.MaxTags {
			return
		}
	}
	requirePoints(t, fmt.Sprintf("request %.300x", b), got, want)
}

func TestOTLP(t *testing.T) {
	d := newOTLP()
	for _, request := range otlpRequests() {
		b := marshalOTLP(t, request)
		compareOTLP(t, d, b)
		for cut := range min(len(b), 2000) {
			compareOTLP(t, d, b[:cut])
		}
		// Two requests are one of both.
		compareOTLP(t, d, append(b, b...))
	}
	for _, b := range oddOTLP() {
		compareOTLP(t, d, b)
	}
}

// A broken part costs what it may hold, and no other point.
func TestOTLPBrokenParts(t *testing.T) {
	good := marshalOTLP(t, ofScope(nil, nil, gaugeOf(intPoint(1))))
	field := func(num protowire.Number, body []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), body)
	}
	wrap := func(body []byte, numbers ...protowire.Number) []byte {
		for _, n := range numbers {
			body = field(n, body)
		}
		return body
	}
	broken := []byte{0x0a, 0x7f}
	for what, bad := range map[string][]byte{
		"resource metrics": wrap(broken, 1),
		"resource":         wrap(broken, 1, 1),
		"scope metrics":    wrap(broken, 2, 1),
		"scope":            wrap(broken, 1, 2, 1),
		"metric":           wrap(broken, 2, 2, 1),
		"gauge":            wrap(broken, 5, 2, 2, 1),
		"point":            wrap(broken, 1, 5, 2, 2, 1),
		"attribute":        wrap(broken, 7, 1, 5, 2, 2, 1),
		"value":            wrap(broken, 2, 7, 1, 5, 2, 2, 1),
		"histogram point":  wrap(broken, 1, 9, 2, 2, 1),
		"exemplar":         wrap(broken, 8, 1, 9, 2, 2, 1),
		"odd counts":       wrap([]byte{1, 2, 3}, 6, 1, 9, 2, 2, 1),
		"buckets":          wrap(broken, 8, 1, 10, 2, 2, 1),
		"odd buckets":      wrap([]byte{0x80}, 2, 8, 1, 10, 2, 2, 1),
		"summary point":    wrap(broken, 1, 11, 2, 2, 1),
		"quantile":         wrap(broken, 6, 1, 11, 2, 2, 1),
		"end":              broken,
	} {
		got, ok := points(newOTLP(), join(good, bad))
		if !ok || len(got) != 2 || got[0].Refused != "" || got[1].Refused != "malformed" {
			t.Errorf("%s: %v, %+v", what, ok, got)
		}
	}
	for _, text := range []string{"<html>", "hello, world"} { // the latter begins with a field that is unknown
		if got, ok := points(newOTLP(), []byte(text)); ok || len(got) > 0 {
			t.Errorf("%s is a request of %v", text, got)
		}
	}
}

// An array beyond what a tag can hold is not unmarshalled: of two bytes each its elements would become some sixty.
func TestOTLPLongArray(t *testing.T) {
	d, e := newOTLP(), metric.Envelope{}
	array := &commonv1.ArrayValue{Values: make([]*commonv1.AnyValue, 1<<20)}
	for i := range array.Values {
		array.Values[i] = &commonv1.AnyValue{}
	}
	request := marshalOTLP(t, ofScope(nil, nil, gaugeOf(intPoint(1,
		attribute("list", &commonv1.AnyValue{Value: &commonv1.AnyValue_ArrayValue{ArrayValue: array}})))))
	long := false
	each := func(r Refusal) { long = r == Taken && len(e.Tag("list")) > metric.MaxValueBytes }
	if n := testing.AllocsPerRun(3, func() { d.Request(request, &e, each) }); n > 10 || !long {
		t.Errorf("%v allocations, long %v", n, long)
	}
}

// Strings need not be UTF-8.
func TestOTLPLenientStrings(t *testing.T) {
	b := marshalOTLP(t, ofScope(nil, nil, gaugeOf(intPoint(1, text("source_id", "a??b")))))
	got, _ := points(newOTLP(), []byte(strings.ReplaceAll(string(b), "??", "\xff\xfe")))
	if len(got) != 1 || got[0].Plain.SourceID != "a\xff\xfeb" {
		t.Errorf("%+v", got)
	}
}

func TestOTLPRecords(t *testing.T) {
	// Spans and log records have the field numbers of metrics.
	b := marshalOTLP(t, ofScope(nil, nil, gaugeOf(), gaugeOf(), gaugeOf()))
	if n, ok := OTLPRecords(append(b, b...)); n != 6 || !ok {
		t.Errorf("%d, %v", n, ok)
	}
	if _, ok := OTLPRecords(b[:len(b)-1]); ok {
		t.Error("half a request is one")
	}
}

// FuzzOTLP compares with stock unmarshalling.
func FuzzOTLP(f *testing.F) {
	for _, request := range otlpRequests() {
		if b := marshalOTLP(f, request); len(b) < 1<<14 {
			f.Add(b)
		}
	}
	for _, b := range oddOTLP() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { compareOTLP(t, newOTLP(), b) })
}

// TestOTLPAllocations: points of each kind cost none, with attributes of each kind but arrays and maps.
func TestOTLPAllocations(t *testing.T) {
	attributes := []*commonv1.KeyValue{
		text("source_id", "s"), text("instance_id", "1"), text("origin", "o"),
		attribute("int", &commonv1.AnyValue{Value: &commonv1.AnyValue_IntValue{IntValue: 7}}),
		attribute("double", &commonv1.AnyValue{Value: &commonv1.AnyValue_DoubleValue{DoubleValue: 0.5}}),
	}
	b := marshalOTLP(t, ofScope(
		append([]*commonv1.KeyValue{
			text("service.name", "s"), text("service.namespace", "n"), text("cloudfoundry.app.name", "a"), text("k8s.x", "y"),
		}, attributes[:2]...),
		&commonv1.InstrumentationScope{Name: "lib"},
		gaugeOf(intPoint(1, attributes...), doublePoint(2, attributes...)),
		sumOf(cumulative, true, intPoint(3, attributes...)),
		histogramOf(delta, &metricsv1.HistogramDataPoint{
			Count:          6,
			BucketCounts:   []uint64{1, 2, 3},
			ExplicitBounds: []float64{1, 2},
			Attributes:     attributes,
			Exemplars:      exemplars(),
		}),
		exponentialOf(cumulative, &metricsv1.ExponentialHistogramDataPoint{
			Count: 6, Scale: 12, Attributes: attributes,
			Positive: &metricsv1.ExponentialHistogramDataPoint_Buckets{BucketCounts: []uint64{1, 2, 3}},
		}),
	))
	d, taken := newOTLP(), 0
	var e metric.Envelope
	each := func(r Refusal) {
		if r == Taken {
			taken++
		}
	}
	if n := testing.AllocsPerRun(1000, func() { d.Request(b, &e, each) }); n != 0 || taken != 1001*5 {
		t.Errorf("%v allocations a request, %d points", n, taken)
	}
}
