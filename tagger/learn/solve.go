package learn

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// solver finds the dimensions in the names of one component after the other, and then in the names that are left of
// all components together.
type solver struct {
	table   table
	entries []entry
	groups  map[string]*group
	whole   map[uint64]bool // hashes of the rests that were seen, with and without their component
	pooled  bool            // the names of all components are looked at together
	scope   string          // the component, while its names are looked at
	units   map[string]uint32
	// labelled holds the values that rules have a label for, as far as the word before them tells.
	labelled map[labelled]map[string]bool
}

func newSolver(l *Learner, p *prefixes) *solver {
	listed := make(map[string]bool)
	for _, label := range l.options.Vocabulary.Values {
		listed[label] = true
	}
	return &solver{
		table: table{
			vocabulary: l.options.Vocabulary, byText: make(map[string]uint32),
			byValue: make(map[string]uint32), components: p.components,
			tagValues: l.tagValues, listed: listed,
		},
		entries: l.entries, groups: make(map[string]*group), whole: make(map[uint64]bool), units: make(map[string]uint32),
		labelled: make(map[labelled]map[string]bool),
	}
}

// solve looks at all names.
func (s *solver) solve() {
	byScope := make(map[string][]int32)
	places := make(map[uint64]bool) // pairs of a value and the value before it
	var ids []uint32
	for i := range s.entries {
		e := &s.entries[i]
		if e.unusable {
			continue
		}
		if cap(ids)-len(ids) < maxSegments {
			ids = make([]uint32, 0, 1<<16)
		}
		start := len(ids)
		ids = s.table.split(ids, e.rest)
		e.segments = ids[start:len(ids):len(ids)]
		if len(e.segments) > maxSegments || slices.ContainsFunc(e.segments, s.isEmpty) {
			e.segments = nil
			continue
		}
		e.unitID = s.unit(e)
		e.scope = s.scopeOf(e)
		s.whole[s.hash(e.scope, e.segments)] = true
		s.whole[s.hash("", e.segments)] = true
		for k := 1; k < len(e.segments); k++ {
			places[uint64(s.segment(e.segments[k-1]).valueID)<<32|uint64(s.segment(e.segments[k]).valueID)] = true
		}
		if !e.fromRule && !s.isFixed(int32(i)) {
			byScope[e.scope] = append(byScope[e.scope], int32(i))
			s.countLabelled(e)
		}
	}
	count := make([]int, len(s.table.segments))
	for pair := range places {
		count[uint32(pair)]++
	}
	for i := range s.table.segments {
		s.table.segments[i].places = count[s.table.segments[i].valueID]
	}
	var everything []int32
	for _, scope := range slices.Sorted(maps.Keys(byScope)) {
		s.scope = scope
		s.node(byScope[scope], 0, pattern{})
		everything = append(everything, byScope[scope]...)
	}
	s.pooled, s.scope = true, ""
	s.node(everything, 0, pattern{})
}

// scopeOf is the component that a path starts with, if it is known as one, else the component of the name.
func (s *solver) scopeOf(e *entry) string {
	if first := s.segment(e.segments[0]); first.separator() == "/" && len(e.segments) > 1 && s.isComponent(first.value) {
		return first.value
	}
	return e.component
}

// labelled is a label that values have in the names of a component, whichever word stands before them.
type labelled struct{ scope, label string }

// countLabelled notes the last segment of a name, if rules have a label for what stands behind the word before it.
func (s *solver) countLabelled(e *entry) {
	n := len(e.segments)
	if n < 2 {
		return
	}
	label := s.table.vocabulary.Labels[s.segment(e.segments[n-2]).value]
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

func (s *solver) isEmpty(id uint32) bool { return s.segment(id).value == "" }

func (s *solver) segment(id uint32) *segment { return &s.table.segments[id] }

// unit returns a number for kind and unit of a metric.
func (s *solver) unit(e *entry) uint32 {
	key := e.kind.String() + " " + strings.ToLower(e.unit)
	id, ok := s.units[key]
	if !ok {
		id = uint32(len(s.units))
		s.units[key] = id
	}
	return id
}

// hash is that of FNV-1a, over segments in place of bytes.
func (s *solver) hash(component string, segments []uint32) uint64 {
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

// isFixed puts names that start with a word for which rules set a fixed tag into the group of that word.
func (s *solver) isFixed(at int32) bool {
	e := &s.entries[at]
	if len(e.segments) != 2 {
		return false
	}
	word := s.segment(e.segments[0]).value
	tag, fixed := s.table.vocabulary.Fixed[word]
	if fixed {
		p := pattern{}.literal(s.segment(e.segments[0]))
		p.fixed = &tag
		p.yes = []string{"known rules remove " + word + ", and set " + tag.Name + " to " + tag.Value}
		s.take(at, p, e.segments[1:])
	}
	return fixed
}

// branch holds the names that continue with a segment: those that end there, and those that go on.
type branch struct {
	id        uint32
	end, deep []int32
}

// branches groups names by their segment at a position, in the order of the segments' texts.
func (s *solver) branches(names []int32, at int) []branch {
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

// node looks at names that have the segments before a position in common, apart from those that are dimensions: p is
// the pattern of these segments.
func (s *solver) node(names []int32, at int, p pattern) {
	if len(names) < 2 && !p.captures {
		s.single(names, at, p)
		return
	}
	all := s.branches(names, at)
	all = s.ends(all, at, &p)
	before := countDeep(all)
	all = s.deep(all, at, p)
	if p.captures {
		s.undecided(all, &p)
	}
	beside := p
	if left := countDeep(all); p.captures && left > 0 && left < before {
		beside.doubt = true
		beside.no = append(slices.Clip(p.no), "what stands behind the values may be another dimension, as it is elsewhere")
	}
	for _, b := range all {
		if p.captures {
			for _, i := range b.end {
				s.take(i, p, s.entries[i].segments[p.segments:])
			}
		}
		if len(b.deep) > 0 {
			s.node(b.deep, at+1, beside.literal(s.segment(b.id)))
		}
	}
}

// single walks the only name there is along its segments.
func (s *solver) single(names []int32, at int, p pattern) {
	for _, i := range names {
		for k := at; k < len(s.entries[i].segments); k++ {
			b := branch{id: s.entries[i].segments[k]}
			if k == len(s.entries[i].segments)-1 {
				b.end = []int32{i}
			} else {
				b.deep = []int32{i}
			}
			if rest := s.ends(s.deep([]branch{b}, k, p), k, &p); len(rest) == 0 {
				return
			}
			p = p.literal(s.segment(b.id))
		}
	}
}

// countDeep counts the branches that go on.
func countDeep(all []branch) int {
	n := 0
	for _, b := range all {
		if len(b.deep) > 0 {
			n++
		}
	}
	return n
}

// deep decides whether segments with others behind them are values of a dimension, and looks at what is behind these.
// It returns the branches that are left.
func (s *solver) deep(all []branch, at int, p pattern) []branch {
	candidates := slices.DeleteFunc(slices.Clone(all), func(b branch) bool { return len(b.deep) == 0 })
	if len(candidates) == 0 {
		return all
	}
	for range 4 { // unlike dimensions may stand side by side
		members, v := s.judgeDeep(candidates, at, p)
		if v.decision == no {
			break
		}
		inside := make(map[uint32]bool, len(members))
		var names []int32
		for _, b := range members {
			inside[b.id] = true
			names = append(names, b.deep...)
		}
		s.node(names, at+1, p.capture(s, s.segments(members), v))
		var left []branch
		for _, b := range all {
			if inside[b.id] {
				b.deep = nil
			}
			if len(b.deep)+len(b.end) > 0 {
				left = append(left, b)
			}
		}
		all = left
		candidates = slices.DeleteFunc(candidates, func(b branch) bool { return inside[b.id] })
		if len(candidates) == 0 {
			break
		}
	}
	return all
}

// undecided makes a pattern doubtful if what is behind its captures may be values of another dimension.
func (s *solver) undecided(all []branch, p *pattern) {
	n, words := 0, 0
	for _, b := range all {
		if len(b.end) > 0 {
			n++
			if g := s.segment(b.id); !g.measure {
				words++
			}
		}
	}
	if n >= minValues && words*2 > n && !p.product {
		p.no = append(p.no, "what stands behind the values names no measurement, and may be another dimension")
		p.doubt = true
	}
}
