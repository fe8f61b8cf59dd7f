package remotewrite

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
)

// Field numbers of the two messages: https://prometheus.io/docs/specs/prw/remote_write_spec/ (prometheus.WriteRequest) and
// https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/ (io.prometheus.write.v2.Request).
const (
	v1TimeSeries = 1 // of WriteRequest
	v1Metadata   = 3
	v2Symbols    = 4 // of Request
	v2TimeSeries = 5

	v1Exemplars  = 3 // of 1.0's TimeSeries
	v1Histograms = 4
	v2Histograms = 3 // of 2.0's
	v2Exemplars  = 4

	labelName  = 1 // of 1.0's Label
	labelValue = 2

	seriesLabels   = 1 // of a TimeSeries: labels in 1.0, references to symbols in 2.0
	seriesSamples  = 2
	seriesMetadata = 5 // 2.0 only

	sampleValue     = 1 // of a Sample
	sampleTimestamp = 2
	sampleStart     = 3 // 2.0 only

	metadataType = 1 // of metadata in both
	v1FamilyName = 2
	v1Help       = 4
	v1Unit       = 5
	v2HelpRef    = 3
	v2UnitRef    = 4
)

// staleNaN marks the end of a series: https://prometheus.io/docs/specs/prw/remote_write_spec/#stale-markers
const staleNaN uint64 = 0x7ff0000000000002

// normalNaN is what every other NaN becomes, so that no value sent by a component ends its series.
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

// message builds one request. Labels are handed to it as encoded pieces, which are valid until the next reset: in 1.0 they
// are text, in 2.0 references into the table of symbols of this very request.
type message struct {
	v2      bool
	entries []byte // time series or metadata, encoded
	count   int
	counts  tally  // what the entries hold
	symbols []byte // encoded
	refs    map[string]uint32
	// use is the number of resets: what was encoded under another one is not valid.
	use int
}

func newMessage(v2 bool) *message {
	m := &message{v2: v2, refs: map[string]uint32{}}
	m.reset()
	return m
}

func (m *message) reset() {
	m.use++
	m.entries, m.symbols, m.count, m.counts = m.entries[:0], m.symbols[:0], 0, tally{}
	if m.v2 {
		clear(m.refs)
		m.ref("") // the first symbol has to be the empty one
	}
}

func (m *message) size() int { return len(m.entries) + len(m.symbols) }

// appendTo appends the whole message.
func (m *message) appendTo(dst []byte) []byte {
	return append(append(dst, m.symbols...), m.entries...)
}

// ref returns the place of a text in the table of symbols. The text is kept until the reset.
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

// appendLabel appends a label as it stands in a time series.
func (m *message) appendLabel(dst []byte, name, value string) []byte {
	if m.v2 {
		dst = protowire.AppendVarint(dst, uint64(m.ref(name)))
		return protowire.AppendVarint(dst, uint64(m.ref(value)))
	}
	size := 2 + protowire.SizeBytes(len(name)) + protowire.SizeBytes(len(value))
	dst = protowire.AppendTag(dst, seriesLabels, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = protowire.AppendTag(dst, labelName, protowire.BytesType)
	dst = protowire.AppendString(dst, name)
	dst = protowire.AppendTag(dst, labelValue, protowire.BytesType)
	return protowire.AppendString(dst, value)
}

// appendMetadata appends what 2.0 says of a family with every one of its series.
func (m *message) appendMetadata(dst []byte, f *family) []byte {
	var body [24]byte
	b := protowire.AppendTag(body[:0], metadataType, protowire.VarintType)
	b = protowire.AppendVarint(b, wireType(f.typ))
	b = protowire.AppendTag(b, v2HelpRef, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(m.ref(f.help)))
	b = protowire.AppendTag(b, v2UnitRef, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(m.ref(f.unit)))
	dst = protowire.AppendTag(dst, seriesMetadata, protowire.BytesType)
	return protowire.AppendBytes(dst, b)
}

// sample is the one sample that a time series has in a request.
type sample struct {
	bits      uint64
	timestamp int64 // milliseconds
	start     int64 // milliseconds, 0 where unknown; 1.0 cannot say it
}

// appendSample appends a sample as a field of a time series.
func (m *message) appendSample(dst []byte, s *sample) []byte {
	at := len(dst) + 1 // of the length, which is less than 128
	dst = append(dst, seriesSamples<<3|byte(protowire.BytesType), 0, sampleValue<<3|byte(protowire.Fixed64Type))
	dst = binary.LittleEndian.AppendUint64(dst, s.bits)
	dst = append(dst, sampleTimestamp<<3|byte(protowire.VarintType))
	dst = protowire.AppendVarint(dst, uint64(s.timestamp))
	if m.v2 && s.start != 0 {
		dst = append(dst, sampleStart<<3|byte(protowire.VarintType))
		dst = protowire.AppendVarint(dst, uint64(s.start))
	}
	dst[at] = byte(len(dst) - at - 1)
	m.counts[contentSamples]++
	return dst
}

// addSeries adds a time series. Its labels are all pieces one after the other; data are the fields that hold its sample or histogram
// and exemplars; metadata is for 2.0 only.
func (m *message) addSeries(pieces [][]byte, data, metadata []byte) {
	labels := 0
	for _, p := range pieces {
		labels += len(p)
	}
	field, size := protowire.Number(v1TimeSeries), labels+len(data)
	if m.v2 {
		field, size = v2TimeSeries, 1+protowire.SizeBytes(labels)+len(data)+len(metadata)
	}
	dst := protowire.AppendTag(m.entries, field, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	if m.v2 {
		dst = protowire.AppendTag(dst, seriesLabels, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(labels))
	}
	for _, p := range pieces {
		dst = append(dst, p...)
	}
	dst = append(dst, data...)
	if m.v2 {
		dst = append(dst, metadata...)
	}
	m.entries = dst
	m.count++
}

// addFamily adds the metadata of a family, which 1.0 sends by itself.
func (m *message) addFamily(f *family) {
	size := 1 + protowire.SizeVarint(wireType(f.typ)) +
		3 + protowire.SizeBytes(len(f.name)) + protowire.SizeBytes(len(f.help)) + protowire.SizeBytes(len(f.unit))
	dst := protowire.AppendTag(m.entries, v1Metadata, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = protowire.AppendTag(dst, metadataType, protowire.VarintType)
	dst = protowire.AppendVarint(dst, wireType(f.typ))
	for _, field := range [...]struct {
		number protowire.Number
		text   string
	}{{v1FamilyName, f.name}, {v1Help, f.help}, {v1Unit, f.unit}} {
		dst = protowire.AppendTag(dst, field.number, protowire.BytesType)
		dst = protowire.AppendString(dst, field.text)
	}
	m.entries = dst
	m.count++
	m.counts[contentMetadata]++
}
