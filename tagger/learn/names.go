package learn

import (
	"cmp"
	"slices"
	"strings"
)

// nameSet is all names, cut into segments, and what was counted of them before any dimension is looked for.
type nameSet struct {
	table
	entries []entry
	whole   map[uint64]bool // hashes of the rests that were seen, with and without their component
	// labelled holds the values that rules have a label for, as far as the word before them tells.
	labelled map[labelled]map[string]bool
}

func newNameSet(l *Learner, components map[string]bool) *nameSet {
	s := &nameSet{
		table:   newTable(l.options.Vocabulary, components, l.tagValues),
		entries: l.entries, whole: make(map[uint64]bool), labelled: make(map[labelled]map[string]bool),
	}
	var ids []uint32
	units := make(map[string]uint32)
	for i := range s.entries {
		e := &s.entries[i]
		if e.unusable {
			continue
		}
		if cap(ids)-len(ids) < maxSegments {
			ids = make([]uint32, 0, 1<<16)
		}
		start := len(ids)
		ids = s.split(ids, e.rest)
		e.segments = ids[start:len(ids):len(ids)]
		if len(e.segments) > maxSegments || slices.ContainsFunc(e.segments, s.isEmpty) {
			e.segments = nil
			continue
		}
		unit := e.kind.String() + " " + strings.ToLower(e.unit)
		if _, known := units[unit]; !known {
			units[unit] = uint32(len(units))
		}
		e.unitID = units[unit]
		e.scope = s.scopeOf(e)
		s.whole[s.hash(e.scope, e.segments)] = true
		s.whole[s.hash("", e.segments)] = true
	}
	s.countPlaces()
	return s
}

// countPlaces counts the values behind which each value was seen.
func (s *nameSet) countPlaces() {
	places := make(map[uint64]bool) // pairs of a value and the value before it
	for i := range s.entries {
		segments := s.entries[i].segments
		for k := 1; k < len(segments); k++ {
			places[uint64(s.segment(segments[k-1]).valueID)<<32|uint64(s.segment(segments[k]).valueID)] = true
		}
	}
	count := make([]int, len(s.segments))
	for pair := range places {
		count[uint32(pair)]++
	}
	for i := range s.segments {
		s.segments[i].places = count[s.segments[i].valueID]
	}
}

// scopeOf is the component that a path starts with, if it is known as one, else the component of the name.
func (s *nameSet) scopeOf(e *entry) string {
	if first := s.segment(e.segments[0]); first.separator() == "/" && len(e.segments) > 1 && s.isComponent(first.value) {
		return first.value
	}
	return e.component
}

// labelled is a label that values have in the names of a component, whichever word stands before them.
type labelled struct{ scope, label string }

// countLabelled notes the last segment of a name, if rules have a label for what stands behind the word before it.
func (s *nameSet) countLabelled(e *entry) {
	n := len(e.segments)
	if n < 2 {
		return
	}
	label := s.vocabulary.Labels[s.segment(e.segments[n-2]).value]
	last := s.segment(e.segments[n-1])
	if label == "" || last.measure {
		return
	}
	key := labelled{e.scope, label}
	if s.labelled[key] == nil {
		s.labelled[key] = make(map[string]bool)
	}
	s.labelled[key][last.value] = true
}

// hash is that of FNV-1a, over segments in place of bytes.
func (s *nameSet) hash(component string, segments []uint32) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(component) {
		h = (h ^ uint64(component[i])) * prime
	}
	for _, id := range segments {
		h = (h ^ (uint64(id) + 256)) * prime
	}
	return h
}

// branch holds the names that continue with a segment: those that end there, and those that go on.
type branch struct {
	id        uint32
	end, deep []int32
}

// idsOf returns the segments of branches.
func idsOf(all []branch) map[uint32]bool {
	ids := make(map[uint32]bool, len(all))
	for _, b := range all {
		ids[b.id] = true
	}
	return ids
}

// branches groups names by their segment at a position, in the order of the segments' texts.
func (s *nameSet) branches(names []int32, at int) []branch {
	index := make(map[uint32]int)
	var all []branch
	for _, i := range names {
		segments := s.entries[i].segments
		if len(segments) <= at {
			continue
		}
		k, ok := index[segments[at]]
		if !ok {
			k = len(all)
			index[segments[at]] = k
			all = append(all, branch{id: segments[at]})
		}
		if len(segments) == at+1 {
			all[k].end = append(all[k].end, i)
		} else {
			all[k].deep = append(all[k].deep, i)
		}
	}
	slices.SortFunc(all, func(a, b branch) int { return cmp.Compare(s.segment(a.id).text, s.segment(b.id).text) })
	return all
}

// typed returns the branches whose segments are ids of the type that most of them have.
func (s *nameSet) typed(all []branch) []branch {
	count := make(map[string]int)
	best := ""
	for _, b := range all {
		if t := s.segment(b.id).typ; t != "" {
			count[t]++
			if best == "" || count[t] > count[best] || count[t] == count[best] && t < best {
				best = t
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(b branch) bool { return best == "" || s.segment(b.id).typ != best })
}

// ownOrigins returns the branches whose segment is the origin of their names.
func (s *nameSet) ownOrigins(all []branch) []branch {
	return slices.DeleteFunc(slices.Clone(all), func(b branch) bool {
		value := s.segment(b.id).value
		return slices.ContainsFunc(b.deep, func(i int32) bool { return s.entries[i].origin != value })
	})
}

// deeper says whether names of branches have more than some segments.
func (s *nameSet) deeper(all []branch, most int) bool {
	return slices.ContainsFunc(all, func(b branch) bool {
		return slices.ContainsFunc(b.deep, func(i int32) bool { return len(s.entries[i].segments) > most })
	})
}

// unlike says whether kinds and units of names that differ only in a segment differ: then it names the measurement.
func (s *nameSet) unlike(ending []branch) bool {
	count := make(map[uint32]int)
	most := 0
	for _, b := range ending {
		unit := s.entries[b.end[0]].unitID
		count[unit]++
		most = max(most, count[unit])
	}
	return most*10 < len(ending)*9
}

// continues says whether names that go on behind a dimension at their end are values of it that hold separators: they
// end in no word for a measurement, and have kind and unit of the others.
func (s *nameSet) continues(names []int32, ending []branch) bool {
	unit := s.entries[ending[0].end[0]].unitID
	for _, i := range names {
		e := &s.entries[i]
		last := s.segment(e.segments[len(e.segments)-1])
		if last.measure || last.typ == "status" || e.unitID != unit {
			return false
		}
	}
	return len(names) > 0
}

// startWithComponent says whether values are the component of their names and something behind it.
func (s *nameSet) startWithComponent(members []branch) bool {
	return !slices.ContainsFunc(members, func(b branch) bool {
		component := s.entries[b.deep[0]].component
		return component == "" || !strings.HasPrefix(s.segment(b.id).value, component)
	})
}

// exists says whether a name of a scope without the segment at a position was seen.
func (s *nameSet) exists(members []branch, at int, scope string) bool {
	var name []uint32
	for _, b := range members {
		for _, i := range b.deep {
			segments := s.entries[i].segments
			name = append(append(name[:0], segments[:at]...), segments[at+1:]...)
			if at == 0 {
				// The first segment of a name has no separator before it.
				first, known := s.byText[s.segment(name[0]).value]
				if !known {
					continue
				}
				name[0] = first
			}
			if s.whole[s.hash(scope, name)] {
				return true
			}
		}
	}
	return false
}
