package exposition

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

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

	summaryCount    = 1<<3 | isVarint
	summarySum      = 2<<3 | isFixed64
	summaryQuantile = 3<<3 | isBytes
	summaryStart    = 4<<3 | isBytes

	quantileAt    = 1<<3 | isFixed64
	quantileValue = 2<<3 | isFixed64
)

// traceLabel is the label of an exemplar by which Grafana and others find the trace.
const traceLabel = "trace_id"

// appendHistogram appends a histogram with its tag and length. As in the text format its count is the sum of its
// buckets, whatever count the store has. As in client_golang there is a bucket +Inf, which repeats the count, only if
// it has an exemplar.
func appendHistogram(dst []byte, h *store.Histogram, created int64) []byte {
	dst = append(dst, metricHistogram, 0, 0)
	start := len(dst)
	total := uint64(0)
	for _, c := range h.Counts[:min(len(h.Counts), len(h.Bounds)+1)] {
		total += c
	}
	dst = appendUint(dst, histogramCount, total)
	dst = appendDouble(dst, histogramSum, h.Sum)
	cumulative := uint64(0)
	for i := range len(h.Bounds) + 1 {
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
	return setLength(appendTimestamp(dst, histogramStart, created), start)
}

// appendBucket appends a bucket of a classic histogram; exemplar may be nil. It has less than 128 bytes, since the id
// of a trace has at most 32.
func appendBucket(dst []byte, cumulative uint64, bound float64, exemplar *store.Exemplar) []byte {
	dst = append(dst, histogramBucket, 0)
	start := len(dst)
	dst = appendUint(dst, bucketCount, cumulative)
	if bound == 0 {
		bound = 0 // not -0
	}
	dst = appendDouble(dst, bucketBound, bound)
	if exemplar != nil {
		dst = append(dst, bucketExemplar, 0)
		at := len(dst)
		dst = appendTraceLabel(dst, &exemplar.Trace)
		dst = appendDouble(dst, exemplarValue, exemplar.Value)
		dst = setShortLength(appendTimestamp(dst, exemplarStamp, exemplar.Stamp), at)
	}
	return setShortLength(dst, start)
}

// appendTraceLabel appends the label pair of an exemplar.
func appendTraceLabel(dst []byte, trace *store.TraceID) []byte {
	dst = append(dst, exemplarLabel, 0)
	start := len(dst)
	dst = appendString(dst, labelName, traceLabel)
	dst = append(dst, labelValue, 0)
	id := len(dst)
	return setShortLength(setShortLength(trace.Append(dst), id), start)
}

// appendNative appends the fields of a native histogram, which has one span of buckets. Without buckets the span is
// empty: it tells the histogram from a classic one.
func appendNative(dst []byte, n *store.Native) []byte {
	dst = appendUint(dst, histogramSchema, protowire.EncodeZigZag(int64(n.Schema)))
	dst = appendDouble(dst, histogramZeroThreshold, n.ZeroThreshold)
	dst = appendUint(dst, histogramZeroCount, n.Zero)
	first := n.First
	if len(n.Counts) == 0 {
		first = 0
	}
	dst = append(dst, histogramPositiveSpan, 0)
	start := len(dst)
	dst = appendUint(dst, spanOffset, protowire.EncodeZigZag(int64(first)))
	dst = setShortLength(appendUint(dst, spanLength, uint64(len(n.Counts))), start)
	before := uint64(0)
	for _, c := range n.Counts {
		dst = appendUint(dst, histogramPositiveDelta, protowire.EncodeZigZag(int64(c-before)))
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
