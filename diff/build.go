package diff

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"loggregator_exporter/diff/queries"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// maxWith bounds the names that are listed as having one series.
const maxWith = 10

// changed is a slot with a change.
type changed struct {
	slot  int32
	cause *Cause
	rules [2]string // that the name takes, by side
}

// report makes the report of what settle has found.
func (c *comparison) report(ctx context.Context) (*Report, error) {
	r := &Report{
		Names: len(c.names), Truncated: c.truncated, SeriesBefore: c.count(oldSide), SeriesAfter: c.count(newSide),
		ConflictsBefore: c.conflicts[oldSide], ConflictsAfter: c.conflicts[newSide], Groups: []Group{},
	}
	all, err := c.explain(ctx)
	if err != nil {
		return nil, err
	}
	names := map[int32]bool{}
	groups := map[*Cause][]changed{}
	for _, one := range all {
		names[c.slots[one.slot].name] = true
		groups[one.cause] = append(groups[one.cause], one)
	}
	r.Changed = len(names)
	sharing := c.shared()
	for _, cause := range slices.SortedFunc(maps.Keys(groups), (*Cause).compare) {
		r.Groups = append(r.Groups, c.group(groups[cause], sharing))
	}
	slices.SortStableFunc(r.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(b.Names, a.Names))
	})
	for i := range r.Groups {
		for _, k := range r.Groups[i].Kinds {
			r.Breaks = r.Breaks || k.Kind.Breaks()
		}
	}
	if len(c.options.Documents) == 0 {
		return r, nil
	}
	if r.Queries, err = queries.Check(ctx, c.seriesPairs(all), c.options.Documents); err != nil {
		return nil, err
	}
	for i := range r.Queries.Changes {
		r.Breaks = r.Breaks || r.Queries.Changes[i].Breaks
	}
	return r, nil
}

// seriesPairs returns what becomes of all series, for queries.
func (c *comparison) seriesPairs(all []changed) []queries.Pair {
	causes := map[int32]*Cause{}
	for _, one := range all {
		causes[one.slot] = one.cause
	}
	pairs := make([]queries.Pair, 0, len(c.slots))
	parts := map[[4]uint32]bool{}
	for i := range c.slots {
		at := &c.slots[i]
		key := at.key()
		if !at.stored[oldSide] && !at.stored[newSide] || at.isPart && parts[key] {
			continue
		}
		parts[key] = parts[key] || at.isPart
		was, is := c.placements(at)
		pair := queries.Pair{Before: queriesSeries(&was), After: queriesSeries(&is), Reason: is.Reason}
		if cause := causes[int32(i)]; cause != nil {
			pair.Cause = cause.String()
		}
		pairs = append(pairs, pair)
	}
	return pairs
}

func queriesSeries(p *store.Placement) *queries.Series {
	if p.Outcome != metric.Stored {
		return nil
	}
	return &queries.Series{Metric: p.Metric, Labels: labelsOf(p.Labels), Type: p.Type, Unit: p.Unit, Factor: p.Mul / p.Div}
}

// explain finds the causes of all changes, in the order of names.
func (c *comparison) explain(ctx context.Context) ([]changed, error) {
	s := newCauses(c)
	var all []changed
	parts := map[[4]uint32]bool{}
	for i := range c.slots {
		at := &c.slots[i]
		if i%batch == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if at.kinds == 0 {
			continue
		}
		if at.isPart {
			key := at.key()
			if parts[key] {
				continue
			}
			parts[key] = true
		}
		cause, rules := s.own(at)
		all = append(all, changed{int32(i), cause, rules})
	}
	var o *others
	for i := range all {
		if all[i].cause != nil {
			continue
		}
		if o == nil {
			o = c.othersOf(all)
		}
		at := &c.slots[all[i].slot]
		was, is := c.placements(at)
		all[i].cause = o.cause(at, &was, &is)
	}
	return all, nil
}

func (c *comparison) placements(at *slot) (was, is store.Placement) {
	n := c.names[at.name]
	return c.made[oldSide].placements(n)[at.places[oldSide]], c.made[newSide].placements(n)[at.places[newSide]]
}

func (c *comparison) weight(at *slot) int { return max(1, c.names[at.name].Series) }

// count is the number of series of a side. One that several names lead to counts as the one that stands for most.
func (c *comparison) count(side int) (n int) {
	most := map[[2]uint32]int{}
	for i := range c.slots {
		at := &c.slots[i]
		if at.stored[side] {
			key := [2]uint32{uint32(at.places[side] / ofOld), at.series[side]}
			most[key] = max(most[key], c.weight(at))
		}
	}
	for _, weight := range most {
		n += weight
	}
	return n
}

// shared returns, for each side, the slots that have or want one series, by slot.
func (c *comparison) shared() (by [2]map[int32][]int32) {
	for side := range by {
		by[side] = map[int32][]int32{}
		for group := range c.sharing(side) {
			if slices.ContainsFunc(group, func(i int32) bool { return c.slots[i].kinds != 0 }) {
				for _, i := range group {
					by[side][i] = group
				}
			}
		}
	}
	return by
}

// group makes a group of changes with one cause.
func (c *comparison) group(all []changed, sharing [2]map[int32][]int32) Group {
	g := Group{Cause: *all[0].cause}
	names := map[int32]bool{}
	counts := map[Kind]int{}
	for _, one := range all {
		at := &c.slots[one.slot]
		names[at.name] = true
		g.Series += c.weight(at)
		for _, k := range at.kinds.list() {
			counts[k] += c.weight(at)
		}
	}
	g.Names = len(names)
	for _, k := range Kinds {
		if counts[k] > 0 {
			g.Kinds = append(g.Kinds, Count{k, counts[k]})
		}
	}
	slices.SortStableFunc(all, func(a, b changed) int {
		x, y := &c.slots[a.slot], &c.slots[b.slot]
		n, m := c.names[x.name], c.names[y.name]
		return cmp.Or(cmp.Compare(c.weight(y), c.weight(x)), strings.Compare(n.Name, m.Name),
			strings.Compare(n.Origin, m.Origin))
	})
	shown := all
	if limit := c.options.MaxChanges; limit > 0 && len(all) > limit {
		shown, g.Omitted = all[:limit], len(all)-limit
	}
	for _, one := range shown {
		g.Changes = append(g.Changes, c.change(&one, sharing))
	}
	return g
}

// change makes what is said of one series.
func (c *comparison) change(one *changed, sharing [2]map[int32][]int32) Change {
	at := &c.slots[one.slot]
	was, is := c.placements(at)
	out := Change{Name: nameOf(c.names[at.name]), Series: c.weight(at), Kinds: at.kinds.list()}
	out.Before, out.ReasonBefore = result(&was, one.rules[oldSide])
	out.After, out.ReasonAfter = result(&is, one.rules[newSide])
	if out.Before != nil && out.After != nil {
		out.Labels = labelChanges(was.Labels, is.Labels)
	}
	with := sharing[newSide][one.slot]
	if slices.Contains(out.Kinds, Split) || slices.Contains(out.Kinds, Accepted) {
		with = sharing[oldSide][one.slot]
	} else if !slices.Contains(out.Kinds, Merged) && !slices.Contains(out.Kinds, Refused) {
		with = nil
	}
	for _, other := range with {
		if other != one.slot && len(out.With) < maxWith {
			out.With = append(out.With, nameOf(c.names[c.slots[other].name]))
		}
	}
	return out
}

// result is the series that a rule has made, or the reason why there is none.
func result(p *store.Placement, rule string) (*Series, string) {
	if p.Outcome != metric.Stored {
		return nil, p.Reason
	}
	s := seriesOf(p)
	s.Rule = rule
	return s, ""
}
