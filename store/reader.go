package store

import (
	"math"
	"slices"

	"loggregator_exporter/metric"
)

// Chunk sizes bound how long a scrape holds the lock at a time.
const (
	readChunk          = 4096
	readChunkHistogram = 256
)

// Reader reads the samples of families in chunks, so that a million series never need a second copy. It is not for
// concurrent use; its memory is reused between calls.
//
//	var r store.Reader
//	for i := range families {
//		r.Reset(&families[i])
//		for samples := r.Next(); len(samples) > 0; samples = r.Next() { ... }
//	}
type Reader struct {
	family  *Family
	at      int
	samples []Sample
	hists   []Histogram
	natives []Native
	counts  []uint64
	traced  []Exemplar
	touched uint32 // what touch read

	summaries []Summary
	quantiles []float64 // of summaries
}

// Reset points the reader at a family.
func (r *Reader) Reset(f *Family) { r.family, r.at = f, 0 }

// Next returns the next samples in the order of their labels, or none at the end. They are valid until the next call.
func (r *Reader) Next() []Sample {
	f := r.family
	r.samples, r.hists, r.natives = r.samples[:0], r.hists[:0], r.natives[:0]
	r.counts, r.traced = r.counts[:0], r.traced[:0]
	r.summaries, r.quantiles = r.summaries[:0], r.quantiles[:0]
	if r.at == 0 && f.composite && f.bare() {
		r.at = len(f.members)
	}
	for len(r.samples) == 0 && r.at < len(f.members) {
		size := readChunk
		if f.Type == metric.TypeSummary {
			size = readChunkHistogram
		}
		if f.Type == metric.TypeHistogram {
			size = readChunkHistogram
			r.hists, r.natives = slices.Grow(r.hists, size), slices.Grow(r.natives, size)
		}
		chunk := f.members[r.at:min(r.at+size, len(f.members))]
		r.at += len(chunk)
		r.read(chunk)
	}
	return r.samples
}

func (r *Reader) read(chunk []member) {
	s := r.family.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range chunk {
		m := &chunk[i]
		if i%aheadRefs == 0 {
			r.touch(chunk[i:min(i+aheadRefs, len(chunk))])
		}
		e := s.entries.at(m.pos)
		if e.gen != m.gen || s.expiry.expired(e, r.family.now) {
			continue
		}
		sample := Sample{Labels: m.labels, Pairs: int(m.pairs), Value: e.value}
		switch r.family.Type {
		case metric.TypeGauge:
		case metric.TypeCounter:
			sample.Start = s.counters.start(e)
		case metric.TypeSummary:
			sample.Summary, sample.Start = r.summary(s, e)
		case metric.TypeHistogram:
			if sample.Histogram, sample.Start = r.histogram(s, e); sample.Histogram == nil {
				continue
			}
		}
		r.samples = append(r.samples, sample)
	}
}

// aheadRefs is how many series are touched at once.
const aheadRefs = 16

// touch reads a little of each of the series that are copied next. Of many series nothing is in a cache; here the
// processor waits for all of them at once, while copying would wait for one after the other. The caller holds the
// lock.
func (r *Reader) touch(members []member) {
	s, sum := r.family.store, uint32(0)
	for i := range members {
		sum += s.entries.at(members[i].pos).gen
	}
	r.touched = sum // or the compiler would leave it out
}

// histogram reads a histogram; nil if nothing is known of it yet.
func (r *Reader) histogram(s *Store, e *entry) (out *Histogram, start int64) {
	switch f := s.families.at(e.family); f.makeup {
	case ofParts:
		return r.compositeHistogram(s, s.composites.at(e.composite()))
	case ofDistributions:
		h := s.distributions.at(e.distribution())
		return r.copyHistogram(h, h.bounds), h.start
	default:
		h := s.distributions.at(e.distribution())
		return r.copyHistogram(h, f.bounds), h.start
	}
}

// copyHistogram copies a histogram into the reader's memory. r.hists and r.natives have room for a chunk, so that
// pointers into them stay valid; what was copied before stays valid too when the other slices move.
func (r *Reader) copyHistogram(h *distribution, bounds []float64) *Histogram {
	out := Histogram{Bounds: bounds, Counts: r.copyCounts(h.counts), Count: h.count, Sum: h.sum, Unsummed: h.unsummed}
	if h.exemplars != nil {
		from := len(r.traced)
		r.traced = append(r.traced, h.exemplars...)
		out.Exemplars = r.traced[from:len(r.traced):len(r.traced)]
	}
	if n := h.native; n != nil {
		r.natives = append(r.natives, Native{
			Schema: n.schema, ZeroThreshold: n.zeroThreshold, Zero: n.zero,
			Positive: r.copyBuckets(&n.positive), Negative: r.copyBuckets(&n.negative),
		})
		out.Native = &r.natives[len(r.natives)-1]
	}
	r.hists = append(r.hists, out)
	return &r.hists[len(r.hists)-1]
}

func (r *Reader) copyBuckets(b *buckets) metric.NativeBuckets {
	return metric.NativeBuckets{First: b.First, Counts: r.copyCounts(b.Counts)}
}

func (r *Reader) copyCounts(counts []uint64) []uint64 {
	from := len(r.counts)
	r.counts = append(r.counts, counts...)
	return r.counts[from:len(r.counts):len(r.counts)]
}

// compositeHistogram reads a composite of counters. What has not reached all parts yet is not shown: the total is
// that of +Inf, or x_count, or of the highest bucket there is, and no bucket exceeds the one above it, nor the
// highest the total. Each of them is a counter that falls at a reset only, so these minima do too.
func (r *Reader) compositeHistogram(s *Store, c *composite) (h *Histogram, start int64) {
	from := len(r.counts)
	start = math.MaxInt64
	count := func(pos entryPos) uint64 {
		e := s.entries.at(pos)
		start = min(start, s.counters.start(e))
		return s.counters.count(e)
	}
	n := len(c.bounds)
	r.counts = append(slices.Grow(r.counts, n+1), make([]uint64, n+1)...)
	counts := r.counts[from : from+n+1 : from+n+1]
	hasTotal := true
	switch {
	case len(c.points) > n:
		counts[n] = count(c.points[n].pos)
	case r.has(s, c.count):
		counts[n] = count(c.count)
	case n > 0:
		counts[n], hasTotal = math.MaxUint64, false
	default:
		return nil, 0
	}
	for i := n - 1; i >= 0; i-- {
		counts[i] = min(counts[i+1], count(c.points[i].pos))
	}
	if !hasTotal {
		counts[n] = counts[n-1]
	}
	total := counts[n]
	for i := n; i > 0; i-- {
		counts[i] -= counts[i-1]
	}
	sum, summed := r.sum(s, c)
	r.hists = append(r.hists, Histogram{Bounds: c.bounds, Counts: counts, Count: total, Sum: sum, Unsummed: !summed})
	return &r.hists[len(r.hists)-1], start
}

// summary reads a summary; nil if the emitter sent no parts of one. What was read before stays valid when slices move.
func (r *Reader) summary(s *Store, e *entry) (out *Summary, start int64) {
	from := len(r.quantiles)
	var x Summary
	switch makeup := s.families.at(e.family).makeup; {
	case makeup == ofParts:
		c := s.composites.at(e.composite())
		for _, p := range c.points {
			r.quantiles = append(r.quantiles, s.entries.at(p.pos).value)
		}
		sum, summed := r.sum(s, c)
		x = Summary{Quantiles: c.bounds, Sum: sum, Unsummed: !summed, Uncounted: !r.has(s, c.count)}
		if !x.Uncounted {
			count := s.entries.at(c.count)
			x.Count, start = s.counters.count(count), s.counters.start(count)
		}
	case makeup == ofDistributions:
		h := s.distributions.at(e.distribution())
		r.quantiles = append(r.quantiles, h.values...)
		x, start = Summary{Quantiles: h.bounds, Count: h.count, Sum: h.sum, Unsummed: h.unsummed}, h.start
	case s.entries.kindOf(e).timer():
		h := s.distributions.at(e.distribution())
		r.quantiles = h.window.appendQuantiles(r.quantiles, ObservedQuantiles, r.family.now)
		x, start = Summary{Quantiles: ObservedQuantiles, Count: h.count, Sum: h.sum}, h.start
	default:
		return nil, 0
	}
	x.Values = r.quantiles[from:len(r.quantiles):len(r.quantiles)]
	r.summaries = append(slices.Grow(r.summaries, 1), x)
	return &r.summaries[len(r.summaries)-1], start
}

// has reports whether a composite has this x_sum or x_count. If it is overdue, it is at another exporter now and
// must not be shown twice until the next sweep.
func (r *Reader) has(s *Store, pos entryPos) bool {
	return pos != 0 && !s.expiry.expired(s.entries.at(pos), r.family.now)
}

// sum is the value of x_sum; NaN if there is none.
func (r *Reader) sum(s *Store, c *composite) (sum float64, ok bool) {
	if !r.has(s, c.sum) {
		return math.NaN(), false
	}
	return s.entries.at(c.sum).value, true
}

// bare reports whether all buckets and quantiles of a family of composites are overdue, so that it is not shown,
// although only the next sweep ends it. In general the first one answers that.
func (f *Family) bare() bool {
	for chunk := range slices.Chunk(f.members, readChunkHistogram) {
		if f.hasPoint(chunk) {
			return false
		}
	}
	return true
}

// hasPoint reports whether one of the composites has a bucket or quantile that is not overdue.
func (f *Family) hasPoint(chunk []member) bool {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range chunk {
		if !s.entries.alive(chunk[i].ref) {
			continue
		}
		for _, p := range s.composites.at(s.entries.at(chunk[i].pos).composite()).points {
			if !s.expiry.expired(s.entries.at(p.pos), f.now) {
				return true
			}
		}
	}
	return false
}
