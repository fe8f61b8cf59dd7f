package remotewrite

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// Histograms and exemplars, which both protocols share. Only Prometheus' own definition has them for 1.0
// (https://github.com/prometheus/prometheus/blob/main/prompb/types.proto):
//
//	message Histogram {
//	  uint64 count_int = 1; double sum = 3; sint32 schema = 4; double zero_threshold = 5; uint64 zero_count_int = 6;
//	  repeated BucketSpan negative_spans = 8;   // message BucketSpan { sint32 offset = 1; uint32 length = 2; }
//	  repeated sint64 negative_deltas = 9;      // each from the count of the bucket before
//	  repeated BucketSpan positive_spans = 11; repeated sint64 positive_deltas = 12;
//	  ResetHint reset_hint = 14; int64 timestamp = 15; int64 start_timestamp = 17;  // the last one in 2.0 only
//	}
//	message Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }  // labels_refs in 2.0
const (
	histogramCount         = 1<<3 | byte(protowire.VarintType)
	histogramSum           = 3<<3 | byte(protowire.Fixed64Type)
	histogramSchema        = 4<<3 | byte(protowire.VarintType)
	histogramZeroThreshold = 5<<3 | byte(protowire.Fixed64Type)
	histogramZeroCount     = 6<<3 | byte(protowire.VarintType)
	histogramNegative      = 8<<3 | byte(protowire.BytesType) // the spans; the deltas have the next number
	histogramPositive      = 11<<3 | byte(protowire.BytesType)
	nextNumber             = 1 << 3
	histogramReset         = 14<<3 | byte(protowire.VarintType)
	histogramTimestamp     = 15<<3 | byte(protowire.VarintType)
	histogramStart         = 17

	spanOffset = 1<<3 | byte(protowire.VarintType)
	spanLength = 2<<3 | byte(protowire.VarintType)

	exemplarLabels    = 1
	exemplarValue     = 2<<3 | byte(protowire.Fixed64Type)
	exemplarTimestamp = 3<<3 | byte(protowire.VarintType)

	// resetYes marks the first histogram after a reset. Without a hint the receiver detects resets, also those of a
	// request that was lost. The hint NO would claim that none was lost.
	resetYes = 1
)

// timeRange is the time from one round to the next, in nanoseconds; to is not part of it. An exemplar is pushed in
// the round in whose range it arrived, so that each is pushed once and those of a series arrive in order.
type timeRange struct{ from, to int64 }

// next returns the range from the end of r up to the current millisecond, which is the precision of exemplars'
// timestamps.
func (r timeRange) next() timeRange {
	return timeRange{r.to, time.Now().UnixMilli() * int64(time.Millisecond)}
}

// exemplar returns the exemplar of a bucket if there is one to push, else nil.
func (p *point) exemplar(bucket int) *store.Exemplar {
	if bucket >= len(p.exemplars) {
		return nil
	}
	if x := &p.exemplars[bucket]; x.Stamp > 0 && x.Arrived >= p.arrived.from && x.Arrived < p.arrived.to {
		return x
	}
	return nil
}

func milliseconds(x *store.Exemplar) int64 { return x.Stamp / int64(time.Millisecond) }

// addNative adds the time series of a native histogram, with the exemplars of all buckets in the order that
// receivers want.
func (e *encoder) addNative(p *point, sum sample) {
	h := p.histogram
	if p.ended {
		h = &noNative
	}
	e.data = e.appendHistogram(e.data[:0], h, &sum, p.restarted)
	e.sorted = e.sorted[:0]
	for i := range p.exemplars {
		if x := p.exemplar(i); x != nil {
			e.sorted = append(e.sorted, x)
		}
	}
	slices.SortFunc(e.sorted, func(a, b *store.Exemplar) int {
		return cmp.Or(cmp.Compare(milliseconds(a), milliseconds(b)), cmp.Compare(a.Value, b.Value))
	})
	for _, x := range e.sorted {
		e.appendExemplar(x)
	}
	clear(e.sorted) // so that the reader's memory can be freed
	e.addData(suffixNone)
}

// noNative, with a stale sum, is the stale marker of a native histogram.
var noNative store.Native // constant

// appendHistogram appends a native histogram as a field of a time series. The value of s is its sum.
func (e *encoder) appendHistogram(dst []byte, n *store.Native, s *sample, restarted bool) []byte {
	count := n.Zero
	for _, side := range [...][]uint64{n.Negative.Counts, n.Positive.Counts} {
		for _, c := range side {
			count += c
		}
	}
	b := protowire.AppendVarint(append(e.buffer[:0], histogramCount), count)
	b = binary.LittleEndian.AppendUint64(append(b, histogramSum), s.bits)
	b = protowire.AppendVarint(append(b, histogramSchema), protowire.EncodeZigZag(int64(n.Schema)))
	b = binary.LittleEndian.AppendUint64(append(b, histogramZeroThreshold), math.Float64bits(n.ZeroThreshold))
	b = protowire.AppendVarint(append(b, histogramZeroCount), n.Zero)
	b = e.appendBuckets(b, histogramNegative, &n.Negative)
	b = e.appendBuckets(b, histogramPositive, &n.Positive)
	if restarted {
		b = append(b, histogramReset, resetYes)
	}
	b = protowire.AppendVarint(append(b, histogramTimestamp), uint64(s.timestamp))
	field := protowire.Number(v1Histograms)
	if e.message.v2 {
		field = v2Histograms
		if s.start != 0 {
			b = appendUint(b, histogramStart, uint64(s.start))
		}
	}
	e.buffer = b
	e.message.counts[contentHistograms]++
	return appendBytes(dst, field, b)
}

// appendBuckets appends the buckets on one side of zero, which are one span, if there are some.
func (e *encoder) appendBuckets(dst []byte, spans byte, b *metric.NativeBuckets) []byte {
	if len(b.Counts) == 0 {
		return dst
	}
	e.deltas = e.deltas[:0]
	before := uint64(0)
	for _, c := range b.Counts {
		e.deltas = protowire.AppendVarint(e.deltas, protowire.EncodeZigZag(int64(c-before)))
		before = c
	}
	offset, length := protowire.EncodeZigZag(int64(b.First)), uint64(len(b.Counts))
	dst = append(dst, spans, byte(2+protowire.SizeVarint(offset)+protowire.SizeVarint(length)))
	dst = protowire.AppendVarint(append(dst, spanOffset), offset)
	dst = protowire.AppendVarint(append(dst, spanLength), length)
	return protowire.AppendBytes(append(dst, spans+nextNumber), e.deltas)
}

// appendExemplar appends an exemplar to e.data as a field of a time series.
func (e *encoder) appendExemplar(x *store.Exemplar) {
	m, field, b := e.message, protowire.Number(v1Exemplars), e.buffer[:0]
	e.bound = e.bound[:0]
	if x.HasSpan() {
		e.bound = m.appendLabel(e.bound, store.SpanLabel, x.Span.String())
	}
	e.bound = m.appendLabel(e.bound, store.TraceLabel, x.Trace.String())
	if m.v2 {
		field = v2Exemplars
		b = appendBytes(b, exemplarLabels, e.bound)
	} else {
		b = append(b, e.bound...) // labels of exemplars and of series have the same field number
	}
	b = binary.LittleEndian.AppendUint64(append(b, exemplarValue), valueBits(x.Value))
	b = protowire.AppendVarint(append(b, exemplarTimestamp), uint64(milliseconds(x)))
	e.buffer = b
	m.counts[contentExemplars]++
	e.data = appendBytes(e.data, field, b)
}
