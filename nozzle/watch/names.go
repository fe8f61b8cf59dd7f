package watch

import (
	"sync/atomic"

	"loggregator_exporter/metric"
)

// A foundation has one or two thousand names: few of them share a bucket.
const (
	nameBits    = 12
	nameBuckets = 1 << nameBits
)

// nameCounts counts envelopes by their names, some names together.
type nameCounts [nameBuckets]uint32

func (c *nameCounts) add(other *nameCounts) {
	for i := range c {
		c[i] += other[i]
	}
}

// nameCounter counts envelopes by their names in one goroutine for another one.
type nameCounter [nameBuckets]atomic.Uint32

// add counts an envelope by the name of its counter, or by all names of its gauge as one, in any order: what dopplers choose readers by.
func (c *nameCounter) add(e *metric.Envelope) {
	hash := hashName(e.Name)
	for i := range e.Points {
		hash += hashName(e.Points[i].Name)
	}
	c[nameBucket(hash)].Add(1)
}

// hashName looks at the length and up to sixteen bytes at the end, where names differ most.
func hashName(name []byte) uint64 {
	hash := uint64(len(name)) * 0x9e3779b97f4a7c15
	for i := max(0, len(name)-16); i < len(name); i++ {
		hash = (hash ^ uint64(name[i])) * 0x100000001b3
	}
	return hash
}

// nameBucket spreads sums of names over the buckets.
func nameBucket(hash uint64) uint64 { return hash * 0x9e3779b97f4a7c15 >> (64 - nameBits) }

// take moves the counts to the caller's.
func (c *nameCounter) take(into *nameCounts) {
	for i := range c {
		if c[i].Load() != 0 {
			into[i] += c[i].Swap(0)
		}
	}
}

// usualNames is how many envelopes of each name come in a step.
type usualNames [nameBuckets]float32

// learn takes the first step as it is, and averages over about a minute from then on.
func (u *usualNames) learn(step *nameCounts, first bool) {
	for i, n := range step {
		if first {
			u[i] = float32(n)
		} else {
			u[i] += (float32(n) - u[i]) / fallLearn / 2
		}
	}
}

// thinned says which part of what is missing from some steps is missing from names of which others still come: all but none where
// names went as a whole, all where each name lost some of its instances, or nothing comes.
func (u *usualNames) thinned(steps []nameCounts) float32 {
	var thinned, missing float32
	all := uint32(0)
	for i, usual := range u {
		came := uint32(0)
		for _, step := range steps {
			came += step[i]
		}
		all += came
		if lacks := usual*float32(len(steps)) - float32(came); lacks > 0 {
			missing += lacks
			thinned += min(lacks, float32(came))
		}
	}
	if all == 0 || missing == 0 {
		return 1
	}
	return thinned / missing
}
