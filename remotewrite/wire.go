package remotewrite

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
)

// The messages of 1.0 (https://prometheus.io/docs/specs/prw/remote_write_spec/) and 2.0 (.../remote_write_spec_2_0/):
//
//	message prometheus.WriteRequest {
//	  repeated TimeSeries timeseries = 1;
//	  repeated MetricMetadata metadata = 3;
//	}
//	message io.prometheus.write.v2.Request {
//	  repeated string symbols = 4;  // the first one is empty
//	  repeated TimeSeries timeseries = 5;
//	}
const (
	v1TimeSeries = 1
	v1Metadata   = 3
	v2Symbols    = 4
	v2TimeSeries = 5
)

// The time series of 1.0, and of 2.0:
//
//	message TimeSeries {
//	  repeated Label labels = 1;          // message Label { string name = 1; string value = 2; }
//	  repeated Sample samples = 2;        // message Sample { double value = 1; int64 timestamp = 2; }
//	  repeated Exemplar exemplars = 3;
//	  repeated Histogram histograms = 4;
//	}
//	message TimeSeries {
//	  repeated uint32 labels_refs = 1;    // of names and values in turn, to symbols
//	  repeated Sample samples = 2;        // with int64 start_timestamp = 3
//	  repeated Histogram histograms = 3;
//	  repeated Exemplar exemplars = 4;
//	  Metadata metadata = 5;
//	}
const (
	seriesLabels   = 1
	seriesSamples  = 2
	v1Exemplars    = 3
	v1Histograms   = 4
	v2Histograms   = 3
	v2Exemplars    = 4
	seriesMetadata = 5

	labelName  = 1
	labelValue = 2

	sampleValue     = 1<<3 | byte(protowire.Fixed64Type)
	sampleTimestamp = 2<<3 | byte(protowire.VarintType)
	sampleStart     = 3
)

// The metadata of a family in 1.0, and of a series in 2.0:
//
//	message MetricMetadata { MetricType type = 1; string metric_family_name = 2; string help = 4; string unit = 5; }
//	message Metadata { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
const (
	metadataType = 1
	v1FamilyName = 2
	v1Help       = 4
	v1Unit       = 5
	v2HelpRef    = 3
	v2UnitRef    = 4
)

// staleNaN marks the end of a series: https://prometheus.io/docs/specs/prw/remote_write_spec/#stale-markers
const staleNaN uint64 = 0x7ff0000000000002

// normalNaN replaces every other NaN, so that no value of a component ends its series.
const normalNaN uint64 = 0x7ff8000000000001

func valueBits(v float64) uint64 {
	if v != v {
		return normalNaN
	}
	return math.Float64bits(v)
}

// wireType is the number of a type in both messages.
func wireType(t metric.Type) uint64 {
	switch t {
	case metric.TypeCounter:
		return 1
	case metric.TypeGauge:
		return 2
	case metric.TypeHistogram:
		return 3
	case metric.TypeSummary:
		return 5
	default:
		return 0
	}
}

// message builds one request.
type message struct {
	v2      bool
	entries []byte // time series or metadata, encoded
	count   int    // of entries
	counts  counts // of what the entries hold
	symbols []byte // encoded; 2.0 only
	refs    map[string]uint32
	buffer  []byte
	// generation is the number of resets. Labels and metadata that were encoded in an earlier one may refer to other
	// symbols.
	generation int
}

func newMessage(v2 bool) *message {
	m := &message{v2: v2, refs: map[string]uint32{}}
	m.reset()
	return m
}

func (m *message) reset() {
	m.generation++
	m.entries, m.symbols, m.count, m.counts = m.entries[:0], m.symbols[:0], 0, counts{}
	if m.v2 {
		clear(m.refs)
		m.ref("")
	}
}

func (m *message) size() int { return len(m.entries) + len(m.symbols) }

// appendTo appends the whole message.
func (m *message) appendTo(dst []byte) []byte {
	return append(append(dst, m.symbols...), m.entries...)
}

// ref returns the index of a symbol. It keeps the text until the reset.
func (m *message) ref(text string) uint32 {
	if r, ok := m.refs[text]; ok {
		return r
	}
	r := uint32(len(m.refs))
	m.refs[text] = r
	m.symbols = protowire.AppendTag(m.symbols, v2Symbols, protowire.BytesType)
	m.symbols = protowire.AppendString(m.symbols, text)
	return r
}

// appendLabel appends a label as a time series holds it.
func (m *message) appendLabel(dst []byte, name, value string) []byte {
	if m.v2 {
		dst = protowire.AppendVarint(dst, uint64(m.ref(name)))
		return protowire.AppendVarint(dst, uint64(m.ref(value)))
	}
	size := 2 + protowire.SizeBytes(len(name)) + protowire.SizeBytes(len(value))
	dst = protowire.AppendTag(dst, seriesLabels, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = appendString(dst, labelName, name)
	return appendString(dst, labelValue, value)
}

// appendMetadata appends the metadata of a time series of 2.0.
func (m *message) appendMetadata(dst []byte, f *family) []byte {
	var body [24]byte
	b := appendUint(body[:0], metadataType, wireType(f.typ))
	b = appendUint(b, v2HelpRef, uint64(m.ref(f.help)))
	b = appendUint(b, v2UnitRef, uint64(m.ref(f.unit)))
	return appendBytes(dst, seriesMetadata, b)
}

// sample is the one sample that a time series has in a request.
type sample struct {
	bits      uint64
	timestamp int64 // milliseconds
	start     int64 // milliseconds, 0 if unknown; 2.0 only
}

// appendSample appends a sample as a field of a time series.
func (m *message) appendSample(dst []byte, s *sample) []byte {
	const lengthBytes = 1 // a sample takes less than 128 bytes
	dst = append(dst, seriesSamples<<3|byte(protowire.BytesType), 0, sampleValue)
	start := len(dst) - 1
	dst = binary.LittleEndian.AppendUint64(dst, s.bits)
	dst = protowire.AppendVarint(append(dst, sampleTimestamp), uint64(s.timestamp))
	if m.v2 && s.start != 0 {
		dst = appendUint(dst, sampleStart, uint64(s.start))
	}
	dst[start-lengthBytes] = byte(len(dst) - start)
	m.counts[contentSamples]++
	return dst
}

// addSeries adds a time series. Its labels are encoded in parts; data are the fields that hold its sample or
// histogram and exemplars; metadata is for 2.0 only.
func (m *message) addSeries(labels [][]byte, data, metadata []byte) {
	size := 0
	for _, part := range labels {
		size += len(part)
	}
	dst := m.entries
	if m.v2 {
		dst = protowire.AppendTag(dst, v2TimeSeries, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(1+protowire.SizeBytes(size)+len(data)+len(metadata)))
		dst = protowire.AppendTag(dst, seriesLabels, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(size))
	} else {
		dst = protowire.AppendTag(dst, v1TimeSeries, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(size+len(data)))
		metadata = nil
	}
	for _, part := range labels {
		dst = append(dst, part...)
	}
	m.entries = append(append(dst, data...), metadata...)
	m.count++
}

// addFamily adds the metadata of a family; 1.0 only.
func (m *message) addFamily(f *family) {
	b := appendUint(m.buffer[:0], metadataType, wireType(f.typ))
	b = appendString(b, v1FamilyName, f.name)
	b = appendString(b, v1Help, f.help)
	b = appendString(b, v1Unit, f.unit)
	m.buffer = b
	m.entries = appendBytes(m.entries, v1Metadata, b)
	m.count++
	m.counts[contentMetadata]++
}

func appendUint(dst []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), value)
}

func appendString(dst []byte, number protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, number, protowire.BytesType), value)
}

func appendBytes(dst []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), value)
}
