package exposition

import (
	"slices"

	"loggregator_exporter/store"
)

const (
	// blockSamples is how many samples of a snapshot lie in one block.
	blockSamples = 1 << 10
	// keepBlocks and keepCounts bound the memory that a snapshot keeps for the next scrape: blocks, and in each of them
	// counts, exemplars and quantiles.
	keepBlocks = 16
	keepCounts = 1 << 14
)

// snapshot is a copy of samples, which outlives the reader's chunk. It grows by blocks, so that no sample is copied
// again: a scrape adds as much memory as the rest of the largest family takes, and leaves no garbage.
type snapshot struct {
	blocks []*block // those in use come first
	used   int
}

// add appends a deep copy of a sample.
func (s *snapshot) add(sample *store.Sample) {
	if s.used == 0 || len(s.blocks[s.used-1].samples) == blockSamples {
		if s.used == len(s.blocks) {
			s.blocks = append(s.blocks, &block{samples: make([]store.Sample, 0, blockSamples)})
		}
		s.used++
	}
	s.blocks[s.used-1].add(sample)
}

// reset drops all samples.
func (s *snapshot) reset() {
	for _, b := range s.blocks[:s.used] {
		b.reset()
	}
	s.used = 0
}

// trim drops the memory that is not kept for the next scrape.
func (s *snapshot) trim() {
	s.blocks = slices.DeleteFunc(s.blocks, func(b *block) bool {
		return max(cap(b.counts), cap(b.exemplars), cap(b.quantiles)) > keepCounts
	})
	clear(s.blocks[min(keepBlocks, len(s.blocks)):])
	s.blocks = s.blocks[:min(keepBlocks, len(s.blocks))]
}

// block is a part of a snapshot. Pointers into its slices stay valid when a slice grows: the old array, which is never
// written again, lives as long as they do.
type block struct {
	samples    []store.Sample
	histograms []store.Histogram
	natives    []store.Native
	exemplars  []store.Exemplar
	counts     []uint64 // of buckets
	summaries  []store.Summary
	quantiles  []float64 // values of summaries
}

// add appends a deep copy of a sample. Bounds and quantiles belong to the store and never change.
func (b *block) add(sample *store.Sample) {
	copied := *sample
	if h := sample.Histogram; h != nil {
		copied.Histogram = appendCopy(&b.histograms, *h)
		copied.Histogram.Counts = appendCopies(&b.counts, h.Counts)
		copied.Histogram.Exemplars = appendCopies(&b.exemplars, h.Exemplars)
		if n := h.Native; n != nil {
			copied.Histogram.Native = appendCopy(&b.natives, *n)
			copied.Histogram.Native.Positive.Counts = appendCopies(&b.counts, n.Positive.Counts)
			copied.Histogram.Native.Negative.Counts = appendCopies(&b.counts, n.Negative.Counts)
		}
	}
	if q := sample.Summary; q != nil {
		copied.Summary = appendCopy(&b.summaries, *q)
		copied.Summary.Values = appendCopies(&b.quantiles, q.Values)
	}
	b.samples = append(b.samples, copied)
}

// appendCopy appends an element and returns its place.
func appendCopy[T any](to *[]T, v T) *T {
	*to = append(*to, v)
	return &(*to)[len(*to)-1]
}

// appendCopies appends elements and returns the copies, which cannot grow over later ones.
func appendCopies[T any](to *[]T, from []T) []T {
	at := len(*to)
	*to = append(*to, from...)
	return (*to)[at:len(*to):len(*to)]
}

func (b *block) reset() {
	clear(b.samples)
	clear(b.histograms)
	clear(b.natives)
	clear(b.summaries)
	b.samples, b.histograms, b.natives = b.samples[:0], b.histograms[:0], b.natives[:0]
	b.exemplars, b.counts = b.exemplars[:0], b.counts[:0]
	b.summaries, b.quantiles = b.summaries[:0], b.quantiles[:0]
}
