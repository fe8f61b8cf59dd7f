package exposition

import "loggregator_exporter/store"

// keepSamples and keepCounts bound the memory that a snapshot keeps for the next family and scrape: 1.5 MiB.
const (
	keepSamples = 1 << 14
	keepCounts  = 1 << 17
)

// snapshot is a copy of all samples of one family, whose reader gives them out in chunks.
type snapshot struct {
	samples []store.Sample
	hists   []store.Histogram
	counts  []uint64
	encoded []byte // the beginning of the family, as the format has it
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
	for i := range s.hists {
		s.samples[i].Histogram = &s.hists[i]
	}
	return nil
}

func (s *snapshot) addHistograms(samples []store.Sample) {
	for i := range samples {
		if samples[i].Histogram == nil {
			continue
		}
		h := *samples[i].Histogram
		from := len(s.counts)
		s.counts = append(s.counts, h.Counts...)
		// What was copied before stays good when counts moves.
		h.Counts = s.counts[from:len(s.counts):len(s.counts)]
		s.hists = append(s.hists, h)
		s.samples = append(s.samples, samples[i])
	}
}

// reset lets go of the samples, and of memory that one huge family made huge.
func (s *snapshot) reset() {
	if cap(s.samples) > keepSamples || cap(s.counts) > keepCounts {
		*s = snapshot{}
		return
	}
	clear(s.samples)
	clear(s.hists)
	s.samples, s.hists, s.counts, s.encoded = s.samples[:0], s.hists[:0], s.counts[:0], s.encoded[:0]
}
