package nozzle

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
)

// gatewayJSON writes as the RLP gateway does: snake_case, zero values written out.
var gatewayJSON = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

func marshalJSON(tb testing.TB, e *loggregator_v2.Envelope) []byte {
	tb.Helper()
	b, err := gatewayJSON.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// jsonBatch is a batch as the gateway sends it.
func jsonBatch(tb testing.TB, envelopes ...*loggregator_v2.Envelope) []byte {
	tb.Helper()
	b, err := gatewayJSON.Marshal(&loggregator_v2.EnvelopeBatch{Batch: envelopes})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// envelopesJSON are the samples that can be written as JSON: strings in it are UTF-8.
func envelopesJSON() []*loggregator_v2.Envelope { return envelopesV2() }

func TestJSONDecodesWhatTheGatewayWrites(t *testing.T) {
	var d JSON
	var view metric.Envelope
	for _, e := range envelopesJSON() {
		for _, o := range []protojson.MarshalOptions{gatewayJSON, {UseProtoNames: true}, {}, {Multiline: true, Indent: "\t"}} {
			text, err := o.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if !d.Decode([]byte(string(text)), &view) {
				t.Fatalf("refused %s", text)
			}
			requireEqual(t, string(text), plainOf(&view), oracleV2(e))
		}
	}
}

// The text is what the real gateway sent, shortened.
func TestJSONOfTheRealGateway(t *testing.T) {
	text := `{"timestamp":"1795342433316702720","source_id":"router__0","instance_id":"","deprecated_tags":{},` +
		`"tags":{"__v1_type":"ValueMetric","origin":"router__0"},"gauge":{"metrics":{"memoryStats.numBytesAllocated":{"unit":"count","value":1048576}}}}`
	var d JSON
	var view metric.Envelope
	if !d.Decode([]byte(text), &view) {
		t.Fatal("refused")
	}
	requireEqual(t, "envelope", plainOf(&view), plain{
		Kind: metric.KindGauge, Timestamp: 1795342433316702720, SourceID: "router__0",
		Tags:   map[string]string{"__v1_type": "ValueMetric", "origin": "router__0"},
		Points: map[string]plainPoint{"memoryStats.numBytesAllocated": {"count", math.Float64bits(1048576)}},
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
		{`"source_id":null`, "null"},
		{`"sourceId":"a"`, "a"},
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
		{`"deprecated_tags":{"a":1}`, ""},
		{`"source_id":"a"} x`, ""},
	} {
		var d JSON
		var view metric.Envelope
		switch ok := d.Decode([]byte("{"+c.text+"}"), &view); {
		case ok != (c.want != ""):
			t.Errorf("%.60s: well formed %v", c.text, ok)
		case c.want == "null" && view.SourceID != nil:
			t.Errorf("%s: %q", c.text, view.SourceID)
		case ok && c.want != "null" && string(view.SourceID) != c.want:
			t.Errorf("%s: %q, want %q", c.text, view.SourceID, c.want)
		}
	}
}

func TestJSONNumbers(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "1": 1, "-1": -1, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
		"1.5e1": 15, "150e-1": 15, "1.0": 1, "0.0e99999999999": 0, "100000e-5": 1, "1E+2": 100,
	} {
		for _, quote := range []string{"", `"`} {
			var d JSON
			var view metric.Envelope
			if !d.Decode([]byte(`{"timestamp":`+quote+text+quote+`}`), &view) || view.Timestamp != want {
				t.Errorf("%s: %d, want %d", quote+text, view.Timestamp, want)
			}
		}
	}
	for _, text := range []string{
		"9223372036854775808", "-9223372036854775809", "1.5", "1e-1", "1e99999999999", `""`, `" 1"`, `"1 "`, `"0x1"`, `"01"`, "[]", "{}", "true", `"NaN"`, "-", "1.", "1e", "184467440737095516160",
	} {
		var d JSON
		var view metric.Envelope
		if d.Decode([]byte(`{"timestamp":`+text+`}`), &view) {
			t.Errorf("accepted the timestamp %s", text)
		}
	}
	for text, want := range map[string]float64{
		"0": 0, "-0": math.Copysign(0, -1), "0.1": 0.1, "-12.75": -12.75, "1e3": 1000, "123456789012345": 123456789012345, "0.00001": 0.00001,
		"1234567890.12345": 1234567890.12345, "179769313486231570000e288": math.MaxFloat64, "5e-324": 5e-324, `"1.5"`: 1.5, `"NaN"`: math.NaN(), `"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1), "null": 0,
		"0.30000000000000004": 0.30000000000000004, "9007199254740993": 9007199254740992,
	} {
		var d JSON
		var view metric.Envelope
		if !d.Decode([]byte(`{"gauge":{"metrics":{"m":{"value":`+text+`}}}}`), &view) || math.Float64bits(view.Points[0].Value) != math.Float64bits(want) {
			t.Errorf("%s: %v, want %v", text, view.Points, want)
		}
	}
	for _, text := range []string{"1e999", `"nan"`, `"+Inf"`, `""`, `" 1"`, `"1_0"`, `"0x1p3"`, "NaN", "true", "[1]"} {
		var d JSON
		var view metric.Envelope
		if d.Decode([]byte(`{"gauge":{"metrics":{"m":{"value":`+text+`}}}}`), &view) {
			t.Errorf("accepted the value %s", text)
		}
	}
}

func TestIntakeJSON(t *testing.T) {
	good := string(jsonBatch(t, envelopesJSON()[0]))
	one := strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(good, " ", ""), `{"batch":[`), `]}`)
	for _, c := range []struct {
		batch                         string
		converted, ignored, malformed uint64
	}{
		{good, 1, 0, 0},
		{`{"batch":[]}`, 0, 0, 0},
		{`{"batch":null}`, 0, 0, 0},
		{`{}`, 0, 0, 0},
		{`{"other":[1],"batch":[` + one + `,` + one + `]}`, 2, 0, 0},
		{`{"batch":[{},{"log":{"payload":"aGVsbG8="}},{"gauge":{}}]}`, 0, 3, 0},
		// A wrong value harms its envelope only.
		{`{"batch":[` + one + `,{"timestamp":"x"},` + one + `,{"tags":[1]},7,` + one + `]}`, 3, 0, 3},
		// A mistake of syntax ends the batch.
		{`{"batch":[` + one + `,{"timestamp":` + `,` + one + `]}`, 1, 0, 1},
		{`{"batch":[` + one + `,` + one[:len(one)-5], 1, 0, 1},
		{good + "x", 1, 0, 1},
		{`{"batch":7}`, 0, 0, 1},
		{`[]`, 0, 0, 1},
		{``, 0, 0, 1},
	} {
		l, _ := newTestLedger(t)
		account := l.Source("gateway")
		in := NewIntake(account, &nullSink{})
		at := time.Unix(7, 0)
		if n := in.JSON([]byte(c.batch), at); n != int(c.malformed) {
			t.Errorf("%.80s: returned %d", c.batch, n)
		}
		got := [4]uint64{account.received.Load(), account.envelopes[converted].Load(), account.envelopes[ignored].Load(), account.envelopes[malformed].Load()}
		if want := [4]uint64{c.converted + c.ignored + c.malformed, c.converted, c.ignored, c.malformed}; got != want {
			t.Errorf("%.80s: received, converted, ignored, malformed: %v, want %v", c.batch, got, want)
		}
		if last := account.last.Load(); (last == at.UnixNano()) != (c.converted+c.ignored > 0) {
			t.Errorf("%.80s: last envelope at %d", c.batch, last)
		}
	}
}

func TestJSONAllocations(t *testing.T) {
	l, _ := newTestLedger(t)
	in := NewIntake(l.Source("gateway"), &nullSink{})
	original := jsonBatch(t, envelopesJSON()...)
	batch := make([]byte, len(original))
	allocs := testing.AllocsPerRun(1000, func() {
		copy(batch, original)
		if n := in.JSON(batch, time.Unix(1, 0)); n != 0 {
			t.Fatalf("%d malformed", n)
		}
	})
	if allocs != 0 {
		t.Fatalf("%v allocations a batch", allocs)
	}
}

// FuzzJSON: whatever protobuf's own decoder accepts means the same here; whatever is no JSON is refused; nothing panics.
func FuzzJSON(f *testing.F) {
	for _, e := range envelopesJSON() {
		f.Add(marshalJSON(f, e))
	}
	for _, text := range []string{
		`{"timestamp":1.5e1,"tags":{"a":"\ud83d\ude00"}}`, `{"source_id":null,"gauge":null,"log":{"type":1}}`, `{"counter":{"delta":"1e2","total":18446744073709551615}}`,
		`{"gauge":{"metrics":{"a":{"value":"NaN"},"b":{"value":-0}}},"unknown":[{}]}`, `{"deprecated_tags":{"a":{"integer":"5"},"b":{"decimal":1e-7},"c":{}}}`, `[]`, `{"a":`, "",
	} {
		f.Add([]byte(text))
	}
	var d JSON
	var view metric.Envelope
	f.Fuzz(func(t *testing.T, text []byte) {
		var stock loggregator_v2.Envelope
		err := protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, &stock)
		valid, deep := json.Valid(text), strings.Count(string(text), "[")+strings.Count(string(text), "{") > maxJSONDepth
		ok := d.Decode([]byte(string(text)), &view)
		switch {
		case ok && !valid:
			t.Fatalf("accepted what is no JSON: %q", text)
		case err == nil && !ok && !deep:
			t.Fatalf("refused what protobuf accepts: %q", text)
		case err == nil && ok:
			got, want := plainOf(&view), oracleV2(&stock)
			if view.TooManyTags {
				got.Tags, want.Tags = nil, nil
			}
			requireEqual(t, string(text), got, want)
		}
	})
}

// recordedBatches keeps what sources hand to a recorder.
type recordedBatches struct {
	batches []*loggregator_v2.EnvelopeBatch
}

func (r *recordedBatches) RecordV1(string, []byte, time.Time) {}

func (r *recordedBatches) RecordV2(source string, batch []byte, _ time.Time) {
	var b loggregator_v2.EnvelopeBatch
	if err := proto.Unmarshal(batch, &b); err != nil || source != nameGateway {
		panic(err)
	}
	r.batches = append(r.batches, &b)
}

// TestIntakeJSONIsRecorded: as the batch that it stands for, although decoding overwrites the text.
func TestIntakeJSONIsRecorded(t *testing.T) {
	l, _ := newTestLedger(t)
	recorder := &recordedBatches{}
	l.RecordTo(recorder)
	sink := &nullSink{}
	in := NewIntake(l.Source(nameGateway), sink)
	sent := &loggregator_v2.Envelope{SourceId: "a\"b\n", Message: gaugeV2("m")}
	if n := in.JSON(jsonBatch(t, sent), time.Unix(1, 0)); n != 0 || sink.envelopes != 1 {
		t.Fatal(n, sink.envelopes)
	}
	in.JSON([]byte("{"), time.Unix(1, 0))
	if len(recorder.batches) != 1 || len(recorder.batches[0].GetBatch()) != 1 || !proto.Equal(recorder.batches[0].GetBatch()[0], sent) {
		t.Errorf("%v", recorder.batches)
	}
}
