package store

import (
	"slices"
)

// distribution is what a series of a histogram or summary holds: what the store has observed of timers, or what the
// sender of a histogram or summary has counted.
type distribution struct {
	count    uint64
	sum      float64
	unsummed bool  // the sender keeps no sum
	isDelta  bool  // the sender sends what has come since it sent last
	start    int64 // when counting began, nanoseconds, by the clock of who counts; 0 if unknown
	began    int64 // start as the sender said it last; 0 if it did not
	native   *native
	window   *window  // of a summary of timers
	counts   []uint64 // of a histogram's classic buckets, each by itself, the one for +Inf last

	// exemplars has one for each of counts, of which those with Stamp 0 are none, or is empty; without classic buckets it
	// is a list, the newest first.
	exemplars []Exemplar

	// bounds are those of counts without +Inf or, of a summary, the quantiles whose values are in values; those of timers
	// are in their family. The list is replaced, never changed, because scrapes hold it.
	bounds, values []float64
}

type distributionPos uint32

func newTimerHistogram(bounds int, withNative bool, arrived int64) distribution {
	x := distribution{counts: make([]uint64, bounds+1), start: arrived}
	if withNative {
		x.native = newNative()
	}
	return x
}

func newTimerSummary(arrived int64) distribution {
	return distribution{window: &window{}, start: arrived}
}

// observe adds a value to a histogram, and remembers the trace it belongs to if it has one.
func (x *distribution) observe(bounds []float64, v float64, trace *TraceID, arrived int64) {
	i, _ := slices.BinarySearch(bounds, v)
	x.counts[i]++
	x.count++
	x.sum += v
	if x.native != nil {
		x.native.observe(v)
	}
	if trace.set() {
		x.bucketExemplars()[i] = Exemplar{Trace: *trace, Value: v, Stamp: arrived, Arrived: arrived}
	}
}

// summarize adds a value to a summary.
func (x *distribution) summarize(v float64, arrived int64) {
	x.count++
	x.sum += v
	x.window.observe(v, arrived)
}
