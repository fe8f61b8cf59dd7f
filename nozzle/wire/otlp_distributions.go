package wire

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
)

const (
	// maxBuckets bounds the buckets of an exponential histogram on each side of zero, of which SDKs make 160 by default,
	// and maxBounds those of a histogram with explicit bounds.
	maxBuckets = 2048
	maxBounds  = 512
	// maxExemplars and maxQuantiles bound what is kept of one point; more are left out.
	maxExemplars = 64
	maxQuantiles = 64

	// The schemas that native histograms have.
	minSchema = -4
	maxSchema = 8

	// defaultZeroThreshold is that of a histogram that states none, by OpenTelemetry's rules for Prometheus.
	defaultZeroThreshold = 1e-128
)

// Tags of the fields of HistogramDataPoint:
//
//	repeated KeyValue attributes = 9; fixed64 start_time_unix_nano = 2, time_unix_nano = 3, count = 4;
//	optional double sum = 5; repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7;
//	repeated Exemplar exemplars = 8; uint32 flags = 10; optional double min = 11, max = 12;
//
// and of ExponentialHistogramDataPoint:
//
//	repeated KeyValue attributes = 1; fixed64 start_time_unix_nano = 2, time_unix_nano = 3, count = 4;
//	optional double sum = 5; sint32 scale = 6; fixed64 zero_count = 7; Buckets positive = 8, negative = 9;
//	uint32 flags = 10; repeated Exemplar exemplars = 11; optional double min = 12, max = 13; double zero_threshold = 14;
//	message Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2; }
const (
	distributionCount = 4<<3 | Fixed64 // in summaries, too
	distributionSum   = 5<<3 | Fixed64 // in summaries, too
	histogramFlags    = 10<<3 | Varint // in both kinds of histograms

	histogramCounts      = 6<<3 | Bytes // packed, as every encoder writes them
	histogramCount       = 6<<3 | Fixed64
	histogramBounds      = 7<<3 | Bytes
	histogramBound       = 7<<3 | Fixed64
	histogramExemplars   = 8<<3 | Bytes
	histogramAttributes  = 9<<3 | Bytes
	exponentialAttribute = 1<<3 | Bytes
	exponentialScale     = 6<<3 | Varint
	exponentialZeroCount = 7<<3 | Fixed64
	exponentialPositive  = 8<<3 | Bytes
	exponentialNegative  = 9<<3 | Bytes
	exponentialExemplars = 11<<3 | Bytes
	exponentialThreshold = 14<<3 | Fixed64

	bucketsOffset = 1<<3 | Varint
	bucketsCounts = 2<<3 | Bytes
	bucketsCount  = 2<<3 | Varint
)

// distributed begins a point of a histogram or summary.
func (w *otlpWalk) distributed(kind metric.Kind, m *otlpMetric) *metric.Distribution {
	d := &w.distribution
	d.Reset()
	w.e.Kind, w.e.Name, w.e.Unit, w.e.Distribution = kind, m.name, m.unit, d
	return d
}

// common reads a field that all points of histograms and summaries have, except attributes.
func (w *otlpWalk) common(f *Fields) {
	switch f.Tag {
	case pointStart:
		w.e.Began = int64(f.Number)
	case pointTime:
		w.e.Timestamp = int64(f.Number)
	case distributionCount:
		w.distribution.Count = f.Number
	case distributionSum:
		w.distribution.Sum, w.distribution.HasSum = math.Float64frombits(f.Number), true
	}
}

// histogram decodes a point of a histogram with explicit bounds.
func (w *otlpWalk) histogram(b []byte, m *otlpMetric) Refusal {
	d := w.distributed(metric.KindHistogram, m)
	ids, flags := otlpIDs{}, uint64(0)
	f := Fields{Message: b}
	for f.Next() {
		ok := true
		switch f.Tag {
		case histogramAttributes:
			ok = w.pointAttribute(f.Bytes, &ids)
		case histogramCounts:
			ok = eachFixed(f.Bytes, func(v uint64) { d.Counts = appendBucket(d.Counts, v) })
		case histogramCount:
			d.Counts = appendBucket(d.Counts, f.Number)
		case histogramBounds:
			ok = eachFixed(f.Bytes, func(v uint64) { d.Bounds = appendBucket(d.Bounds, math.Float64frombits(v)) })
		case histogramBound:
			d.Bounds = appendBucket(d.Bounds, math.Float64frombits(f.Number))
		case histogramExemplars:
			ok = w.exemplar(f.Bytes)
		case histogramFlags:
			flags = f.Number
		default:
			w.common(&f)
		}
		if !ok {
			return Malformed
		}
	}
	if f.Bad {
		return Malformed
	}
	return w.finish(m, ids, flags, explicitBuckets)
}

// finish decides what becomes of a point of a histogram.
func (w *otlpWalk) finish(m *otlpMetric, ids otlpIDs, flags uint64, check func(*metric.Distribution) Refusal) Refusal {
	w.identify(ids)
	if flags&flagNoRecordedValue != 0 {
		w.e.Kind = metric.KindNone
		return Taken
	}
	d := &w.distribution
	switch m.temporality {
	case temporalityDelta:
		d.IsDelta = true
	case temporalityCumulative:
	default:
		return Temporality
	}
	return check(d)
}

// explicitBuckets checks the buckets of a histogram with explicit bounds.
func explicitBuckets(d *metric.Distribution) Refusal {
	if len(d.Counts) == 0 && len(d.Bounds) == 0 {
		return Taken
	}
	if len(d.Counts) > maxBounds+1 || len(d.Bounds) > maxBounds {
		return TooManyBuckets
	}
	if len(d.Counts) != len(d.Bounds)+1 {
		return Buckets
	}
	for i, bound := range d.Bounds {
		if math.IsNaN(bound) || math.IsInf(bound, 0) || i > 0 && bound <= d.Bounds[i-1] {
			return Buckets
		}
	}
	return Taken
}

// eachFixed reads packed 64-bit numbers.
func eachFixed(packed []byte, each func(uint64)) bool {
	for ; len(packed) >= 8; packed = packed[8:] {
		each(binary.LittleEndian.Uint64(packed))
	}
	return len(packed) == 0
}

// appendBucket appends, up to one more than is accepted.
func appendBucket[T any](buckets []T, v T) []T {
	if len(buckets) > maxBuckets {
		return buckets
	}
	return append(buckets, v)
}

// exponential decodes a point of an exponential histogram.
func (w *otlpWalk) exponential(b []byte, m *otlpMetric) Refusal {
	d := w.distributed(metric.KindHistogram, m)
	d.HasNative, d.ZeroThreshold = true, defaultZeroThreshold
	ids, flags := otlpIDs{}, uint64(0)
	f := Fields{Message: b}
	for f.Next() {
		ok := true
		switch f.Tag {
		case exponentialAttribute:
			ok = w.pointAttribute(f.Bytes, &ids)
		case exponentialScale:
			d.Schema = int32(protowire.DecodeZigZag(f.Number & math.MaxUint32))
		case exponentialZeroCount:
			d.ZeroCount = f.Number
		case exponentialPositive:
			ok = readBuckets(f.Bytes, &d.Positive)
		case exponentialNegative:
			ok = readBuckets(f.Bytes, &d.Negative)
		case exponentialExemplars:
			ok = w.exemplar(f.Bytes)
		case exponentialThreshold:
			d.ZeroThreshold = math.Float64frombits(f.Number)
		case histogramFlags:
			flags = f.Number
		default:
			w.common(&f)
		}
		if !ok {
			return Malformed
		}
	}
	if f.Bad {
		return Malformed
	}
	return w.finish(m, ids, flags, exponentialBuckets)
}

func readBuckets(b []byte, buckets *metric.NativeBuckets) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case bucketsOffset:
			buckets.First = int32(protowire.DecodeZigZag(f.Number & math.MaxUint32))
		case bucketsCount:
			buckets.Counts = appendBucket(buckets.Counts, f.Number)
		case bucketsCounts:
			for packed := f.Bytes; len(packed) > 0; {
				v, n := protowire.ConsumeVarint(packed)
				if n < 0 {
					return false
				}
				buckets.Counts, packed = appendBucket(buckets.Counts, v), packed[n:]
			}
		}
	}
	return !f.Bad
}

// exponentialBuckets checks the buckets of an exponential histogram and makes native ones of them. Its bucket i of
// scale s holds values above 2^(i * 2^-s), a native one of that index those up to there.
func exponentialBuckets(d *metric.Distribution) Refusal {
	switch {
	case d.Schema < minSchema:
		return Scale
	case len(d.Positive.Counts) > maxBuckets || len(d.Negative.Counts) > maxBuckets:
		return TooManyBuckets
	case !(d.ZeroThreshold >= 0) || math.IsInf(d.ZeroThreshold, 1):
		return Buckets
	}
	if d.ZeroThreshold == 0 {
		d.ZeroThreshold = defaultZeroThreshold
	}
	shift := max(d.Schema, maxSchema) - maxSchema
	d.Schema -= shift
	merge(&d.Positive, shift)
	merge(&d.Negative, shift)
	return Taken
}

// merge makes buckets coarser, 2^shift of them into one, and counts them as native histograms do.
func merge(b *metric.NativeBuckets, shift int32) {
	if len(b.Counts) == 0 {
		b.First = 0
		return
	}
	shift = min(shift, 31)
	first := int64(b.First) >> shift
	last := (int64(b.First) + int64(len(b.Counts)) - 1) >> shift
	if shift > 0 {
		offset := int64(b.First)
		merged := b.Counts[:0]
		at := first - 1
		for i, n := range b.Counts {
			if to := (offset + int64(i)) >> shift; to != at {
				merged, at = append(merged, 0), to
			}
			merged[len(merged)-1] += n
		}
		b.Counts = merged
	}
	// An index beyond the range of its type is that of no value: such a bucket is empty, or the sender is wrong.
	b.First = int32(min(first+1, math.MaxInt32-(last-first)))
}

// Tags of the fields of SummaryDataPoint:
//
//	repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2, time_unix_nano = 3, count = 4; double sum = 5;
//	repeated ValueAtQuantile quantile_values = 6; uint32 flags = 8;
//	message ValueAtQuantile { double quantile = 1, value = 2; }
const (
	summaryQuantiles  = 6<<3 | Bytes
	summaryAttributes = 7<<3 | Bytes
	summaryFlags      = 8<<3 | Varint

	quantileShare = 1<<3 | Fixed64
	quantileValue = 2<<3 | Fixed64
)

// summary decodes a point of a summary.
func (w *otlpWalk) summary(b []byte, m *otlpMetric) Refusal {
	d := w.distributed(metric.KindSummary, m)
	d.HasSum = true
	ids, flags, refused := otlpIDs{}, uint64(0), Taken
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case summaryAttributes:
			if !w.pointAttribute(f.Bytes, &ids) {
				return Malformed
			}
		case summaryQuantiles:
			switch q, ok := readQuantile(f.Bytes); {
			case !ok:
				return Malformed
			case !(q.Share >= 0 && q.Share <= 1):
				refused = Quantile
			case len(d.Quantiles) < maxQuantiles:
				d.Quantiles = append(d.Quantiles, q)
			}
		case summaryFlags:
			flags = f.Number
		default:
			w.common(&f)
		}
	}
	if f.Bad {
		return Malformed
	}
	w.identify(ids)
	if flags&flagNoRecordedValue != 0 {
		w.e.Kind = metric.KindNone
		return Taken
	}
	return refused
}

func readQuantile(b []byte) (q metric.Quantile, ok bool) {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case quantileShare:
			q.Share = math.Float64frombits(f.Number)
		case quantileValue:
			q.Value = math.Float64frombits(f.Number)
		}
	}
	return q, !f.Bad
}

// Tags of the fields of Exemplar:
//
//	repeated KeyValue filtered_attributes = 7; fixed64 time_unix_nano = 2;
//	oneof value { double as_double = 3; sfixed64 as_int = 6; } bytes span_id = 4, trace_id = 5;
const (
	exemplarTime    = 2<<3 | Fixed64
	exemplarDouble  = 3<<3 | Fixed64
	exemplarSpanID  = 4<<3 | Bytes
	exemplarTraceID = 5<<3 | Bytes
	exemplarInt     = 6<<3 | Fixed64
)

// exemplar reads an exemplar of a histogram. One that names no trace of the right length is of no use.
func (w *otlpWalk) exemplar(b []byte) bool {
	var x metric.Exemplar
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case exemplarTime:
			x.Timestamp = int64(f.Number)
		case exemplarDouble:
			x.Value = math.Float64frombits(f.Number)
		case exemplarInt:
			x.Value = float64(int64(f.Number))
		case exemplarSpanID:
			x.SpanID = f.Bytes
		case exemplarTraceID:
			x.TraceID = f.Bytes
		}
	}
	if len(x.SpanID) != 8 {
		x.SpanID = nil
	}
	if d := &w.distribution; len(x.TraceID) == 16 && len(d.Exemplars) < maxExemplars {
		d.Exemplars = append(d.Exemplars, x)
	}
	return !f.Bad
}
