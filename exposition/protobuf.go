package exposition

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// The fields of io.prometheus.client.MetricFamily and what it holds, as they stand on the wire: number and wire type.
const (
	isVarint  = uint64(protowire.VarintType)
	isFixed64 = uint64(protowire.Fixed64Type)
	isBytes   = uint64(protowire.BytesType)

	familyName   = 1<<3 | isBytes
	familyHelp   = 2<<3 | isBytes
	familyType   = 3<<3 | isVarint
	familyMetric = 4<<3 | isBytes
	familyUnit   = 5<<3 | isBytes

	metricLabel     = 1<<3 | isBytes
	metricGauge     = 2<<3 | isBytes
	metricCounter   = 3<<3 | isBytes
	metricHistogram = 7<<3 | isBytes

	labelName  = 1<<3 | isBytes
	labelValue = 2<<3 | isBytes

	numberValue  = 1<<3 | isFixed64 // of Gauge and Counter
	counterStart = 3<<3 | isBytes

	timestampSeconds = 1<<3 | isVarint
	timestampNanos   = 2<<3 | isVarint
)

// sizeFixed64 is the size of a double with its tag.
const sizeFixed64 = 1 + 8

// encodeAhead bounds the bytes of one family that are kept until its length is known.
const encodeAhead = 1 << 20

// protobufEncoder writes delimited io.prometheus.client.MetricFamily messages, the bytes that the generated code would write
// too. The length of a family comes before it, and readers take a family that comes in parts for several. So its beginning is
// encoded ahead; what is beyond encodeAhead is measured, and encoded from the snapshot when its turn comes: a large family costs
// a few words a series, a tenth of its message.
type protobufEncoder struct {
	scheme model.EscapingScheme
}

func newProtobuf(scheme model.EscapingScheme) encoder { return &protobufEncoder{scheme} }

func (e *protobufEncoder) names(f *store.Family) names { return textNames(f, e.scheme) }

// suffixes are those of the text format, as Prometheus takes a histogram apart into the same series.
func (e *protobufEncoder) suffixes(t metric.Type) suffixes { return textSuffixes(t) }

func (e *protobufEncoder) writes(t metric.Type) bool {
	return t <= metric.TypeSummary
}

func (e *protobufEncoder) encode(p *page, f *store.Family, n names, samples []store.Sample, r Reader) error {
	snap := &p.snapshot
	defer snap.reset()
	if err := snap.takeType(f.Type, samples, r, p.stop); err != nil || len(snap.samples) == 0 {
		return err
	}
	head := familyHead{name: n.family, help: strings.ToValidUTF8(f.Help, "\uFFFD"), typ: f.Type}
	if hasUnit(strings.TrimSuffix(n.family, totalSuffix), f.Unit) {
		head.unit = f.Unit
	}
	size, ahead := head.size(), 0
	for ; ahead < len(snap.samples) && len(snap.encoded) < encodeAhead; ahead++ {
		p.readAhead(snap.samples, ahead)
		snap.encoded = appendMetric(snap.encoded, f.Type, &snap.samples[ahead])
	}
	size += len(snap.encoded)
	for i := ahead; i < len(snap.samples); i++ {
		size += sizeBytes(sizeMetric(f.Type, &snap.samples[i]))
	}
	p.buf = head.append(protowire.AppendVarint(p.buf, uint64(size)))
	for chunk := range slices.Chunk(snap.encoded, chunkBytes) {
		p.buf = append(p.buf, chunk...)
		if err := p.flushFull(); err != nil {
			return err
		}
	}
	for i := ahead; i < len(snap.samples); i++ {
		p.readAhead(snap.samples, i)
		p.buf = appendMetric(p.buf, f.Type, &snap.samples[i])
		if err := p.flushFull(); err != nil {
			return err
		}
	}
	if head.unit != "" {
		p.buf = appendString(p.buf, familyUnit, head.unit)
	}
	return nil
}

// familyHead is what a family says but its metrics.
type familyHead struct {
	name, help, unit string
	typ              metric.Type
}

func (h *familyHead) size() int {
	size := sizeBytes(len(h.name)) + 2
	if h.help != "" {
		size += sizeBytes(len(h.help))
	}
	if h.unit != "" {
		size += sizeBytes(len(h.unit))
	}
	return size
}

// append appends all but the unit, which comes after the metrics.
func (h *familyHead) append(dst []byte) []byte {
	dst = appendString(dst, familyName, h.name)
	if h.help != "" {
		dst = appendString(dst, familyHelp, h.help)
	}
	return append(dst, byte(familyType), familyTypeNumber(h.typ))
}

// familyTypeNumber is the MetricType of a type that the encoder writes.
func familyTypeNumber(t metric.Type) byte {
	switch t {
	case metric.TypeCounter:
		return 0
	case metric.TypeSummary:
		return 2
	case metric.TypeHistogram:
		return 4
	default:
		return 1
	}
}

func sizeMetric(t metric.Type, s *store.Sample) int {
	size := sizeLabels(s.Labels, s.Pairs)
	if t == metric.TypeHistogram {
		return size + sizeBytes(sizeHistogram(s))
	}
	if t == metric.TypeSummary {
		return size + sizeBytes(sizeSummary(s))
	}
	if t == metric.TypeCounter {
		return size + sizeBytes(sizeFixed64+sizeTimestampField(s.Start))
	}
	return size + sizeBytes(sizeFixed64)
}

// appendMetric appends a metric with its tag and length.
func appendMetric(dst []byte, t metric.Type, s *store.Sample) []byte {
	dst = append(dst, byte(familyMetric), 0, 0)
	start := len(dst)
	dst = appendLabels(dst, s.Labels)
	switch t {
	case metric.TypeHistogram:
		dst = protowire.AppendVarint(append(dst, byte(metricHistogram)), uint64(sizeHistogram(s)))
		dst = appendHistogram(dst, s)
	case metric.TypeSummary:
		dst = protowire.AppendVarint(append(dst, byte(metricSummary)), uint64(sizeSummary(s)))
		dst = appendSummaryFields(dst, s)
	case metric.TypeCounter:
		dst = append(dst, byte(metricCounter), byte(sizeFixed64+sizeTimestampField(s.Start)))
		dst = appendDouble(dst, numberValue, s.Value)
		dst = appendTimestampField(dst, counterStart, s.Start)
	default:
		dst = appendDouble(append(dst, byte(metricGauge), sizeFixed64), numberValue, s.Value)
	}
	return setLength(dst, start)
}

// setLength writes the length of what begins at start into the two bytes before it, which suffice for most metrics and are too
// many or too few for others.
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

// sizeBytes is the size of a field of so many bytes, with its tag and length.
func sizeBytes(n int) int { return 1 + protowire.SizeVarint(uint64(n)) + n }

func appendString(dst []byte, tag uint64, s string) []byte {
	return protowire.AppendString(append(dst, byte(tag)), s)
}

func appendDouble(dst []byte, tag uint64, v float64) []byte {
	return protowire.AppendFixed64(append(dst, byte(tag)), math.Float64bits(v))
}

// sizeTimestampField is the size of a time in nanoseconds since the epoch with its tag, which is one byte: nothing where it is not known.
func sizeTimestampField(ns int64) int {
	if ns <= 0 {
		return 0
	}
	return sizeBytes(sizeTimestamp(ns))
}

func sizeTimestamp(ns int64) int {
	size := 0
	if s := uint64(ns) / 1e9; s > 0 {
		size += 1 + protowire.SizeVarint(s)
	}
	if n := uint64(ns) % 1e9; n > 0 {
		size += 1 + protowire.SizeVarint(n)
	}
	return size
}

func appendTimestampField(dst []byte, tag uint64, ns int64) []byte {
	if ns <= 0 {
		return dst
	}
	dst = append(dst, byte(tag), byte(sizeTimestamp(ns)))
	if s := uint64(ns) / 1e9; s > 0 {
		dst = protowire.AppendVarint(append(dst, byte(timestampSeconds)), s)
	}
	if n := uint64(ns) % 1e9; n > 0 {
		dst = protowire.AppendVarint(append(dst, byte(timestampNanos)), n)
	}
	return dst
}
