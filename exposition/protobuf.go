package exposition

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// The tags, field number and wire type, of io.prometheus.client.MetricFamily and its messages.
const (
	isVarint  = byte(protowire.VarintType)
	isFixed64 = byte(protowire.Fixed64Type)
	isBytes   = byte(protowire.BytesType)

	familyName   = 1<<3 | isBytes
	familyHelp   = 2<<3 | isBytes
	familyType   = 3<<3 | isVarint
	familyMetric = 4<<3 | isBytes
	familyUnit   = 5<<3 | isBytes

	metricLabel     = 1<<3 | isBytes
	metricGauge     = 2<<3 | isBytes
	metricCounter   = 3<<3 | isBytes
	metricSummary   = 4<<3 | isBytes
	metricHistogram = 7<<3 | isBytes

	labelName  = 1<<3 | isBytes
	labelValue = 2<<3 | isBytes

	numberValue  = 1<<3 | isFixed64 // of Gauge and Counter
	counterStart = 3<<3 | isBytes

	timestampSeconds = 1<<3 | isVarint
	timestampNanos   = 2<<3 | isVarint
)

// aheadBytes bounds how much of a family is encoded before its length is known.
const aheadBytes = 1 << 20

// protobufEncoder writes delimited io.prometheus.client.MetricFamily messages, byte for byte as the generated code
// would.
//
// A message begins with its length, and readers take one family in two messages for two families. So the beginning of
// a family is encoded ahead; the samples beyond aheadBytes are copied and measured, and encoded when they are written.
// A large family thus costs a few words per series, a tenth of its message.
type protobufEncoder struct {
	scheme model.EscapingScheme
	layout labelLayout
}

func newProtobuf(scheme model.EscapingScheme) encoder { return &protobufEncoder{scheme: scheme} }

func (e *protobufEncoder) names(f *store.Family) names { return textNames(f, e.scheme) }

// unknownNames returns none: the format writes full names, so that a counter never shares its name with another family.
func (e *protobufEncoder) unknownNames(*store.Family) (n names, ok bool) { return n, false }

// suffixes are those of the text format, since Prometheus takes a histogram apart into the same series.
func (e *protobufEncoder) suffixes(t metric.Type) suffixes { return textSuffixes(t) }

func (e *protobufEncoder) encode(p *page, f *store.Family, n names, samples []store.Sample, r Reader) error {
	b := &p.ahead
	defer b.reset()
	b.encoded = slices.Grow(b.encoded, aheadBytes+chunkBytes) // once, so that the buffer leaves no smaller ones behind
	size := 0                                                 // of the metrics that are not encoded ahead
	for ; len(samples) > 0; samples = r.Next() {
		if err := p.stop(); err != nil {
			return err
		}
		for i := range samples {
			p.prefetch(samples, i)
			s := &samples[i]
			switch {
			case f.Type == metric.TypeHistogram && s.Histogram == nil, f.Type == metric.TypeSummary && s.Summary == nil:
			case len(b.encoded) < aheadBytes:
				b.encoded = e.appendMetric(b.encoded, f.Type, s)
			default:
				b.scratch = appendData(b.scratch[:0], f.Type, s)
				size += sizeBytes(sizeLabels(s.Labels, s.Pairs) + len(b.scratch))
				b.rest.add(s)
			}
		}
	}
	if len(b.encoded) == 0 {
		return nil
	}
	b.scratch = appendFamilyHead(b.scratch[:0], f, n.family)
	head := len(b.scratch)
	if hasUnit(strings.TrimSuffix(n.family, totalSuffix), f.Unit) {
		b.scratch = appendString(b.scratch, familyUnit, f.Unit)
	}
	size += len(b.encoded) + len(b.scratch)
	p.buf = append(protowire.AppendVarint(p.buf, uint64(size)), b.scratch[:head]...)
	for chunk := range slices.Chunk(b.encoded, chunkBytes) {
		p.buf = append(p.buf, chunk...)
		if err := p.flushFull(); err != nil {
			return err
		}
	}
	for _, block := range b.rest.blocks[:b.rest.used] {
		for i := range block.samples {
			p.prefetch(block.samples, i)
			p.buf = e.appendMetric(p.buf, f.Type, &block.samples[i])
			if err := p.flushFull(); err != nil {
				return err
			}
		}
	}
	p.buf = append(p.buf, b.scratch[head:]...)
	return nil
}

// appendFamilyHead appends the fields of a family that come before its metrics. The unit comes after them.
func appendFamilyHead(dst []byte, f *store.Family, name string) []byte {
	dst = appendString(dst, familyName, name)
	if f.Help != "" {
		dst = appendString(dst, familyHelp, metric.Printable(f.Help))
	}
	return append(dst, familyType, byte(protobufTypes[f.Type]))
}

// protobufTypes are the protobuf format's names of the types.
var protobufTypes = [...]dto.MetricType{
	metric.TypeGauge:     dto.MetricType_GAUGE,
	metric.TypeCounter:   dto.MetricType_COUNTER,
	metric.TypeHistogram: dto.MetricType_HISTOGRAM,
	metric.TypeSummary:   dto.MetricType_SUMMARY,
}

// aheadBuffer is the memory for the family whose length is not known yet.
type aheadBuffer struct {
	encoded []byte   // the metrics that come first
	rest    snapshot // the samples after those
	scratch []byte
}

func (b *aheadBuffer) reset() {
	b.encoded = b.encoded[:0]
	b.rest.reset()
}

// appendMetric appends a metric with its tag and length.
func (e *protobufEncoder) appendMetric(dst []byte, t metric.Type, s *store.Sample) []byte {
	dst = append(dst, familyMetric, 0, 0)
	start := len(dst)
	dst = e.layout.append(dst, s)
	dst = appendData(dst, t, s)
	return setLength(dst, start)
}

// appendData appends the field of a metric that is not its labels.
func appendData(dst []byte, t metric.Type, s *store.Sample) []byte {
	switch t {
	case metric.TypeHistogram:
		return appendHistogram(dst, s.Histogram, s.Start)
	case metric.TypeSummary:
		return appendSummary(dst, s.Summary, s.Start)
	case metric.TypeCounter:
		dst = append(dst, metricCounter, 0)
		start := len(dst)
		dst = appendDouble(dst, numberValue, s.Value)
		return setShortLength(appendTimestamp(dst, counterStart, s.Start), start)
	default:
		return appendDouble(append(dst, metricGauge, 9), numberValue, s.Value)
	}
}

// setLength writes the length of what follows start into the two bytes before start. Two bytes are right for most
// metrics; for others what follows is moved.
func setLength(dst []byte, start int) []byte {
	const reserved = 2
	n := len(dst) - start
	if need := protowire.SizeVarint(uint64(n)); need != reserved {
		var more [binary.MaxVarintLen64]byte
		dst = slices.Replace(dst, start-reserved, start, more[:need]...)
	}
	binary.PutUvarint(dst[start-reserved:], uint64(n))
	return dst
}

// setShortLength is setLength for messages of less than 128 bytes, whose length is the byte before start.
func setShortLength(dst []byte, start int) []byte {
	dst[start-1] = byte(len(dst) - start)
	return dst
}

// sizeBytes is the size of a field of n bytes with its tag and length.
func sizeBytes(n int) int { return 1 + protowire.SizeVarint(uint64(n)) + n }

func appendString(dst []byte, tag byte, s string) []byte {
	return protowire.AppendString(append(dst, tag), s)
}

func appendUint(dst []byte, tag byte, v uint64) []byte {
	return protowire.AppendVarint(append(dst, tag), v)
}

func appendDouble(dst []byte, tag byte, v float64) []byte {
	return protowire.AppendFixed64(append(dst, tag), math.Float64bits(v))
}

// appendTimestamp appends a time in nanoseconds since the epoch, or nothing if it is not known.
func appendTimestamp(dst []byte, tag byte, ns int64) []byte {
	if ns <= 0 {
		return dst
	}
	dst = append(dst, tag, 0)
	start := len(dst)
	if s := uint64(ns) / 1e9; s > 0 {
		dst = appendUint(dst, timestampSeconds, s)
	}
	if n := uint64(ns) % 1e9; n > 0 {
		dst = appendUint(dst, timestampNanos, n)
	}
	return setShortLength(dst, start)
}
