package store

import "loggregator_exporter/metric"

// Family is a scrape's view of one family: all its series have the same name, type, unit and help.
type Family struct {
	// Name is the full name, with _total where the family is a counter under the prometheus naming. It may hold any UTF-8
	// under the verbatim naming: what a format cannot say is escaped by the exposition.
	Name string
	Help string
	Unit string // "seconds", "bytes", "ratio", ...: set only where Name ends in it (before _total)
	Type metric.Type

	store   *Store
	members []ref
}

// Sample is the state of one series at the moment it was read.
type Sample struct {
	Labels metric.Labels
	// Value is the value of a gauge or counter.
	Value float64
	// Histogram is set where the family's Type is TypeHistogram. It belongs to the reader that Read was called on and is
	// valid until the next Read.
	Histogram *Histogram
}

// Histogram is a classic histogram: Bounds are the upper bounds without +Inf, ascending; Counts are the observations
// of each bucket by itself, not cumulative, with the one for +Inf last, so len(Counts) == len(Bounds)+1.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Count  uint64
	Sum    float64
}

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
	counts  []uint64
}

// Reset points the reader at a family.
func (r *Reader) Reset(f *Family) { r.family, r.at = f, 0 }
