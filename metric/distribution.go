package metric

// Distribution is what a histogram or a summary that was counted by its sender holds. Its memory belongs to the
// decoder, as that of the Envelope.
type Distribution struct {
	Count  uint64
	Sum    float64
	HasSum bool // false where the sender keeps none, as OpenTelemetry does for values that may be negative

	// Classic buckets: Counts[i] is the number of observations above Bounds[i-1] and up to Bounds[i], the last one that
	// of all above. Both are empty where the sender has no such buckets; otherwise Counts is longer by one, and Bounds
	// rise and are finite.
	Bounds []float64
	Counts []uint64

	// Native buckets in the terms of https://prometheus.io/docs/specs/native_histograms, where HasNative is set. A bucket
	// i of schema s holds values up to 2^(i * 2^-s).
	HasNative          bool
	Schema             int32 // -4 to 8
	ZeroThreshold      float64
	ZeroCount          uint64
	Positive, Negative NativeBuckets

	Quantiles []Quantile // of a summary
	Exemplars []Exemplar // of a histogram, in any order

	// IsDelta says that count, sum and buckets are those since the sender's last envelope, not since its start.
	IsDelta bool
}

// NativeBuckets are neighbouring buckets of a native histogram; Counts[0] is bucket First.
type NativeBuckets struct {
	First  int32
	Counts []uint64 // observations of each, not cumulative
}

// Quantile is a value that a share of the observations does not exceed.
type Quantile struct {
	Share, Value float64 // Share is from 0 to 1
}

// Exemplar is an observation that can be looked up in a trace.
type Exemplar struct {
	TraceID, SpanID []byte // 16 and 8 bytes, not in hexadecimal; empty where not sent
	Value           float64
	Timestamp       int64 // nanoseconds since the epoch
}

// Reset empties the distribution and keeps its memory.
func (d *Distribution) Reset() {
	*d = Distribution{
		Bounds: d.Bounds[:0], Counts: d.Counts[:0], Quantiles: d.Quantiles[:0], Exemplars: d.Exemplars[:0],
		Positive: NativeBuckets{Counts: d.Positive.Counts[:0]}, Negative: NativeBuckets{Counts: d.Negative.Counts[:0]},
	}
}
