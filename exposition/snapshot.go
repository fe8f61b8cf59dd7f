package exposition

import "loggregator_exporter/store"

// keepSamples and keepCounts bound the memory that a snapshot keeps for the next family and scrape.
const (
	keepSamples = 1 << 14
	keepCounts  = 1 << 17
)

// snapshot is a copy of samples, which outlives the reader's chunk. Pointers into its slices stay valid when a slice
// grows: the old array, which is never written again, lives as long as they do.
type snapshot struct {
	samples    []store.Sample
	histograms []store.Histogram
	natives    []store.Native
	exemplars  []store.Exemplar
	counts     []uint64 // of buckets
	summaries  []store.Summary
	quantiles  []float64 // values of summaries
}

// add appends a deep copy of a sample. Bounds and quantiles belong to the store and never change.
func (s *snapshot) add(sample *store.Sample) {
	copied := *sample
	if h := sample.Histogram; h != nil {
		copied.Histogram = appendCopy(&s.histograms, *h)
		copied.Histogram.Counts = appendCopies(&s.counts, h.Counts)
		copied.Histogram.Exemplars = appendCopies(&s.exemplars, h.Exemplars)
		if n := h.Native; n != nil {
			copied.Histogram.Native = appendCopy(&s.natives, *n)
			copied.Histogram.Native.Positive.Counts = appendCopies(&s.counts, n.Positive.Counts)
			copied.Histogram.Native.Negative.Counts = appendCopies(&s.counts, n.Negative.Counts)
		}
	}
	if q := sample.Summary; q != nil {
		copied.Summary = appendCopy(&s.summaries, *q)
		copied.Summary.Values = appendCopies(&s.quantiles, q.Values)
	}
	s.samples = append(s.samples, copied)
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

// reset drops all samples, and the memory if one huge family made it huge.
func (s *snapshot) reset() {
	if cap(s.samples) > keepSamples || cap(s.counts) > keepCounts || cap(s.exemplars) > keepSamples ||
		cap(s.quantiles) > keepCounts {
		*s = snapshot{}
		return
	}
	clear(s.samples)
	clear(s.histograms)
	clear(s.natives)
	clear(s.summaries)
	s.samples, s.histograms, s.natives = s.samples[:0], s.histograms[:0], s.natives[:0]
	s.exemplars, s.counts = s.exemplars[:0], s.counts[:0]
	s.summaries, s.quantiles = s.summaries[:0], s.quantiles[:0]
}
