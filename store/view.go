package store

import (
	"slices"
	"strings"
	"sync"
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
	composite bool     // its series are put together from parts
	members   []member // sorted by label text, never changed
	now       int64    // series that have expired by then are left out
}

// Sample is the state of one series at the moment it was read.
type Sample struct {
	Labels metric.Labels
	// Pairs is the number of Labels where none of them holds an escape and name and value are at most PairBytes
	// together; else it is 0. Formats that write lengths need no second look at such labels.
	Pairs int
	// Value is the value of a gauge or counter.
	Value float64
	// Start is when a counter, histogram or summary was 0, in nanoseconds since the epoch, by the exporter's clock or, as
	// OpenTelemetry's senders say it, by theirs; 0 where that is not known: it is never guessed.
	Start int64
	// Histogram is set where the family's Type is TypeHistogram. It belongs to the reader that Next was called on and is
	// valid until the next call of Next.
	Histogram *Histogram
	// Summary is set where the family's Type is TypeSummary; it is valid as long as Histogram is.
	Summary *Summary
}

// Summary is what an emitter computed from its own observations: Values has the value of each of Quantiles, which
// ascend from 0 to 1; there may be none. Count and Sum are totals like those of a Histogram.
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
	// Exemplars has one for each of Counts, of which those with Stamp 0 are none; or it is empty. Of a histogram with
	// native buckets only it is a list, the newest first.
	Exemplars []Exemplar
	// Native is the same observations as a native histogram; nil where there is none.
	Native *Native
}

// Native is a native histogram; Zero are the observations of values from -ZeroThreshold to ZeroThreshold.
type Native struct {
	Schema             int32
	ZeroThreshold      float64
	Zero               uint64
	Positive, Negative metric.NativeBuckets
}

// view orders families and their series for scrapes.
type view struct {
	// mu is held by the scrape that puts new series in order; it guards what that keeps for the next.
	mu      sync.Mutex
	order   []namedFamily // families by name
	version uint64        // of the families in order
}

// namedFamily is a family while the order of all families is made.
type namedFamily struct {
	name string
	pos  familyPos
}

// Families returns all families by name, with their series as they are now. The lock is held for one family at a
// time; what has to be sorted is sorted outside it.
func (s *Store) Families() []Family {
	v := &s.view
	v.mu.Lock()
	defer v.mu.Unlock()
	v.renew(s)
	now := time.Now().UnixNano()
	out := make([]Family, 0, len(v.order))
	for _, named := range v.order {
		if f, ok := v.family(s, named.pos); ok {
			f.store, f.now = s, now
			out = append(out, f)
		}
	}
	// A family that was removed, and another that took its place since the order was made, would be out of order.
	slices.SortFunc(out, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b Family) bool { return a.Name == b.Name })
}

// renew orders the families anew if some were added or removed.
func (v *view) renew(s *Store) {
	s.mu.Lock()
	changed := s.families.version != v.version
	if changed {
		v.version, v.order = s.families.version, nil
		for pos := range s.families.all {
			if f := &s.families.all[pos]; f.live > 0 {
				v.order = append(v.order, namedFamily{f.name, familyPos(pos)})
			}
		}
	}
	s.mu.Unlock()
	if changed {
		slices.SortFunc(v.order, func(a, b namedFamily) int { return strings.Compare(a.name, b.name) })
	}
}

// PairBytes bounds the labels that Sample.Pairs counts.
const PairBytes = 120

// member is a series in the list of its family once that is sorted, with what a scrape writes of it: a scrape of many
// series waits for memory, and to reach labels through the entry would be two waits more for each line.
type member struct {
	ref

	pairs  int16
	labels metric.Labels
}

// family returns one family, after its new series were put in order and its dead ones left out. The caller holds
// v.mu.
func (v *view) family(s *Store, pos familyPos) (Family, bool) {
	s.mu.Lock()
	f := s.families.at(pos)
	if f.live == 0 {
		s.mu.Unlock()
		return Family{}, false
	}
	out := Family{Name: f.name, Help: f.help, Unit: f.unit, Type: f.typ, composite: f.makeup == ofParts, members: f.sorted}
	if len(f.fresh) == 0 && f.dead == 0 {
		s.mu.Unlock()
		return out, true
	}
	f.beingSorted = true
	gen, dead, all, old := f.gen, f.dead, s.families.members(pos), len(f.sorted)
	s.mu.Unlock()

	sorted, fresh := s.living(all[:old]), s.living(all[old:])
	slices.SortFunc(fresh, func(a, b member) int { return strings.Compare(string(a.labels), string(b.labels)) })
	for chunk := range slices.Chunk(fresh, readChunk) {
		s.pack(chunk)
	}
	out.members = mergeMembers(sorted, fresh)

	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.families.at(pos); f.gen == gen {
		f.beingSorted = false
		f.sorted = out.members
		f.fresh = slices.Clone(f.fresh[len(all)-old:]) // which frees the memory of those before
		f.dead -= dead
	}
	return out, true
}

// living makes the list of those series that live, as their labels are.
func (s *Store) living(series []ref) []member {
	out := make([]member, 0, len(series))
	for chunk := range slices.Chunk(series, readChunk) {
		s.mu.Lock()
		for _, r := range chunk {
			if s.entries.alive(r) {
				labels := s.entries.at(r.pos).labels
				out = append(out, member{r, s.families.labels.at(labels).pairs, s.families.labels.text(labels)})
			}
		}
		s.mu.Unlock()
	}
	return out
}

// pack puts the labels of sorted members side by side, so that a scrape finds in a row what it writes in a row.
// Families whose series have the same labels in the same order profit from the first one.
func (s *Store) pack(members []member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range members {
		if m := &members[i]; s.entries.alive(m.ref) {
			m.labels = s.families.labels.pack(s.entries.at(m.pos).labels)
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

// mergeFamilies merges two lists by name. Of families of one name only the first list's is taken: a page holds none
// twice.
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
