package store

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
)

type familyPos uint32

// family is a name with one type, unit and help, and the series that have it.
type family struct {
	name, help, unit string
	defaultHelp      bool // as in Resolved
	described        int  // number of the reload that help and unit are of
	typ              metric.Type
	bounds           []float64 // upper bounds of the histograms of timers
	makeup           makeup
	shared           []float64 // the longest list of bounds or quantiles that one of its series had, see share
	points           int       // buckets and quantiles of its composites: the family ends with the last one

	gen    uint32 // 0 where the position is free
	live   int
	sorted []member // by label text; may hold dead ones; replaced as a whole, never changed, because scrapes hold it
	fresh  []ref    // added since, unordered
	dead   int      // how many of sorted and fresh are dead

	changes     uint32 // how often a series came or went
	beingSorted bool   // a scrape is about to replace sorted and fresh
}

// makeup says how the series of a family are kept. All series of a family have the same.
type makeup uint8

const (
	ofValues        makeup = iota // gauges and counters; and timers, which the store makes histograms of
	ofParts                       // composites, each with its own bounds
	ofDistributions               // histograms and summaries as their senders counted them, each with its own bounds
)

// String says how the histograms or summaries of a family came.
func (m makeup) String() string {
	return [...]string{"is made of timers", "was sent in parts", "was counted by its senders"}[m]
}

// share returns a list of bounds or quantiles that scrapes may hold, since it never changes: the longest one that the
// family had, which most of its series have as well, or a copy.
func (f *family) share(list []float64) []float64 {
	if slices.Equal(list, f.shared) {
		return f.shared
	}
	list = slices.Clone(list)
	if len(list) >= len(f.shared) {
		f.shared = list
	}
	return list
}

// families keeps all families, the names that they write in any format, so that no two families ever write the same
// name, and which entry owns which series.
type families struct {
	arena[familyPos, family]

	claims     map[string]familyPos // sample and metadata names to the family that writes them
	series     index[entryPos]      // owners by seriesKey
	labels     labelSets
	reserved   []string // prefixes of names that belong to others
	composites int      // families of composites
	gen        uint32
	version    uint64 // changes whenever a family is added or removed
	reloads    int    // how many there were
	entries    *entries
}

// seriesKey is what a scrape may hold only once.
type seriesKey struct {
	family familyPos
	labels labelsPos
}

// ownFamily stands for the exporter's own metrics. It has no series, is never removed, and owns every name that starts
// like theirs.
const ownFamily familyPos = 1

var ownPrefixes = [...]string{"loggregator_exporter_", "go_", "process_", "promhttp_"}

func newFamilies(reserved []string, entries *entries) families {
	fs := families{
		claims: map[string]familyPos{}, reserved: slices.Concat(ownPrefixes[:], reserved),
		labels: labelSets{identities: &entries.identities}, entries: entries,
	}
	fs.add(family{})
	return fs
}

// count is the number of families with series.
func (fs *families) count() int { return fs.inUse() - 1 }

// sampleNames lists the names that a family may write: histograms and summaries write more than one, and _created in
// OpenMetrics. Of a counter they do not include what only OpenMetrics derives from its name, such as the family's
// name without _total: a gauge may have that name, and the exposition avoids the conflict.
func sampleNames(name string, t metric.Type) []string {
	switch t {
	case metric.TypeHistogram:
		return []string{name, name + "_bucket", name + "_count", name + "_sum", name + "_created"}
	case metric.TypeSummary:
		return []string{name, name + "_count", name + "_sum", name + "_created"}
	default:
		return []string{name}
	}
}

// writtenNames are the sample names, and those that a reader gets who does not take all of UTF-8: by default
// everything that is not legal in a classic name becomes an underscore.
func writtenNames(name string, t metric.Type) []string {
	names := sampleNames(name, t)
	if escaped := model.EscapeName(name, model.UnderscoreEscaping); escaped != name {
		names = append(names, sampleNames(escaped, t)...)
	}
	return names
}

// named returns the family of a name, or 0.
func (fs *families) named(name string) familyPos {
	if pos := fs.claims[name]; pos != 0 && fs.at(pos).name == name {
		return pos
	}
	return 0
}

// find returns the family that the series belongs to, or 0.
func (fs *families) find(r *Resolved, m makeup) familyPos {
	pos := fs.named(r.Metric)
	if pos == 0 {
		return 0
	}
	f := fs.at(pos)
	// Other bounds are those of before a reload, and their series are about to be retired.
	if f.typ != r.Type || f.makeup != m ||
		f.typ == metric.TypeHistogram && !slices.Equal(f.bounds, r.Buckets) {
		return 0
	}
	fs.describe(f, r)
	return pos
}

// describe gives a family the help text and unit of one more of its series, if they are the first since the last
// reload. Otherwise texts of rules and the catalogue count before those made of names, and of several the first in
// alphabetical order: never the first to arrive.
func (fs *families) describe(f *family, r *Resolved) {
	if f.described != fs.reloads {
		f.help, f.unit, f.defaultHelp, f.described = r.Help, r.Unit, r.DefaultHelp, fs.reloads
		return
	}
	if f.defaultHelp && !r.DefaultHelp || f.defaultHelp == r.DefaultHelp && r.Help < f.help {
		f.help, f.defaultHelp = r.Help, r.DefaultHelp
	}
}

// blockers lists the families that own a name which a new family would write.
func (fs *families) blockers(r *Resolved) []familyPos {
	escaped := model.EscapeName(r.Metric, model.UnderscoreEscaping)
	for _, p := range fs.reserved {
		if strings.HasPrefix(r.Metric, p) || strings.HasPrefix(escaped, p) {
			return []familyPos{ownFamily}
		}
	}
	var out []familyPos
	for _, n := range writtenNames(r.Metric, r.Type) {
		if pos := fs.claims[n]; pos != 0 && !slices.Contains(out, pos) {
			out = append(out, pos)
		}
	}
	return out
}

// create makes a family that nothing blocks.
func (fs *families) create(r *Resolved, m makeup) familyPos {
	fs.gen++
	pos := fs.add(family{
		name: r.Metric, help: r.Help, unit: r.Unit, defaultHelp: r.DefaultHelp, described: fs.reloads,
		typ: r.Type, bounds: r.Buckets, makeup: m, gen: fs.gen,
	})
	for _, n := range writtenNames(r.Metric, r.Type) {
		fs.claims[n] = pos
	}
	if m == ofParts {
		fs.composites++
	}
	fs.version++
	return pos
}

// removeIfEmpty removes a family if it has no series, and its names become free.
func (fs *families) removeIfEmpty(pos familyPos) {
	f := fs.at(pos)
	if f.live > 0 {
		return
	}
	for _, n := range writtenNames(f.name, f.typ) {
		delete(fs.claims, n)
	}
	if f.makeup == ofParts {
		fs.composites--
	}
	fs.remove(pos)
	fs.version++
}

func (fs *families) hash(k seriesKey) uint64 {
	return mix(uint32(k.family), uint32(k.labels)) & fs.entries.mask
}

// owner returns the entry that owns a series, or 0.
func (fs *families) owner(k seriesKey) entryPos {
	return fs.series.find(fs.hash(k), func(pos entryPos) bool {
		e := fs.entries.at(pos)
		return e.family == k.family && e.labels == k.labels
	})
}

// addSeries makes an entry the owner of a series; it holds the caller's reference to the labels from then on.
func (fs *families) addSeries(k seriesKey, owner ref) {
	fs.series.insert(fs.hash(k), owner.pos)
	f := fs.at(k.family)
	f.live++
	f.changes++
	f.fresh = append(f.fresh, owner)
}

// maxDead is how many dead series a family keeps in its lists beyond as many as it has live ones.
const maxDead = 64

// removeSeries is the inverse of addSeries, for an owner whose gen has changed. The family goes with its last series.
func (fs *families) removeSeries(k seriesKey, owner entryPos) {
	fs.series.remove(fs.hash(k), owner)
	fs.labels.release(k.labels)
	f := fs.at(k.family)
	f.live--
	f.dead++
	f.changes++
	if f.live > 0 && !f.beingSorted && f.dead > f.live+maxDead {
		// A scrape would do this too, but perhaps there is none. One in progress may hold sorted: it is replaced, not
		// changed.
		f.fresh = slices.DeleteFunc(f.fresh, func(r ref) bool { return !fs.entries.alive(r) })
		f.sorted = slices.DeleteFunc(slices.Clone(f.sorted), func(m member) bool { return !fs.entries.alive(m.ref) })
		f.dead = 0
	}
	fs.removeIfEmpty(k.family)
}

// members lists the series of a family, including dead ones. The list stays valid when series leave.
func (fs *families) members(pos familyPos) []ref {
	f := fs.at(pos)
	all := make([]ref, 0, len(f.sorted)+len(f.fresh))
	for i := range f.sorted {
		all = append(all, f.sorted[i].ref)
	}
	return append(all, f.fresh...)
}
