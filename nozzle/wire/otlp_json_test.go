package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// Each sample of what real agents and a real collector sent is taken whole.
func TestOTLPSamples(t *testing.T) {
	for i, sample := range otlpSamples(t) {
		if text := string(sample.Request); !strings.Contains(text, "resourceMetrics") {
			if n, ok := OTLPRecordsOfJSON(sample.Request); n != 1 || !ok {
				t.Errorf("sample %d, %s: %d records, %v", i, sample.Note, n, ok)
			}
			continue
		}
		var stock metricsv1.MetricsData
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(sample.Request, &stock); err != nil {
			t.Fatal(err)
		}
		b := marshalOTLP(t, &stock)
		compareOTLP(t, newOTLP(), b)
		fromJSON, err := OTLPFromJSON(sample.Request)
		if err != nil {
			t.Fatal(err)
		}
		one, _ := points(newOTLP(), b)
		other, _ := points(newOTLP(), fromJSON)
		requirePoints(t, fmt.Sprintf("sample %d in JSON", i), other, one)
		for _, p := range one {
			if p.Refused != "" {
				t.Errorf("sample %d, %s: %+v", i, sample.Note, p)
			}
		}
	}
}

type otlpSample struct {
	Note    string          `json:"note"`
	Request json.RawMessage `json:"request"`
}

func otlpSamples(tb testing.TB) (samples []otlpSample) {
	tb.Helper()
	file, err := os.ReadFile("../testdata/otlp-samples.json")
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(file, &samples); err != nil {
		tb.Fatal(err)
	}
	return samples
}

func TestOTLPRecordsOfJSON(t *testing.T) {
	for text, want := range map[string]int{
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"C0FFEE00112233445566778899AABBCC"},{}]}]}]}`: 2,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]},{"logRecords":[{}]}]}],"unknown":1}`:             2,
		`{}`: 0,
	} {
		if n, ok := OTLPRecordsOfJSON([]byte(text)); n != want || !ok {
			t.Errorf("%s: %d, %v", text, n, ok)
		}
	}
	if _, ok := OTLPRecordsOfJSON([]byte(`{`)); ok {
		t.Error("half a text is one")
	}
}

// The text has what protobuf's own JSON would read differently, ids in hexadecimal, and what it may write in more than
// one way: an enum as a number, numbers as text and not, and an unknown field.
func TestOTLPFromJSON(t *testing.T) {
	request := `{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"gorouter"}}]},
		"scopeMetrics":[{"scope":{"name":"routing","version":"0.376.0"},"metrics":[{"name":"http.server.request.duration",
		"unit":"s","description":"Duration of requests","histogram":{"aggregationTemporality":1,"dataPoints":[{
		"startTimeUnixNano":"1795000000000000000","timeUnixNano":"1795000060000000000","count":2,"sum":"NaN",
		"bucketCounts":["1",1],"explicitBounds":[0.25],"new":{"a":[]},"exemplars":[{"asInt":"7",
		"traceId":"C0FFEE00112233445566778899AABBCC","spanId":"DEADBEEF01234567"},{"traceId":"none"}]}]}}]}]}]}`
	b, err := OTLPFromJSON([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := points(newOTLP(), b)
	if len(got) != 1 || got[0].Refused != "" || len(got[0].Distribution.Exemplars) != 1 {
		t.Fatalf("%+v", got)
	}
	x := got[0].Distribution.Exemplars[0]
	if fmt.Sprintf("%x %x %v", x.TraceID, x.SpanID, x.Value) != "c0ffee00112233445566778899aabbcc deadbeef01234567 7" ||
		!math.IsNaN(got[0].Distribution.Sum) || !got[0].Distribution.IsDelta {
		t.Errorf("%+v", got[0].Distribution)
	}
	for _, bad := range []string{
		``, `{`, `[]`, `{"resourceMetrics":{}}`,
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":"x"}]}}]}]}]}`,
	} {
		if _, err := OTLPFromJSON([]byte(bad)); err == nil {
			t.Errorf("%s is a request", bad)
		}
	}
}

// FuzzOTLPJSON compares what the JSON of a request gives with what the stock types say, and with protobuf.
func FuzzOTLPJSON(f *testing.F) {
	for _, request := range otlpRequests() {
		if text, err := protojson.Marshal(request); err == nil && len(text) < 1<<14 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := OTLPFromJSON(text)
		var stock metricsv1.MetricsData
		stockErr := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, &stock)
		if (err == nil) != (stockErr == nil) {
			t.Fatalf("%v, stock: %v", err, stockErr)
		}
		if err == nil {
			compareOTLP(t, newOTLP(), b)
		}
	})
}
