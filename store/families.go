package store

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
)

// family is a name with one type, unit and help, and the series that have it.
type family struct {
	name, help, unit string
	typ              metric.Type
	bounds           []float64 // TypeHistogram
	composite        bool      // its series are composites, each with bounds of its own
	shared           []float64 // the most bounds or quantiles that a composite had
	pieces           int       // buckets and quantiles of its composites: with the last one it ends

	gen    uint32
	live   int
	sorted []member // by label text; may hold the dead; replaced as a whole, never changed: scrapes hold it
	fresh  []member // came since, in no order, without their labels
	dead   int      // how many of sorted and fresh are dead

	sorting bool // a scrape is about to replace sorted and fresh
}

// families keeps every family and every name that one could write in any format, so that no two ever meet in a scrape.
type families struct {
	all    []family
	free   []uint32
	claims map[string]uint32 // sample and metadata names to the family that writes them
	count  int

	reserved []string // beginnings of names that belong to others

	// version changes whenever a family comes or goes.
	version uint64
}

// The first family stands for the exporter's own metrics. It has no series, is never released and owns every name that
// starts like theirs.
const ownFamily = 0

var ownPrefixes = [...]string{"loggregator_exporter_", "go_", "process_", "promhttp_"}

func newFamilies(reserved []string) families {
	return families{
		all: []family{{name: "a metric of the exporter itself"}}, claims: map[string]uint32{}, reserved: slices.Concat(ownPrefixes[:], reserved),
	}
}

// sampleNames lists the names that a family may write in one of the formats. OpenMetrics knows a counter by the name
// without _total; histograms and summaries write more than one name; _created belongs to whatever has a start.
func sampleNames(name string, t metric.Type) []string {
	switch t {
	case metric.TypeCounter:
		base := strings.TrimSuffix(name, "_total")
		if base == name {
			return []string{name, name + "_total", name + "_created"}
		}
		return []string{name, base, base + "_created"}
	case metric.TypeHistogram:
		return []string{name, name + "_bucket", name + "_count", name + "_sum", name + "_created"}
	case metric.TypeSummary:
		return []string{name, name + "_count", name + "_sum", name + "_created"}
	default:
		return []string{name}
	}
}

// writtenNames are the sample names, and those that scrapes get which do not take all of UTF-8: by default whatever is not legal in
// a classic name becomes an underscore.
func writtenNames(name string, t metric.Type) []string {
	names := sampleNames(name, t)
	if escaped := model.EscapeName(name, model.UnderscoreEscaping); escaped != name {
		names = append(names, sampleNames(escaped, t)...)
	}
	return names
}

// claim returns the family of that name and type, made if it is not there. It fails where one of the names that the family
// would write belongs to another, whose position it returns.
func (fs *families) claim(r *Resolved, composite bool) (pos uint32, ok bool) {
	if pos, found := fs.claims[r.Metric]; found {
		f := &fs.all[pos]
		if f.name == r.Metric && r.DefaultHelp && r.Help < f.help {
			// Of several base names without a text of their own the first by the alphabet speaks, not the first to arrive.
			f.help = r.Help
		}
		// Other bounds mean another rule, of before a reload: its series are on their way out.
		return pos, f.name == r.Metric && f.typ == r.Type && f.composite == composite && (f.typ != metric.TypeHistogram || slices.Equal(f.bounds, r.Buckets))
	}
	escaped := model.EscapeName(r.Metric, model.UnderscoreEscaping)
	for _, p := range fs.reserved {
		if strings.HasPrefix(r.Metric, p) || strings.HasPrefix(escaped, p) {
			return ownFamily, false
		}
	}
	names := writtenNames(r.Metric, r.Type)
	for _, n := range names {
		if owner, found := fs.claims[n]; found {
			return owner, false
		}
	}
	f := family{name: r.Metric, help: r.Help, unit: r.Unit, typ: r.Type, bounds: r.Buckets, composite: composite}
	if n := len(fs.free); n > 0 {
		pos, fs.free = fs.free[n-1], fs.free[:n-1]
		f.gen = fs.all[pos].gen
		fs.all[pos] = f
	} else {
		pos = uint32(len(fs.all))
		fs.all = append(fs.all, f)
	}
	for _, n := range names {
		fs.claims[n] = pos
	}
	fs.count++
	fs.version++
	return pos, true
}

// release forgets a family without series, and its names become free.
func (fs *families) release(pos uint32) {
	f := &fs.all[pos]
	for _, n := range writtenNames(f.name, f.typ) {
		delete(fs.claims, n)
	}
	*f = family{gen: f.gen + 1}
	fs.free = append(fs.free, pos)
	fs.count--
	fs.version++
}

// namedFamily is a family on its way to being sorted.
type namedFamily struct {
	name string
	pos  uint32
}

// named lists the live families.
func (fs *families) named() []namedFamily {
	all := make([]namedFamily, 0, fs.count)
	for i := range fs.all {
		if fs.all[i].name != "" && i != ownFamily {
			all = append(all, namedFamily{fs.all[i].name, uint32(i)})
		}
	}
	return all
}

// labelSets interns rendered label sets.
type labelSets struct {
	all  []labelSet
	free []uint32
	by   map[metric.Labels]uint32

	shelf strings.Builder // of which packed texts are parts
}

type labelSet struct {
	text   metric.Labels
	refs   uint32
	pairs  int16 // as in Sample
	packed bool  // it is part of a shelf
}

// shelfBytes is the size of the memory that packed texts share, and so of what one of them keeps alive.
const shelfBytes = 32 << 10

// pack returns the text of a set, after it was moved to the shelf if it is not on one.
func (ls *labelSets) pack(pos uint32) metric.Labels {
	set := &ls.all[pos]
	if set.packed {
		return set.text
	}
	set.packed = true
	from := ls.shelf.Len()
	if from+len(set.text) > ls.shelf.Cap() {
		ls.shelf, from = strings.Builder{}, 0
		ls.shelf.Grow(max(shelfBytes, len(set.text)))
	}
	ls.shelf.WriteString(string(set.text))
	set.text = metric.Labels(ls.shelf.String()[from:])
	ls.by[set.text] = pos // which replaces the key, too
	return set.text
}

// plainPairs counts labels for Sample.Pairs.
func plainPairs(text metric.Labels) int16 {
	if strings.IndexByte(string(text), '\\') >= 0 {
		return 0
	}
	n := int16(0)
	for name, value := range text.All() {
		if n++; len(name)+len(value) > PairBytes {
			return 0
		}
	}
	return n
}

// intern returns the position of a set. The caller owns one reference.
func (ls *labelSets) intern(text metric.Labels) uint32 {
	if pos, ok := ls.by[text]; ok {
		ls.all[pos].refs++
		return pos
	}
	set := labelSet{text: text, refs: 1, pairs: plainPairs(text)}
	pos := uint32(len(ls.all))
	if n := len(ls.free); n > 0 {
		pos, ls.free = ls.free[n-1], ls.free[:n-1]
		ls.all[pos] = set
	} else {
		ls.all = append(ls.all, set)
	}
	ls.by[text] = pos
	return pos
}

func (ls *labelSets) release(pos uint32) {
	l := &ls.all[pos]
	if l.refs--; l.refs > 0 {
		return
	}
	delete(ls.by, l.text)
	*l = labelSet{}
	ls.free = append(ls.free, pos)
}
