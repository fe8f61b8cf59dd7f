package wire

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// OTLPFromJSON returns the protobuf of a request in the JSON form of OTLP, which is that of protobuf except that ids
// of traces and spans are hexadecimal. It takes many times as long as walking, which the senders of JSON have
// chosen.
func OTLPFromJSON(text []byte) ([]byte, error) {
	// MetricsData has the same fields as ExportMetricsServiceRequest, without the package of gRPC services.
	var request metricsv1.MetricsData
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, &request); err != nil {
		return nil, fmt.Errorf("read OTLP in JSON: %w", err)
	}
	for _, r := range request.GetResourceMetrics() {
		for _, s := range r.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				for _, p := range m.GetHistogram().GetDataPoints() {
					mendIDs(p.GetExemplars())
				}
				for _, p := range m.GetExponentialHistogram().GetDataPoints() {
					mendIDs(p.GetExemplars())
				}
			}
		}
	}
	b, err := proto.Marshal(&request)
	if err != nil {
		return nil, fmt.Errorf("convert OTLP from JSON: %w", err)
	}
	return b, nil
}

// mendIDs makes ids of what protojson has read as base64. Text of as many hexadecimal digits as ids have, which are
// multiples of four, comes back whole from base64; other text is no id.
func mendIDs(exemplars []*metricsv1.Exemplar) {
	for _, x := range exemplars {
		for _, id := range []*[]byte{&x.TraceId, &x.SpanId} {
			var err error
			if *id, err = hex.DecodeString(base64.StdEncoding.EncodeToString(*id)); err != nil {
				*id = nil
			}
		}
	}
}

// OTLPRecordsOfJSON is OTLPRecords for the JSON form of spans or log records.
func OTLPRecordsOfJSON(text []byte) (records int, ok bool) {
	type scope struct {
		Spans      []json.RawMessage `json:"spans"`
		LogRecords []json.RawMessage `json:"logRecords"`
	}
	var request struct {
		ResourceSpans []struct {
			ScopeSpans []scope `json:"scopeSpans"`
		} `json:"resourceSpans"`
		ResourceLogs []struct {
			ScopeLogs []scope `json:"scopeLogs"`
		} `json:"resourceLogs"`
	}
	if json.Unmarshal(text, &request) != nil {
		return 0, false
	}
	for _, r := range request.ResourceSpans {
		for _, s := range r.ScopeSpans {
			records += len(s.Spans)
		}
	}
	for _, r := range request.ResourceLogs {
		for _, s := range r.ScopeLogs {
			records += len(s.LogRecords)
		}
	}
	return records, true
}
