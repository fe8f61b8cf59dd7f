package exposition

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// The tags of io.prometheus.client.Histogram, Summary and their messages.
const (
	histogramCount         = 1<<3 | isVarint
	histogramSum           = 2<<3 | isFixed64
	histogramBucket        = 3<<3 | isBytes
	histogramSchema        = 5<<3 | isVarint
	histogramZeroThreshold = 6<<3 | isFixed64
	histogramZeroCount     = 7<<3 | isVarint
	histogramNegativeSpan  = 9<<3 | isBytes
	histogramNegativeDelta = 10<<3 | isVarint
	histogramPositiveSpan  = 12<<3 | isBytes
	histogramPositiveDelta = 13<<3 | isVarint
	histogramStart         = 15<<3 | isBytes
	histogramExemplar      = 16 // the tag takes two bytes

	bucketCount    = 1<<3 | isVarint
	bucketBound    = 2<<3 | isFixed64
	bucketExemplar = 3<<3 | isBytes

	exemplarLabel = 1<<3 | isBytes
	exemplarValue = 2<<3 | isFixed64
	exemplarStamp = 3<<3 | isBytes

	spanOffset = 1<<3 | isVarint
	spanLength = 2<<3 | isVarint

	summaryCount    = 1<<3 | isVarint
	summarySum      = 2<<3 | isFixed64
	summaryQuantile = 3<<3 | isBytes
	summaryStart    = 4<<3 | isBytes

	quantileAt    = 1<<3 | isFixed64
	quantileValue = 2<<3 | isFixed64
)

// appendHistogram appends a histogram with its tag and length. As in the text format its count is the sum of its
// buckets, whatever count the store has. As in client_golang there is a bucket +Inf, which repeats the count, only if
// it has an exemplar, and a histogram with native buckets only has its exemplars beside those.
func appendHistogram(dst []byte, h *store.Histogram, created int64) []byte {
	dst = append(dst, metricHistogram, 0, 0)
	start := len(dst)
	total := uint64(0)
	for _, c := range h.Counts[:min(len(h.Counts), len(h.Bounds)+1)] {
		total += c
	}
	dst = appendUint(dst, histogramCount, total)
	dst = appendDouble(dst, histogramSum, h.Sum)
	cumulative, buckets := uint64(0), len(h.Bounds)+1
	nativeOnly := h.Native != nil && len(h.Bounds) == 0
	if nativeOnly {
		buckets = 0
	}
	for i := range buckets {
		if i < len(h.Counts) {
			cumulative += h.Counts[i]
		}
		var exemplar *store.Exemplar
		if i < len(h.Exemplars) && h.Exemplars[i].Stamp > 0 {
			exemplar = &h.Exemplars[i]
		}
		switch {
		case i < len(h.Bounds):
			dst = appendBucket(dst, cumulative, h.Bounds[i], exemplar)
		case exemplar != nil:
			dst = appendBucket(dst, cumulative, math.Inf(1), exemplar)
		}
	}
	if h.Native != nil {
		dst = appendNative(dst, h.Native)
	}
	dst = appendTimestamp(dst, histogramStart, created)
	if nativeOnly {
		for i := range h.Exemplars {
			if x := &h.Exemplars[i]; x.Stamp > 0 {
				dst = protowire.AppendTag(dst, histogramExemplar, protowire.BytesType)
				dst = appendExemplarMessage(dst, x)
			}
		}
	}
	return setLength(dst, start)
}

// appendBucket appends a bucket of a classic histogram; exemplar may be nil. It has less than 128 bytes, since the ids
// of a trace and a span have at most 32 and 16.
func appendBucket(dst []byte, cumulative uint64, bound float64, exemplar *store.Exemplar) []byte {
	dst = append(dst, histogramBucket, 0)
	start := len(dst)
	dst = appendUint(dst, bucketCount, cumulative)
	if bound == 0 {
		bound = 0 // not -0
	}
	dst = appendDouble(dst, bucketBound, bound)
	if exemplar != nil {
		dst = appendExemplarMessage(append(dst, bucketExemplar), exemplar)
	}
	return setShortLength(dst, start)
}

// appendExemplarMessage appends an exemplar behind its tag, with its length.
func appendExemplarMessage(dst []byte, x *store.Exemplar) []byte {
	dst = append(dst, 0)
	start := len(dst)
	if x.HasSpan() {
		dst = appendIDLabel(dst, store.SpanLabel, &x.Span)
	}
	dst = appendIDLabel(dst, store.TraceLabel, &x.Trace)
	dst = appendDouble(dst, exemplarValue, x.Value)
	return setShortLength(appendTimestamp(dst, exemplarStamp, x.Stamp), start)
}

// appendIDLabel appends a label pair of an exemplar.
func appendIDLabel[ID interface{ Append(dst []byte) []byte }](dst []byte, name string, id ID) []byte {
	dst = append(dst, exemplarLabel, 0)
	start := len(dst)
	dst = appendString(dst, labelName, name)
	dst = append(dst, labelValue, 0)
	value := len(dst)
	return setShortLength(setShortLength(id.Append(dst), value), start)
}

// appendNative appends the fields of a native histogram, which has one span of buckets on each side of zero. Without
// buckets there is an empty positive span: it tells the histogram from a classic one.
func appendNative(dst []byte, n *store.Native) []byte {
	dst = appendUint(dst, histogramSchema, protowire.EncodeZigZag(int64(n.Schema)))
	dst = appendDouble(dst, histogramZeroThreshold, n.ZeroThreshold)
	dst = appendUint(dst, histogramZeroCount, n.Zero)
	if len(n.Negative.Counts) > 0 {
		dst = appendBuckets(dst, histogramNegativeSpan, histogramNegativeDelta, &n.Negative)
	}
	if len(n.Positive.Counts) > 0 || len(n.Negative.Counts) == 0 {
		dst = appendBuckets(dst, histogramPositiveSpan, histogramPositiveDelta, &n.Positive)
	}
	return dst
}

func appendBuckets(dst []byte, spanTag, deltaTag byte, b *metric.NativeBuckets) []byte {
	first := b.First
	if len(b.Counts) == 0 {
		first = 0
	}
	dst = append(dst, spanTag, 0)
	start := len(dst)
	dst = appendUint(dst, spanOffset, protowire.EncodeZigZag(int64(first)))
	dst = setShortLength(appendUint(dst, spanLength, uint64(len(b.Counts))), start)
	before := uint64(0)
	for _, c := range b.Counts {
		dst = appendUint(dst, deltaTag, protowire.EncodeZigZag(int64(c-before)))
		before = c
	}
	return dst
}

// appendSummary appends a summary with its tag and length. A sum that is not known is NaN, since readers take a
// missing one for 0.
func appendSummary(dst []byte, s *store.Summary, created int64) []byte {
	dst = append(dst, metricSummary, 0, 0)
	start := len(dst)
	if !s.Uncounted {
		dst = appendUint(dst, summaryCount, s.Count)
	}
	dst = appendDouble(dst, summarySum, s.Sum)
	for i, v := range s.Values {
		dst = append(dst, summaryQuantile, 18) // two fields of nine bytes
		dst = appendDouble(dst, quantileAt, s.Quantiles[i])
		dst = appendDouble(dst, quantileValue, v)
	}
	return setLength(appendTimestamp(dst, summaryStart, created), start)
}
