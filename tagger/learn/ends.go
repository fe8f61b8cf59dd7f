package learn

import (
	"slices"
	"strings"

	"loggregator_exporter/tagger"
)

// ends decides whether the last segments of names are values of a dimension. It returns the branches that are left.
func (s *solver) ends(all []branch, at int, p *pattern) []branch {
	ending := s.ending(all)
	if len(ending) == 0 || at == 0 {
		return all
	}
	going, longer := s.continuing(all, ending)
	v := s.judgeEnds(ending, longer, *p)
	if v.decision == no {
		typed := s.typed(ending)
		if len(typed) == 0 {
			return all
		}
		if v = s.judgeEnds(typed, 0, *p); v.decision == no {
			return all
		}
		ending = typed
	}
	c := p.capture(s, s.segments(ending), v)
	rest := c.as(typRest)
	switch {
	case c.last().typ != "":
		longer = 0
	case longer > 0 && going == longer:
		c = rest
	}
	taken := s.takeEnds(ending, c)
	var left []branch
	for _, b := range all {
		if taken[b.id] {
			b.end = nil
		}
		switch {
		case len(b.end) == 0 && longer > 0 && s.continues(b.deep, ending):
			for _, i := range b.deep {
				s.take(i, rest, nil)
			}
		case len(b.end)+len(b.deep) > 0:
			left = append(left, b)
		}
	}
	return left
}

// takeEnds puts the names that end at branches into the group of a pattern. It returns the branches' segments.
func (s *solver) takeEnds(ending []branch, p pattern) map[uint32]bool {
	indexed := p.as(typIndexed)
	instances, taken := make(map[uint32]bool), make(map[uint32]bool)
	for _, b := range ending {
		taken[b.id] = true
		if p.last().typ == "" && s.isInstance(b.id) {
			instances[b.id] = true
		}
	}
	for _, b := range ending {
		of := p
		if len(instances) >= minValues && instances[b.id] {
			of = indexed
		}
		for _, i := range b.end {
			s.take(i, of, nil)
		}
	}
	return taken
}

// ending returns the branches at which names end.
func (s *solver) ending(all []branch) []branch {
	var measuring map[string]bool
	if s.pooled {
		measuring = s.measuring(all)
	}
	var ending []branch
	for _, b := range all {
		if len(measuring) > 0 {
			b.end = slices.DeleteFunc(slices.Clone(b.end), func(i int32) bool { return measuring[s.entries[i].component] })
		}
		if len(b.end) > 0 {
			ending = append(ending, b)
		}
	}
	return ending
}

// continuing counts the branches that only go on, and those of them that continues is true of.
func (s *solver) continuing(all, ending []branch) (going, longer int) {
	for _, b := range all {
		if len(b.deep) == 0 {
			continue
		}
		going++
		if s.continues(b.deep, ending) {
			longer++
		}
	}
	return going, longer
}

// isInstance says whether a value is a known component and an index, such as dea-3.
func (s *solver) isInstance(id uint32) bool {
	value := s.segment(id).value
	i := strings.LastIndexByte(value, '-')
	if i < 1 || tagger.TypeOf(value[i+1:]) != "int" {
		return false
	}
	_, listed := s.table.vocabulary.Values[value[:i]]
	return listed || s.isComponent(value[:i])
}

// measuring returns the components whose names end in measurements at the branches. Names of several components are
// looked at together, and a word may stand before values in one and before measurements in another.
func (s *solver) measuring(all []branch) map[string]bool {
	type counts struct{ all, measures int }
	by := make(map[string]counts)
	for _, b := range all {
		g := s.segment(b.id)
		for _, i := range b.end {
			n := by[s.entries[i].component]
			n.all++
			if g.measure && !g.known && g.typ == "" {
				n.measures++
			}
			by[s.entries[i].component] = n
		}
	}
	components := make(map[string]bool)
	for c, n := range by {
		if n.measures*10 > n.all*3 {
			components[c] = true
		}
	}
	return components
}

// typed returns the branches whose segments are ids of the type that most of them have.
func (s *solver) typed(all []branch) []branch {
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

func (s *solver) segments(all []branch) []*segment {
	values := make([]*segment, len(all))
	for i, b := range all {
		values[i] = s.segment(b.id)
	}
	return values
}

// continues says whether names that go on behind a dimension at their end are values of it that hold separators: they
// end in no word for a measurement, and have kind and unit of the others.
func (s *solver) continues(names []int32, ending []branch) bool {
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
