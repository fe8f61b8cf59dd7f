package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
)

// Tags of the fields of KeyValue and AnyValue:
//
//	message KeyValue { string key = 1; AnyValue value = 2; }
//	message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3;
//	  double double_value = 4; ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7; } }
const (
	anyString = 1<<3 | Bytes
	anyBool   = 2<<3 | Varint
	anyInt    = 3<<3 | Varint
	anyDouble = 4<<3 | Fixed64
	anyArray  = 5<<3 | Bytes
	anyMap    = 6<<3 | Bytes
	anyBytes  = 7<<3 | Bytes
)

// maxComposed is how many bytes of a KeyValue may be unmarshalled, which takes more than thirty times their memory. The
// text of a longer array or map stays what came: it is too long for a tag in any form.
const maxComposed = 16 * metric.MaxValueBytes

// attribute reads a KeyValue. Its value becomes text as OpenTelemetry's rules for other protocols say: numbers as in
// JSON, bytes as base64, arrays and maps as JSON. The text may be in scratch.
func (d *OTLP) attribute(b []byte) (key, text []byte, ok bool) {
	// Fast path: the key, then a string, both shorter than some 126 bytes, as every encoder writes them.
	if len(b) >= 2 && b[0] == byte(entryKey) && b[1] < 0x80 {
		k := 2 + int(b[1])
		if k+4 <= len(b) && b[k] == byte(entryValue) && b[k+1] < 0x80 && k+2+int(b[k+1]) == len(b) &&
			b[k+2] == byte(anyString) && b[k+3] < 0x80 && k+4+int(b[k+3]) == len(b) {
			return b[2:k], b[k+4:], true
		}
	}
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case entryKey:
			key = f.Bytes
		case entryValue:
			var composed bool
			if text, composed, ok = d.anyValue(f.Bytes, text); !ok {
				return nil, nil, false
			}
			switch {
			case composed && len(b) > maxComposed:
				text = b
			case composed:
				return d.composedAttribute(b)
			}
		}
	}
	return key, text, !f.Bad
}

// anyValue renders an AnyValue unless it is composed: an array or a map. One without content keeps the text of an
// earlier one of the same attribute.
func (d *OTLP) anyValue(b, text []byte) (_ []byte, composed, ok bool) {
	f := Fields{Message: b}
	for f.Next() {
		from := len(d.scratch)
		switch f.Tag {
		case anyString:
			text = f.Bytes
			continue
		case anyBool:
			d.scratch = strconv.AppendBool(d.scratch, f.Number != 0)
		case anyInt:
			d.scratch = strconv.AppendInt(d.scratch, int64(f.Number), 10)
		case anyDouble:
			d.scratch = appendDouble(d.scratch, math.Float64frombits(f.Number))
		case anyBytes:
			d.scratch = base64.StdEncoding.AppendEncode(d.scratch, f.Bytes)
		case anyArray, anyMap:
			composed = true
			continue
		default:
			continue
		}
		text = d.scratch[from:]
	}
	return text, composed, !f.Bad
}

// appendDouble writes a number as JSON does, and what JSON has no number for by its name.
func appendDouble(b []byte, v float64) []byte {
	switch abs := math.Abs(v); {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "Infinity"...)
	case math.IsInf(v, -1):
		return append(b, "-Infinity"...)
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	default:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	}
}

// composedAttribute is the slow path for attributes whose value is, or was before it was replaced, an array or a map.
func (d *OTLP) composedAttribute(b []byte) (key, text []byte, ok bool) {
	var attribute commonv1.KeyValue
	if proto.Unmarshal(b, &attribute) != nil {
		return nil, nil, false
	}
	switch v := jsonValue(attribute.GetValue()).(type) {
	case string:
		text = []byte(v)
	case nil:
	default:
		var buffer bytes.Buffer
		encoder := json.NewEncoder(&buffer)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(v) != nil {
			return nil, nil, false
		}
		text = bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
	}
	return []byte(attribute.GetKey()), text, true
}

// jsonValue returns what encoding/json writes as the rules say. Maps are written in the order of their keys, so that a
// value is one text in whatever order it came.
func jsonValue(v *commonv1.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonv1.AnyValue_StringValue:
		return v.StringValue
	case *commonv1.AnyValue_BoolValue:
		return v.BoolValue
	case *commonv1.AnyValue_IntValue:
		return v.IntValue
	case *commonv1.AnyValue_DoubleValue:
		if math.IsNaN(v.DoubleValue) || math.IsInf(v.DoubleValue, 0) { // which JSON has no numbers for
			return string(appendDouble(nil, v.DoubleValue))
		}
		return v.DoubleValue
	case *commonv1.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(v.BytesValue)
	case *commonv1.AnyValue_ArrayValue:
		values := make([]any, len(v.ArrayValue.GetValues()))
		for i, item := range v.ArrayValue.GetValues() {
			values[i] = jsonValue(item)
		}
		return values
	case *commonv1.AnyValue_KvlistValue:
		values := make(map[string]any, len(v.KvlistValue.GetValues()))
		for _, item := range v.KvlistValue.GetValues() {
			values[item.GetKey()] = jsonValue(item.GetValue())
		}
		return values
	default:
		return nil
	}
}
