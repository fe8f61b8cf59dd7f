package store

import (
	"math"
	"slices"

	"loggregator_exporter/metric"
)

const (
	// nativeSchema has eight buckets for each doubling: a quantile is off by 4.4 % at the most.
	nativeSchema = 3
	// maxNativeBuckets bounds each side of a native histogram. Where values spread wider, neighbours are merged.
	maxNativeBuckets = 160
	minNativeSchema  = -4
	// nativeZero is the width of the zero bucket, as in client_golang.
	nativeZero = 2.938735877055719e-39 // 2^-128
)

// native is a native histogram, in the terms of https://prometheus.io/docs/specs/native_histograms: bucket i of a
// schema s holds values up to base^i, where base is 2^(2^-s).
type native struct {
	schema             int32
	zeroThreshold      float64
	zero               uint64
	positive, negative buckets
}

// buckets are those of a native histogram on one side of zero; Counts[0] is bucket First. There are no gaps, since the
// values of one series lie close together.
type buckets metric.NativeBuckets

func newNative() *native { return &native{schema: nativeSchema, zeroThreshold: nativeZero} }

// reset empties the histogram and keeps its memory.
func (n *native) reset(schema int32, zeroThreshold float64) {
	*n = native{
		schema: schema, zeroThreshold: zeroThreshold,
		positive: buckets{Counts: n.positive.Counts[:0]}, negative: buckets{Counts: n.negative.Counts[:0]},
	}
}

// nativeBounds divide the fractions from 0.5 to 1 into the buckets of nativeSchema.
var nativeBounds = func() (b [1 << nativeSchema]float64) {
	for i := range b {
		b[i] = 0.5 * math.Exp2(float64(i)/float64(len(b)))
	}
	return b
}()

// bucketIndex returns the bucket of nativeSchema that a positive value is in.
func bucketIndex(v float64) int32 {
	if v > math.MaxFloat64 {
		v = math.MaxFloat64
	}
	fraction, exponent := math.Frexp(v)
	i, _ := slices.BinarySearch(nativeBounds[:], fraction)
	return int32(i) + int32(exponent-1)<<nativeSchema
}

// observe adds a value that is not negative.
func (n *native) observe(v float64) {
	if v <= nativeZero {
		n.zero++
		return
	}
	i := bucketIndex(v)
	for !n.positive.reach(coarser(i, nativeSchema-n.schema), n.schema) {
		n.merge()
	}
	n.positive.Counts[coarser(i, nativeSchema-n.schema)-n.positive.First]++
}

// coarser returns the bucket that holds bucket i of a schema finer by so much. It holds neighbours, upper bounds
// included.
func coarser(i, by int32) int32 { return (i + 1<<by - 1) >> by }

// add adds buckets of a schema as fine as n's or finer to those on one side of zero; counts[0] is
// bucket first. Where the buckets become too many, neighbours are merged.
func (n *native) add(to *buckets, first int32, counts []uint64, schema int32) {
	for len(counts) > 0 && counts[0] == 0 {
		first, counts = first+1, counts[1:]
	}
	for len(counts) > 0 && counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	if len(counts) == 0 {
		return
	}
	last := first + int32(len(counts)) - 1
	for !to.reach(coarser(first, schema-n.schema), n.schema) || !to.reach(coarser(last, schema-n.schema), n.schema) {
		n.merge()
	}
	for i, c := range counts {
		to.Counts[coarser(first+int32(i), schema-n.schema)-to.First] += c
	}
}

// merge halves the resolution.
func (n *native) merge() {
	n.schema--
	n.positive.merge()
	n.negative.merge()
}

// reach makes room for a bucket, and says whether there was.
func (b *buckets) reach(i, schema int32) bool {
	mayGrowTo := func(size int) bool { return size <= maxNativeBuckets || schema == minNativeSchema }
	switch {
	case len(b.Counts) == 0:
		b.First, b.Counts = i, append(b.Counts, 0)
	case i < b.First:
		more := int(b.First) - int(i)
		if !mayGrowTo(len(b.Counts) + more) {
			return false
		}
		b.Counts = slices.Insert(b.Counts, 0, make([]uint64, more)...)
		b.First = i
	case int(i-b.First) >= len(b.Counts):
		size := int(i-b.First) + 1
		if !mayGrowTo(size) {
			return false
		}
		b.Counts = append(b.Counts, make([]uint64, size-len(b.Counts))...)
	}
	return true
}

// merge makes one bucket of each two neighbours, in place.
func (b *buckets) merge() {
	if len(b.Counts) == 0 {
		return
	}
	first, n := (b.First+1)>>1, 0
	for i, c := range b.Counts {
		at := int((b.First+int32(i)+1)>>1 - first)
		if at == n {
			b.Counts[n] = 0
			n++
		}
		b.Counts[at] += c
	}
	b.First, b.Counts = first, b.Counts[:n]
}
