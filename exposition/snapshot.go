package exposition

import "loggregator_exporter/store"

// keepSamples and keepCounts bound the memory that a snapshot keeps for the next family and scrape.
const (
	keepSamples = 1 << 14
	keepCounts  = 1 << 17
)

// snapshot is a copy of all samples of one family, whose reader gives them out in chunks.
type snapshot struct {
	samples   []store.Sample
	hists     []store.Histogram
	counts    []uint64
	natives   []store.Native
	traced    []store.Exemplar
	summaries []store.Summary
	values    []float64 // of quantiles
	encoded   []byte    // the beginning of the family, as the format has it
}

// take copies the samples given and what r still has. Where they are histograms, those that lack theirs are left out, as
// there is nothing to say. The error is that of stop, which is asked before every chunk.
func (s *snapshot) take(histograms bool, samples []store.Sample, r Reader, stop func() error) error {
	for ; len(samples) > 0; samples = r.Next() {
		if err := stop(); err != nil {
			return err
		}
		if histograms {
			s.addHistograms(samples)
		} else {
			s.samples = append(s.samples, samples...)
		}
	}
	natives := s.natives
	for i := range s.hists {
		h := &s.hists[i]
		s.samples[i].Histogram = h
		if h.Native != nil {
			h.Native, natives = &natives[0], natives[1:]
		}
	}
	return nil
}

// addHistograms copies histograms into memory that may still move: what was copied before stays good, but pointers are set
// only when all is copied.
func (s *snapshot) addHistograms(samples []store.Sample) {
	for i := range samples {
		if samples[i].Histogram == nil {
			continue
		}
		h := *samples[i].Histogram
		h.Counts = s.copyCounts(h.Counts)
		if len(h.Exemplars) > 0 {
			from := len(s.traced)
			s.traced = append(s.traced, h.Exemplars...)
			h.Exemplars = s.traced[from:len(s.traced):len(s.traced)]
		}
		if h.Native != nil {
			n := *h.Native
			n.Counts = s.copyCounts(n.Counts)
			s.natives = append(s.natives, n)
		}
		s.hists = append(s.hists, h)
		s.samples = append(s.samples, samples[i])
	}
}

func (s *snapshot) copyCounts(counts []uint64) []uint64 {
	from := len(s.counts)
	s.counts = append(s.counts, counts...)
	return s.counts[from:len(s.counts):len(s.counts)]
}

// reset lets go of the samples, and of memory that one huge family made huge.
func (s *snapshot) reset() {
	if cap(s.samples) > keepSamples || cap(s.counts) > keepCounts || cap(s.traced) > keepSamples || cap(s.values) > keepCounts {
		*s = snapshot{}
		return
	}
	clear(s.samples)
	clear(s.hists)
	clear(s.natives)
	clear(s.summaries)
	s.summaries, s.values = s.summaries[:0], s.values[:0]
	s.samples, s.hists, s.counts = s.samples[:0], s.hists[:0], s.counts[:0]
	s.natives, s.traced, s.encoded = s.natives[:0], s.traced[:0], s.encoded[:0]
}
