package store

import (
	"math"
	"slices"
)

const (
	// nativeSchema has eight buckets for each doubling: a quantile is off by 4.4 % at the most.
	nativeSchema = 3
	// maxNativeBuckets bounds a native histogram. Where values spread wider, neighbours are merged.
	maxNativeBuckets = 160
	minNativeSchema  = -4
	// nativeZero is the width of the zero bucket, as in client_golang.
	nativeZero = 2.938735877055719e-39 // 2^-128
)

// native is a native histogram of values that are not negative, in the terms of
// https://prometheus.io/docs/specs/native_histograms: bucket i of a schema s holds values up to base^i, where base
// is 2^(2^-s).
type native struct {
	schema int32
	zero   uint64
	first  int32    // index of counts[0]
	counts []uint64 // without gaps: values of one series lie close together
}

// nativeBounds divide the fractions from 0.5 to 1 into the buckets of nativeSchema.
var nativeBounds = func() (b [1 << nativeSchema]float64) {
	for i := range b {
		b[i] = 0.5 * math.Exp2(float64(i)/float64(len(b)))
	}
	return b
}()

// bucketIndex returns the bucket of a positive value.
func bucketIndex(schema int32, v float64) int32 {
	if v > math.MaxFloat64 {
		v = math.MaxFloat64
	}
	fraction, exponent := math.Frexp(v)
	i, _ := slices.BinarySearch(nativeBounds[:], fraction)
	index := int32(i) + int32(exponent-1)<<nativeSchema
	// A coarser schema's bucket holds neighbours of the finer one, upper bounds included.
	shift := nativeSchema - schema
	return (index + (1 << shift) - 1) >> shift
}

func (n *native) observe(v float64) {
	if v <= nativeZero {
		n.zero++
		return
	}
	i := bucketIndex(n.schema, v)
	for !n.reach(i) {
		n.merge()
		i = bucketIndex(n.schema, v)
	}
	n.counts[i-n.first]++
}

// reach makes room for a bucket, and says whether there was.
func (n *native) reach(i int32) bool {
	switch {
	case len(n.counts) == 0:
		n.first, n.counts = i, append(n.counts, 0)
	case i < n.first:
		more := int(n.first) - int(i)
		if len(n.counts)+more > maxNativeBuckets && n.schema > minNativeSchema {
			return false
		}
		n.counts = slices.Insert(n.counts, 0, make([]uint64, more)...)
		n.first = i
	case int(i-n.first) >= len(n.counts):
		size := int(i-n.first) + 1
		if size > maxNativeBuckets && n.schema > minNativeSchema {
			return false
		}
		n.counts = append(n.counts, make([]uint64, size-len(n.counts))...)
	}
	return true
}

// merge halves the resolution.
func (n *native) merge() {
	n.schema--
	if len(n.counts) == 0 {
		return
	}
	first := (n.first + 1) >> 1
	merged := make([]uint64, 0, len(n.counts)/2+1)
	for i, c := range n.counts {
		at := int((n.first+int32(i)+1)>>1 - first)
		if at == len(merged) {
			merged = append(merged, 0)
		}
		merged[at] += c
	}
	n.first, n.counts = first, merged
}
