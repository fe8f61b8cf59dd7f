package store

import (
	"slices"
	"strings"
	"time"

	"loggregator_exporter/metric"
)

// Family is a scrape's view of one family: all its series have the same name, type, unit and help.
type Family struct {
	// Name is the full name, with _total where the family is a counter under the prometheus naming. It may hold any UTF-8
	// under the verbatim naming: what a format cannot say is escaped by the exposition.
	Name string
	Help string
	Unit string // "seconds", "bytes", "ratio", ...: set only where Name ends in it (before _total)
	Type metric.Type

	store     *Store
	composite bool     // its series are put together from pieces
	members   []member // sorted by label text, never changed
	now       int64    // series that have expired by then are left out
}

// Sample is the state of one series at the moment it was read.
type Sample struct {
	Labels metric.Labels
	// Pairs is the number of Labels where none of them holds an escape and name and value are at most PairBytes together; else it is 0.
	// Formats that write lengths need no second look at such labels.
	Pairs int
	// Value is the value of a gauge or counter.
	Value float64
	// Start is when a counter or histogram was 0, in nanoseconds since the epoch by the exporter's clock; 0 where that is not known:
	// it is never guessed.
	Start int64
	// Histogram is set where the family's Type is TypeHistogram. It belongs to the reader that Read was called on and is
	// valid until the next Read.
	Histogram *Histogram
	// Summary is set where the family's Type is TypeSummary; it is valid as long as Histogram is.
	Summary *Summary
}

// Summary is what an emitter computed of its own observations: Values has the value of each of Quantiles, which ascend from 0 to 1;
// there may be none. Count and Sum are totals like those of a Histogram.
type Summary struct {
	Quantiles []float64
	Values    []float64
	Count     uint64
	Sum       float64
	Unsummed  bool // Sum is not known, and NaN
	Uncounted bool // Count is not known
}

// Histogram is a classic histogram: Bounds are the upper bounds without +Inf, ascending; Counts are the observations
// of each bucket by itself, not cumulative, with the one for +Inf last, so len(Counts) == len(Bounds)+1.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Count  uint64
	Sum    float64
	// Unsummed says that Sum is not known, and NaN.
	Unsummed bool
	// Exemplars has one for each of Counts, of which those with Stamp 0 are none; or it is empty.
	Exemplars []Exemplar
	// Native is the same observations as a native histogram; nil where that is switched off.
	Native *Native
}

// Native is a native histogram of values that are not negative: Counts are the observations of the buckets from index First on, none
// left out, of a schema; Zero those of values up to ZeroThreshold.
type Native struct {
	Schema        int32
	ZeroThreshold float64
	Zero          uint64
	First         int32
	Counts        []uint64
}

// Families returns all families by name, with their series as they are now. The lock is held for one family at a time; what
// has to be sorted is sorted outside it.
func (s *Store) Families() []Family {
	s.sorting.Lock()
	defer s.sorting.Unlock()
	s.mu.Lock()
	changed := s.families.version != s.orderVersion
	if changed {
		s.order, s.orderVersion = s.families.named(), s.families.version
	}
	s.mu.Unlock()
	if changed {
		slices.SortFunc(s.order, func(a, b namedFamily) int { return strings.Compare(a.name, b.name) })
	}
	now := time.Now().UnixNano()
	out := make([]Family, 0, len(s.order))
	for _, named := range s.order {
		if f, ok := s.view(named.pos); ok {
			f.store, f.now = s, now
			out = append(out, f)
		}
	}
	// A family that was released and another that took its place since the order was taken would stand out of order.
	slices.SortFunc(out, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b Family) bool { return a.Name == b.Name })
}

// PairBytes bounds a label of which Sample.Pairs speaks.
const PairBytes = 120

// member is a series in the list of its family. What a scrape writes of it stands here once it is sorted, since a scrape of many series
// waits for memory: looking labels up by way of the entry would be two waits more for each line.
type member struct {
	ref

	pairs  int16
	labels metric.Labels
}

// view returns one family, after its new series were put in order and its dead ones left out. The caller holds s.sorting.
func (s *Store) view(pos uint32) (Family, bool) {
	s.mu.Lock()
	f := &s.families.all[pos]
	if f.name == "" {
		s.mu.Unlock()
		return Family{}, false
	}
	out := Family{Name: f.name, Help: f.help, Unit: f.unit, Type: f.typ, composite: f.composite, members: f.sorted}
	if len(f.fresh) == 0 && f.dead == 0 {
		s.mu.Unlock()
		return out, true
	}
	f.sorting = true
	gen, taken, dead := f.gen, len(f.fresh), f.dead
	sorted, fresh := s.alive(f.sorted), s.alive(f.fresh)
	s.mu.Unlock()

	slices.SortFunc(fresh, func(a, b member) int { return strings.Compare(string(a.labels), string(b.labels)) })
	for chunk := range slices.Chunk(fresh, readChunk) {
		s.pack(chunk)
	}
	out.members = mergeMembers(sorted, fresh)

	s.mu.Lock()
	defer s.mu.Unlock()
	if f = &s.families.all[pos]; f.gen == gen {
		f.sorting = false
		f.sorted = out.members
		f.fresh = append(f.fresh[:0], f.fresh[taken:]...)
		f.dead -= dead
	}
	return out, true
}

func (s *Store) alive(members []member) []member {
	out := make([]member, 0, len(members))
	for _, m := range members {
		if e := s.slab.at(m.pos); e.gen == m.gen {
			set := &s.labels.all[e.labels]
			out = append(out, member{m.ref, set.pairs, set.text})
		}
	}
	return out
}

// pack puts the labels of sorted members side by side, so that a scrape finds in a row what it writes in a row. Families whose series have
// the same labels in the same order profit of the one that came first.
func (s *Store) pack(members []member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range members {
		m := &members[i]
		if e := s.slab.at(m.pos); e.gen == m.gen {
			m.labels = s.labels.pack(e.labels)
		}
	}
}

func mergeMembers(a, b []member) []member {
	if len(b) == 0 {
		return a
	}
	out := make([]member, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].labels <= b[0].labels {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

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
		f.end()
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
		e := s.slab.at(m.pos)
		if e.gen != m.gen || s.expired(e, r.family.now) {
			continue
		}
		sample := Sample{Labels: m.labels, Pairs: int(m.pairs), Value: e.value}
		switch r.family.Type {
		case metric.TypeGauge:
		case metric.TypeSummary:
			if s.families.all[e.family].composite {
				sample.Summary, sample.Start = r.readSummary(s, &s.composites.all[e.extra])
			} else if s.ids.names[e.name].kind.timer() {
				h := &s.hists[e.extra]
				sample.Start, sample.Summary = h.start, r.summary(h, r.family.now)
			}
		case metric.TypeCounter:
			sample.Start = s.start(e)
		case metric.TypeHistogram:
			if sample.Histogram, sample.Start = r.histogramOf(s, e); sample.Histogram == nil {
				continue
			}
		}
		r.samples = append(r.samples, sample)
	}
}

// aheadRefs is how many series are touched at a time.
const aheadRefs = 16

// touch reads a little of each of the series that are to be copied next. Of many series nothing is in a cache, and here the processor
// waits for all of them at once, where copying would wait for one after the other. The caller holds the lock.
func (r *Reader) touch(members []member) {
	s, sum := r.family.store, uint32(0)
	for i := range members {
		sum += s.slab.at(members[i].pos).gen
	}
	r.touched = sum // or the compiler would see that nobody wants it
}

// histogram copies a histogram into the reader's memory. r.hists and r.natives have room for a chunk, so that pointers into them stay
// good; what was copied before stays good too when the other slices move.
func (r *Reader) histogram(h *histogram, bounds []float64) *Histogram {
	out := Histogram{Bounds: bounds, Counts: r.copyCounts(h.counts), Count: h.count, Sum: h.sum}
	if h.exemplars != nil {
		from := len(r.traced)
		r.traced = append(r.traced, h.exemplars...)
		out.Exemplars = r.traced[from:len(r.traced):len(r.traced)]
	}
	if n := h.native; n != nil {
		r.natives = append(r.natives, Native{
			Schema: n.schema, ZeroThreshold: nativeZero, Zero: n.zero, First: n.first, Counts: r.copyCounts(n.counts),
		})
		out.Native = &r.natives[len(r.natives)-1]
	}
	r.hists = append(r.hists, out)
	return &r.hists[len(r.hists)-1]
}

func (r *Reader) copyCounts(counts []uint64) []uint64 {
	from := len(r.counts)
	r.counts = append(r.counts, counts...)
	return r.counts[from:len(r.counts):len(r.counts)]
}

// Stores are several stores that are scraped as one. Their names must be kept apart, see Options.Reserved.
type Stores []*Store

// Families returns the families of all stores by name.
func (all Stores) Families() []Family {
	var out []Family
	for _, s := range all {
		out = mergeFamilies(out, s.Families())
	}
	return out
}

// mergeFamilies merges two lists by name. Of families of one name only the first list's is taken: a page holds none twice.
func mergeFamilies(a, b []Family) []Family {
	if len(a) == 0 {
		return b
	}
	out := slices.Grow([]Family(nil), len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := strings.Compare(a[0].Name, b[0].Name); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			b = b[1:]
		}
	}
	return append(append(out, a...), b...)
}
