package wire

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/encoding/protojson"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// decodeJSON decodes an envelope that is alone in its batch.
func decodeJSON(d *JSON, text string, view *metric.Envelope) bool {
	good := 0
	whole := d.Batch([]byte(`{"batch":[`+text+`]}`), view, func(ok bool) {
		if ok {
			good++
		}
	})
	return whole && good == 1
}

func TestJSONDecodesWhatTheGatewayWrites(t *testing.T) {
	var d JSON
	var view metric.Envelope
	for _, e := range wiretest.EnvelopesJSON() {
		for _, o := range []protojson.MarshalOptions{
			wiretest.GatewayJSON,
			{UseProtoNames: true},
			{},
			{Multiline: true, Indent: "\t"},
		} {
			text, err := o.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if !decodeJSON(&d, string(text), &view) {
				t.Fatalf("refused %s", text)
			}
			wiretest.RequireEqual(t, string(text), wiretest.PlainOf(&view), wiretest.OracleV2(e))
		}
	}
}

// The text is what the real gateway sent, shortened.
func TestJSONOfTheRealGateway(t *testing.T) {
	text := `{"timestamp":"1795342433316702720","source_id":"router__0","instance_id":"","deprecated_tags":{},` +
		`"tags":{"__v1_type":"ValueMetric","origin":"router__0"},` +
		`"gauge":{"metrics":{"memoryStats.numBytesAllocated":{"unit":"count","value":1048576}}}}`
	var d JSON
	var view metric.Envelope
	if !decodeJSON(&d, text, &view) {
		t.Fatal("refused")
	}
	wiretest.RequireEqual(t, "envelope", wiretest.PlainOf(&view), wiretest.Plain{
		Kind: metric.KindGauge, Timestamp: 1795342433316702720, SourceID: "router__0",
		Tags: map[string]string{"__v1_type": "ValueMetric", "origin": "router__0"},
		Points: map[string]wiretest.PlainPoint{"memoryStats.numBytesAllocated": {
			Unit: "count",
			Bits: math.Float64bits(1048576),
		}},
	})
}

func TestJSONValues(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // of the field that the text sets; "" where it is refused
	}{
		{`"source_id":"a\"\\\/\b\f\n\r\tb"`, "a\"\\/\b\f\n\r\tb"},
		{`"source_id":"\u00e9\u20ac\ud83d\ude00"`, "é€😀"},
		{`"source_id":"\uD83D"`, "\uFFFD"},
		{`"source_id":"\uDE00\uD83Dx"`, "\uFFFD\uFFFDx"},
		{`"source_id":"\ud83d\u0041"`, "\uFFFDA"},
		{`"source_id":"\n"`, "\n"},
		{"\"source_id\":\"\xff\"", "\xff"},
		{`"source_id" : "a" , "source_id":"b"`, "b"},
		{`"source_id":null`, ""},
		{`"s\u006furce_id":"a"`, "a"},
		{`"source_id":1`, ""},
		{`"source_id":"\x"`, ""},
		{`"source_id":"\u12g4"`, ""},
		{`"source_id":"\ud83d\u12g4"`, ""},
		{`"source_id":"a`, ""},
		{`"source_id":"a\`, ""},
		{"\"source_id\":\"a\nb\"", ""},
		{"\"source_id\":\"a\\n\nb\"", ""},
		{`"unknown":[1,{"a":[true,false,null,"x",-1.5e-3]},{},[]],"source_id":"a"`, "a"},
		{`"unknown":[1,],"source_id":"a"`, ""},
		{`"unknown":{"a":1,},"source_id":"a"`, ""},
		{`"unknown":{"a" 1},"source_id":"a"`, ""},
		{`"unknown":01,"source_id":"a"`, ""},
		{`"unknown":tru,"source_id":"a"`, ""},
		{`"unknown":` + strings.Repeat("[", maxJSONDepth-1) + strings.Repeat("]", maxJSONDepth-1) + `,"source_id":"a"`, "a"},
		{`"unknown":` + strings.Repeat("[", 1e6) + strings.Repeat("]", 1e6), ""},
		{`"tags":[]`, ""},
		{`"tags":{"a":1}`, ""},
		{`"tags":{"a":null}`, ""},
		{`"gauge":"x"`, ""},
		{`"gauge":{"metrics":{"a":null}}`, ""},
		{`"log":1`, ""},
		{`"source_id":"a"} x`, ""},
	} {
		var d JSON
		var view metric.Envelope
		switch ok := decodeJSON(&d, "{"+c.text+"}", &view); {
		case ok != (c.want != ""):
			t.Errorf("%.60s: well formed %v", c.text, ok)
		case ok && string(view.SourceID) != c.want:
			t.Errorf("%s: %q, want %q", c.text, view.SourceID, c.want)
		}
	}
}

func TestJSONNumbers(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "1": 1, "-1": -1, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		var d JSON
		var view metric.Envelope
		if !decodeJSON(&d, `{"timestamp":"`+text+`"}`, &view) || view.Timestamp != want {
			t.Errorf("%s: %d, want %d", text, view.Timestamp, want)
		}
	}
	for _, text := range []string{
		`"9223372036854775808"`, `"-9223372036854775809"`, `"1.5"`, `"1.0"`, `"1.5e1"`, `""`, `" 1"`, `"1 "`, `"0x1"`,
		`"1_0"`,
		"[]", "{}", "true", `"NaN"`, `"-"`, "1", "1.", "null",
	} {
		var d JSON
		var view metric.Envelope
		if decodeJSON(&d, `{"timestamp":`+text+`}`, &view) {
			t.Errorf("accepted the timestamp %s", text)
		}
	}
	for text, want := range map[string]float64{
		"0": 0, "-0": math.Copysign(0, -1), "0.1": 0.1, "-12.75": -12.75, "1e3": 1000, "123456789012345": 123456789012345,
		"0.00001":          0.00001,
		"1234567890.12345": 1234567890.12345, "179769313486231570000e288": math.MaxFloat64, "5e-324": 5e-324,
		`"NaN"`: math.NaN(), `"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1),
		"0.30000000000000004": 0.30000000000000004, "9007199254740993": 9007199254740992,
		"90071992547409.93":  90071992547409.93,
		"9007199254740993.7": 9007199254740993.7, "4611686018427387.905": 4611686018427387.905,
	} {
		var d JSON
		var view metric.Envelope
		if !decodeJSON(&d, `{"gauge":{"metrics":{"m":{"value":`+text+`}}}}`, &view) ||
			math.Float64bits(view.Points[0].Value) != math.Float64bits(want) {
			t.Errorf("%s: %v, want %v", text, view.Points, want)
		}
	}
	for _, text := range []string{
		"1e999", `"nan"`, `"+Inf"`, `"1.5"`, "null", "01", `""`, `" 1"`, `"1_0"`, `"0x1p3"`,
		"NaN", "true", "[1]",
	} {
		var d JSON
		var view metric.Envelope
		if decodeJSON(&d, `{"gauge":{"metrics":{"m":{"value":`+text+`}}}}`, &view) {
			t.Errorf("accepted the value %s", text)
		}
	}
}

// FuzzJSON: what is no JSON is refused, nothing panics, and of whatever envelope protobuf's own decoder reads, what
// the gateway would write means the same here.
func FuzzJSON(f *testing.F) {
	for _, e := range wiretest.EnvelopesJSON() {
		f.Add(string(wiretest.MarshalJSON(f, e)))
	}
	for _, text := range []string{
		`{"timestamp":1.5e1,"tags":{"a":"\ud83d\ude00"}}`, `{"source_id":null,"gauge":null,"log":{"type":1}}`,
		`{"counter":{"delta":"1e2","total":18446744073709551615}}`, `{"tags":{"a\n\"":"b\\\u0001"}}`,
		`{"gauge":{"metrics":{"a":{"value":"NaN"},"b":{"value":-0}}},"unknown":[{}]}`, `[]`, `{"a":`, "",
	} {
		f.Add(text)
	}
	var d JSON
	var view metric.Envelope
	f.Fuzz(func(t *testing.T, text string) {
		if decodeJSON(&d, text, &view) && !json.Valid([]byte(`{"batch":[`+text+`]}`)) {
			t.Fatalf("accepted what is no JSON: %q", text)
		}
		var stock loggregator_v2.Envelope
		if (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(text), &stock) != nil {
			return
		}
		stock.DeprecatedTags = nil
		written := string(wiretest.MarshalJSON(t, &stock))
		if !decodeJSON(&d, written, &view) {
			t.Fatalf("refused what the gateway writes: %q", written)
		}
		got, want := wiretest.PlainOf(&view), wiretest.OracleV2(&stock)
		if view.TooManyTags {
			got.Tags, want.Tags = nil, nil
		}
		wiretest.RequireEqual(t, written, got, want)
	})
}
