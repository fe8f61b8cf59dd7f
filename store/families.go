package store

import (
	"slices"
	"strings"

	"loggregator_exporter/metric"
)

// family is a name with one type, unit and help, and the series that have it.
type family struct {
	name, help, unit string
	typ              metric.Type
	bounds           []float64 // TypeHistogram

	gen    uint32
	live   int
	sorted []ref // by label text; may hold the dead; replaced as a whole, never changed: scrapes hold it
	fresh  []ref // came since, in no order
	dead   int   // how many of sorted and fresh are dead
}

// families keeps every family and every name that one could write in any format, so that no two ever meet in a scrape.
type families struct {
	all    []family
	free   []uint32
	claims map[string]uint32 // sample and metadata names to the family that writes them
	count  int

	order   []uint32 // live families by name
	ordered bool
}

// The first family stands for the exporter's own metrics. It has no series, is never released and owns every name that
// starts like theirs.
const ownFamily = 0

var ownPrefixes = [...]string{"loggregator_exporter_", "go_", "process_", "promhttp_"}

func newFamilies() families {
	return families{all: []family{{name: "a metric of the exporter itself"}}, claims: map[string]uint32{}}
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

// claim returns the family of that name and type, made if it is not there. It fails where one of the names that the family
// would write belongs to another, whose position it returns.
func (fs *families) claim(r *Resolved) (pos uint32, ok bool) {
	if pos, found := fs.claims[r.Metric]; found {
		f := &fs.all[pos]
		// Other bounds mean another rule, of before a reload: its series are on their way out.
		return pos, f.name == r.Metric && f.typ == r.Type && (f.typ != metric.TypeHistogram || slices.Equal(f.bounds, r.Buckets))
	}
	for _, p := range ownPrefixes {
		if strings.HasPrefix(r.Metric, p) {
			return ownFamily, false
		}
	}
	names := sampleNames(r.Metric, r.Type)
	for _, n := range names {
		if owner, found := fs.claims[n]; found {
			return owner, false
		}
	}
	f := family{name: r.Metric, help: r.Help, unit: r.Unit, typ: r.Type, bounds: r.Buckets}
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
	fs.ordered = false
	return pos, true
}

// release forgets a family without series, and its names become free.
func (fs *families) release(pos uint32) {
	f := &fs.all[pos]
	for _, n := range sampleNames(f.name, f.typ) {
		delete(fs.claims, n)
	}
	*f = family{gen: f.gen + 1}
	fs.free = append(fs.free, pos)
	fs.count--
	fs.ordered = false
}

// inOrder returns the positions of the live families by name.
func (fs *families) inOrder() []uint32 {
	if fs.ordered {
		return fs.order
	}
	fs.order = fs.order[:0]
	for i := range fs.all {
		if fs.all[i].name != "" && i != ownFamily {
			fs.order = append(fs.order, uint32(i))
		}
	}
	slices.SortFunc(fs.order, func(a, b uint32) int { return strings.Compare(fs.all[a].name, fs.all[b].name) })
	fs.ordered = true
	return fs.order
}

// labelSets interns rendered label sets.
type labelSets struct {
	all  []labelSet
	free []uint32
	by   map[metric.Labels]uint32
}

type labelSet struct {
	text metric.Labels
	refs uint32
}

// intern returns the position of a set. The caller owns one reference.
func (ls *labelSets) intern(text metric.Labels) uint32 {
	if pos, ok := ls.by[text]; ok {
		ls.all[pos].refs++
		return pos
	}
	pos := uint32(len(ls.all))
	if n := len(ls.free); n > 0 {
		pos, ls.free = ls.free[n-1], ls.free[:n-1]
		ls.all[pos] = labelSet{text, 1}
	} else {
		ls.all = append(ls.all, labelSet{text, 1})
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
