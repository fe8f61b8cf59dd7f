package learn

import "slices"

// ends decides whether the last segments of names are values of a dimension. It returns the branches that are left.
func (w *walk) ends(all []branch, at int, p *pattern) []branch {
	ending := w.ending(all)
	if len(ending) == 0 || at == 0 {
		return all
	}
	going, longer := w.continuing(all, ending)
	v := w.judgeEnds(ending, longer, *p)
	if v.decision == no {
		typed := w.names.typed(ending)
		if len(typed) == 0 {
			return all
		}
		if v = w.judgeEnds(typed, 0, *p); v.decision == no {
			return all
		}
		ending = typed
	}
	c := p.capture(&w.names.table, w.names.segmentsOf(ending), v)
	rest := c.as(typRest)
	switch {
	case c.last().typ != "":
		longer = 0
	case longer > 0 && going == longer:
		c = rest
	}
	taken := w.takeEnds(ending, c)
	var left []branch
	for _, b := range all {
		if taken[b.id] {
			b.end = nil
		}
		switch {
		case len(b.end) == 0 && longer > 0 && w.names.continues(b.deep, ending):
			for _, i := range b.deep {
				w.groups.take(i, rest, nil)
			}
		case len(b.end)+len(b.deep) > 0:
			left = append(left, b)
		}
	}
	return left
}

// takeEnds puts the names that end at branches into the group of a pattern. It returns the branches' segments.
func (w *walk) takeEnds(ending []branch, p pattern) map[uint32]bool {
	indexed := p.as(typIndexed)
	instances, taken := make(map[uint32]bool), make(map[uint32]bool)
	for _, b := range ending {
		taken[b.id] = true
		if p.last().typ == "" && w.names.isInstance(b.id) {
			instances[b.id] = true
		}
	}
	for _, b := range ending {
		of := p
		if len(instances) >= minValues && instances[b.id] {
			of = indexed
		}
		for _, i := range b.end {
			w.groups.take(i, of, nil)
		}
	}
	return taken
}

// ending returns the branches at which names end.
func (w *walk) ending(all []branch) []branch {
	var measuring map[string]bool
	if w.pooled {
		measuring = w.measuring(all)
	}
	var ending []branch
	for _, b := range all {
		if len(measuring) > 0 {
			b.end = slices.DeleteFunc(slices.Clone(b.end), func(i int32) bool { return measuring[w.names.entries[i].component] })
		}
		if len(b.end) > 0 {
			ending = append(ending, b)
		}
	}
	return ending
}

// continuing counts the branches that only go on, and those of them that continues is true of.
func (w *walk) continuing(all, ending []branch) (going, longer int) {
	for _, b := range all {
		if len(b.deep) == 0 {
			continue
		}
		going++
		if w.names.continues(b.deep, ending) {
			longer++
		}
	}
	return going, longer
}

// measuring returns the components whose names end in measurements at the branches. Names of several components are
// looked at together, and a word may stand before values in one and before measurements in another.
func (w *walk) measuring(all []branch) map[string]bool {
	type counts struct{ all, measures int }
	by := make(map[string]counts)
	for _, b := range all {
		g := w.names.segment(b.id)
		for _, i := range b.end {
			n := by[w.names.entries[i].component]
			n.all++
			if g.measure && !g.known && g.typ == "" {
				n.measures++
			}
			by[w.names.entries[i].component] = n
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
