package learn

import (
	"maps"
	"slices"
)

// walk finds the dimensions in names, going through them as through a tree, segment by segment.
type walk struct {
	names  *nameSet
	groups *groupSet
	pooled bool // the names of all components are looked at together
}

// groupNames puts the names that no rule takes into groups: those of one component after the other, and then those that
// are left of all components together.
func groupNames(names *nameSet) *groupSet {
	byScope := make(map[string][]int32)
	w := walk{names: names, groups: &groupSet{names: names, byKey: make(map[string]*group)}}
	for i := range names.entries {
		e := &names.entries[i]
		if len(e.segments) > 0 && !e.fromRule && !w.groups.takeFixed(int32(i)) {
			byScope[e.scope] = append(byScope[e.scope], int32(i))
			names.countLabelled(e)
		}
	}
	var everything []int32
	for _, scope := range slices.Sorted(maps.Keys(byScope)) {
		w.node(byScope[scope], 0, pattern{scope: scope})
		everything = append(everything, byScope[scope]...)
	}
	w.pooled = true
	w.node(everything, 0, pattern{})
	return w.groups
}

// node looks at names that have the segments before a position in common, apart from those that are dimensions: p is
// the pattern of these segments.
func (w *walk) node(names []int32, at int, p pattern) {
	if len(names) < 2 && !p.captures {
		w.single(names, at, p)
		return
	}
	all := w.names.branches(names, at)
	all = w.ends(all, at, &p)
	before := countDeep(all)
	all = w.deep(all, at, p)
	if p.captures {
		w.undecided(all, &p)
	}
	beside := p
	if left := countDeep(all); p.captures && left > 0 && left < before {
		beside.doubt = true
		beside.no = append(slices.Clip(p.no), "what stands behind the values may be another dimension, as it is elsewhere")
	}
	for _, b := range all {
		if p.captures {
			for _, i := range b.end {
				w.groups.take(i, p, w.names.entries[i].segments[p.segments:])
			}
		}
		if len(b.deep) > 0 {
			w.node(b.deep, at+1, beside.literal(w.names.segment(b.id)))
		}
	}
}

// single walks the only name there is along its segments.
func (w *walk) single(names []int32, at int, p pattern) {
	for _, i := range names {
		for k := at; k < len(w.names.entries[i].segments); k++ {
			b := branch{id: w.names.entries[i].segments[k]}
			if k == len(w.names.entries[i].segments)-1 {
				b.end = []int32{i}
			} else {
				b.deep = []int32{i}
			}
			if rest := w.ends(w.deep([]branch{b}, k, p), k, &p); len(rest) == 0 {
				return
			}
			p = p.literal(w.names.segment(b.id))
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
func (w *walk) deep(all []branch, at int, p pattern) []branch {
	candidates := slices.DeleteFunc(slices.Clone(all), func(b branch) bool { return len(b.deep) == 0 })
	if len(candidates) == 0 {
		return all
	}
	for range 4 { // unlike dimensions may stand side by side
		members, v := w.judgeDeep(candidates, at, p)
		if v.decision == no {
			break
		}
		inside := idsOf(members)
		var names []int32
		for _, b := range members {
			names = append(names, b.deep...)
		}
		w.node(names, at+1, p.capture(&w.names.table, w.names.segmentsOf(members), v))
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
func (w *walk) undecided(all []branch, p *pattern) {
	n, words := 0, 0
	for _, b := range all {
		if len(b.end) > 0 {
			n++
			if g := w.names.segment(b.id); !g.measure {
				words++
			}
		}
	}
	if n >= minValues && words*2 > n && !p.product {
		p.no = append(p.no, "what stands behind the values names no measurement, and may be another dimension")
		p.doubt = true
	}
}
