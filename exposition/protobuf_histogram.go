package exposition

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/store"
)

// The fields of io.prometheus.client.Histogram and what it holds.
const (
	histogramCount         = 1<<3 | isVarint
	histogramSum           = 2<<3 | isFixed64
	histogramBucket        = 3<<3 | isBytes
	histogramSchema        = 5<<3 | isVarint
	histogramZeroThreshold = 6<<3 | isFixed64
	histogramZeroCount     = 7<<3 | isVarint
	histogramPositiveSpan  = 12<<3 | isBytes
	histogramPositiveDelta = 13<<3 | isVarint
	histogramStart         = 15<<3 | isBytes

	bucketCount    = 1<<3 | isVarint
	bucketBound    = 2<<3 | isFixed64
	bucketExemplar = 3<<3 | isBytes

	exemplarLabel = 1<<3 | isBytes
	exemplarValue = 2<<3 | isFixed64
	exemplarStamp = 3<<3 | isBytes

	spanOffset = 1<<3 | isVarint
	spanLength = 2<<3 | isVarint
)

// traceLabel is the label of an exemplar by which Grafana and others find the trace.
const traceLabel = "trace_id"

// traceDigits is the room for the id of a trace.
type traceDigits [32]byte

// bucket is one bucket of a classic histogram, cumulative, and what goes with it.
type bucket struct {
	count    uint64
	bound    float64
	exemplar *store.Exemplar // nil where there is none
}

// classicBucket returns the bucket of an index, given the count of the one before it, and whether the format has it: as in
// client_golang, +Inf only where it has an exemplar, since its count is the histogram's.
func classicBucket(h *store.Histogram, i int, before uint64) (b bucket, written bool) {
	b = bucket{count: before, bound: math.Inf(1)}
	if i < len(h.Counts) {
		b.count += h.Counts[i]
	}
	if i < len(h.Exemplars) && h.Exemplars[i].Stamp > 0 {
		b.exemplar = &h.Exemplars[i]
	}
	if i >= len(h.Bounds) {
		return b, b.exemplar != nil
	}
	if b.bound = h.Bounds[i]; b.bound == 0 {
		b.bound = 0 // no -0
	}
	return b, true
}

// sizeHistogram measures a histogram. As in the text format, its count is the sum of its buckets, whatever the store counted.
func sizeHistogram(s *store.Sample) int {
	h := s.Histogram
	size, total := sizeFixed64, uint64(0)
	for i := range len(h.Bounds) + 1 {
		b, written := classicBucket(h, i, total)
		if total = b.count; written {
			size += sizeBytes(b.size())
		}
	}
	size += 1 + protowire.SizeVarint(total) + sizeTimestampField(s.Start)
	if h.Native != nil {
		size += sizeNative(h.Native)
	}
	return size
}

func appendHistogram(dst []byte, s *store.Sample) []byte {
	h := s.Histogram
	total := uint64(0)
	for _, c := range h.Counts[:min(len(h.Counts), len(h.Bounds)+1)] {
		total += c
	}
	dst = protowire.AppendVarint(append(dst, byte(histogramCount)), total)
	dst = appendDouble(dst, histogramSum, h.Sum)
	total = 0
	for i := range len(h.Bounds) + 1 {
		b, written := classicBucket(h, i, total)
		if total = b.count; written {
			dst = b.append(protowire.AppendVarint(append(dst, byte(histogramBucket)), uint64(b.size())))
		}
	}
	if h.Native != nil {
		dst = appendNative(dst, h.Native)
	}
	return appendTimestampField(dst, histogramStart, s.Start)
}

func (b *bucket) size() int {
	size := 1 + protowire.SizeVarint(b.count) + sizeFixed64
	if b.exemplar != nil {
		var digits traceDigits
		size += sizeBytes(sizeExemplar(b.exemplar, b.exemplar.Trace.Append(digits[:0])))
	}
	return size
}

func (b *bucket) append(dst []byte) []byte {
	dst = protowire.AppendVarint(append(dst, byte(bucketCount)), b.count)
	dst = appendDouble(dst, bucketBound, b.bound)
	if b.exemplar == nil {
		return dst
	}
	var digits traceDigits
	trace := b.exemplar.Trace.Append(digits[:0])
	dst = protowire.AppendVarint(append(dst, byte(bucketExemplar)), uint64(sizeExemplar(b.exemplar, trace)))
	dst = append(dst, byte(exemplarLabel), byte(sizeTrace(trace)))
	dst = appendString(dst, labelName, traceLabel)
	dst = protowire.AppendBytes(append(dst, byte(labelValue)), trace)
	dst = appendDouble(dst, exemplarValue, b.exemplar.Value)
	return appendTimestampField(dst, exemplarStamp, b.exemplar.Stamp)
}

// sizeTrace is that of the one label of an exemplar: less than 128.
func sizeTrace(trace []byte) int { return sizeBytes(len(traceLabel)) + sizeBytes(len(trace)) }

func sizeExemplar(e *store.Exemplar, trace []byte) int {
	return sizeBytes(sizeTrace(trace)) + sizeFixed64 + sizeTimestampField(e.Stamp)
}

// sizeNative measures the fields of a native histogram, which has one span of buckets.
func sizeNative(n *store.Native) int {
	size := 1 + protowire.SizeVarint(protowire.EncodeZigZag(int64(n.Schema))) + sizeFixed64
	size += 1 + protowire.SizeVarint(n.Zero) + sizeBytes(sizeSpan(n))
	before := uint64(0)
	for _, c := range n.Counts {
		size += 1 + protowire.SizeVarint(zigzagDelta(before, c))
		before = c
	}
	return size
}

// appendNative appends the fields of a native histogram. One that has no bucket yet has an empty span, which tells it from a
// classic one.
func appendNative(dst []byte, n *store.Native) []byte {
	dst = protowire.AppendVarint(append(dst, byte(histogramSchema)), protowire.EncodeZigZag(int64(n.Schema)))
	dst = appendDouble(dst, histogramZeroThreshold, n.ZeroThreshold)
	dst = protowire.AppendVarint(append(dst, byte(histogramZeroCount)), n.Zero)
	dst = append(dst, byte(histogramPositiveSpan), byte(sizeSpan(n)))
	dst = protowire.AppendVarint(append(dst, byte(spanOffset)), protowire.EncodeZigZag(int64(firstBucket(n))))
	dst = protowire.AppendVarint(append(dst, byte(spanLength)), uint64(len(n.Counts)))
	before := uint64(0)
	for _, c := range n.Counts {
		dst = protowire.AppendVarint(append(dst, byte(histogramPositiveDelta)), zigzagDelta(before, c))
		before = c
	}
	return dst
}

func sizeSpan(n *store.Native) int {
	offset := protowire.EncodeZigZag(int64(firstBucket(n)))
	return 2 + protowire.SizeVarint(offset) + protowire.SizeVarint(uint64(len(n.Counts)))
}

func firstBucket(n *store.Native) int32 {
	if len(n.Counts) == 0 {
		return 0
	}
	return n.First
}

func zigzagDelta(before, count uint64) uint64 { return protowire.EncodeZigZag(int64(count - before)) }
