package diff

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// The two sides, as indices.
const (
	oldSide = iota
	newSide
)

// comparison is one run of Compare.
type comparison struct {
	options   Options
	sides     [2]*Side
	made      [2]*made
	truncated bool

	names     []*Name
	slots     []slot
	conflicts [2]int
}

// slot is one series of a name, on both sides: what stands in one place. It is kept small, since there are as many as
// names.
type slot struct {
	name   int32
	places [2]place
	series [2]uint32 // as in store.Placement
	stored [2]bool
	// isPart says that it is a part of a histogram or summary: its parts have one series, and are shown once.
	isPart bool
	kinds  kinds
}

// of tells the series of a side apart, in all of its stores.
func (s *slot) of(side int) [2]uint32 {
	return [2]uint32{uint32(side)<<1 | uint32(s.places[side]/ofOld), s.series[side]}
}

// key tells apart what becomes of series.
func (s *slot) key() [4]uint32 {
	was, is := s.of(oldSide), s.of(newSide)
	return [4]uint32{was[0], was[1], is[0], is[1]}
}

// batch is how many names both sides take at once.
const batch = 1024

// read gives the names to the stores of both sides, and keeps those that are new.
func (c *comparison) read(ctx context.Context, names iter.Seq[*Name]) error {
	known := make(map[[2 * places]uint32]bool)
	pending := make([]*Name, 0, batch)
	keys := [2][][places]uint32{}
	flush := func() error {
		if err := c.onBothSides(ctx, pending, func(side int, n *Name) {
			c.made[side].write(n)
			var key [places]uint32
			for i, p := range c.made[side].placements(n) {
				key[i] = p.Identity
			}
			keys[side] = append(keys[side], key)
		}); err != nil {
			return err
		}
		for i, n := range pending {
			key := [2 * places]uint32(slices.Concat(keys[oldSide][i][:], keys[newSide][i][:]))
			if isNew := !known[key]; isNew || key == [2 * places]uint32{} {
				known[key] = true
				c.names = append(c.names, n)
			}
		}
		pending, keys[oldSide], keys[newSide] = pending[:0], keys[oldSide][:0], keys[newSide][:0]
		return nil
	}
	for n := range names {
		if len(c.names)+len(pending) >= c.options.MaxNames {
			c.truncated = true
			break
		}
		if pending = append(pending, n); len(pending) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// onBothSides calls f for names in order, for both sides at once.
func (c *comparison) onBothSides(ctx context.Context, names []*Name, f func(side int, n *Name)) error {
	var group errgroup.Group
	for side := range c.made {
		group.Go(func() error {
			for i, n := range names {
				if i%batch == 0 && ctx.Err() != nil {
					return ctx.Err()
				}
				f(side, n)
			}
			return nil
		})
	}
	return group.Wait()
}

// settle lets every name come once more, because the parts of a histogram or summary can end series of earlier names,
// and then compares the two sides name by name.
func (c *comparison) settle(ctx context.Context) error {
	if err := c.onBothSides(ctx, c.names, func(side int, n *Name) { c.made[side].write(n) }); err != nil {
		return err
	}
	pairs, asked := c.pairs(), c.asked()
	c.slots = make([]slot, 0, len(c.names))
	for i, n := range c.names {
		if i%batch == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		was, is := c.made[oldSide].placements(n), c.made[newSide].placements(n)
		for _, at := range pairs {
			a, b := &was[at[oldSide]], &is[at[newSide]]
			if a.Outcome == metric.Filtered && b.Outcome == metric.Filtered {
				continue
			}
			c.slots = append(c.slots, slot{
				name: int32(i), places: at, series: [2]uint32{a.Series, b.Series},
				stored: [2]bool{a.Outcome == metric.Stored, b.Outcome == metric.Stored},
				isPart: a.IsPart || b.IsPart, kinds: compare(a, b, asked),
			})
			c.conflicts[oldSide] += count(a.Outcome == metric.Conflict)
			c.conflicts[newSide] += count(b.Outcome == metric.Conflict)
		}
	}
	for _, side := range [...]int{oldSide, newSide} {
		c.markShared(side)
	}
	return nil
}

func count(holds bool) int {
	if holds {
		return 1
	}
	return 0
}

// pairs are the places that are compared. The names of firehose_exporter are compared with their like or, where each
// side has only one of the two kinds of names, with the others.
func (c *comparison) pairs() [][2]place {
	var out [][2]place
	shift := func(side int) place {
		if c.made[side].own == nil {
			return ofOld
		}
		return 0
	}
	crossed := shift(oldSide) != shift(newSide) && (c.made[oldSide].old == nil) != (c.made[newSide].old == nil)
	for p := range places {
		switch {
		case p == ofSizes && c.asked():
		case !crossed:
			out = append(out, [2]place{p, p})
		case p < ofOld:
			out = append(out, [2]place{p + shift(oldSide), p + shift(newSide)})
		}
	}
	return out
}

// markShared marks the series of a side that several series of the other side have become: they are split where the
// side is the old one, and merged where it is the new one.
func (c *comparison) markShared(side int) {
	mark := Merged
	if side == oldSide {
		mark = Split
	}
	for group := range c.sharing(side) {
		other := func(i int32) uint32 { return c.slots[i].series[1-side] }
		group = slices.DeleteFunc(group, func(i int32) bool { return !c.slots[i].stored[1-side] })
		if len(group) < 2 || !slices.ContainsFunc(group, func(i int32) bool { return other(i) != other(group[0]) }) {
			continue
		}
		for _, i := range group {
			c.slots[i].kinds.add(mark)
		}
	}
}

// sharing yields the slots that have, or would have, the same series of a side; those alone are left out. The list may
// be changed.
func (c *comparison) sharing(side int) iter.Seq[[]int32] {
	return func(yield func([]int32) bool) {
		order := make([]int32, 0, len(c.slots))
		for i := range c.slots {
			if c.slots[i].series[side] != 0 {
				order = append(order, int32(i))
			}
		}
		key := func(i int32) uint64 {
			return uint64(c.slots[i].places[side]/ofOld)<<32 | uint64(c.slots[i].series[side]) // a store each
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(key(a), key(b)) })
		for from := 0; from < len(order); {
			to := from + 1
			for to < len(order) && key(order[to]) == key(order[from]) {
				to++
			}
			if to-from > 1 && !yield(order[from:to:to]) {
				return
			}
			from = to
		}
	}
}

// asked says whether a side is what another exporter answered.
func (c *comparison) asked() bool {
	return c.sides[oldSide].Answers != nil || c.sides[newSide].Answers != nil
}

// compare says how what became of a name differs. Of another exporter the buckets are not known.
func compare(a, b *store.Placement, asked bool) (k kinds) {
	hadSeries, hasSeries := a.Outcome == metric.Stored, b.Outcome == metric.Stored
	switch {
	case !hadSeries && !hasSeries:
		return k
	case !hadSeries:
		k.add(Accepted)
		return k
	case !hasSeries && (b.Outcome == metric.DroppedByRule || b.Outcome == metric.Filtered):
		k.add(Dropped)
		return k
	case !hasSeries:
		k.add(Refused)
		return k
	}
	k.addIf(a.Metric != b.Metric, Renamed)
	k.addIf(a.Type != b.Type, TypeChanged)
	k.addIf(a.Unit != b.Unit || a.Mul != b.Mul || a.Div != b.Div, UnitChanged)
	k.addIf(!asked && !slices.Equal(a.Bounds, b.Bounds), Buckets)
	// A text that is made of a name changes with it.
	k.addIf(a.Help != b.Help && (a.Metric == b.Metric || !a.DefaultHelp || !b.DefaultHelp), HelpChanged)
	if a.Labels != b.Labels {
		for _, l := range labelChanges(a.Labels, b.Labels) {
			switch {
			case l.Before == "":
				k.add(LabelGained)
			case l.After == "":
				k.add(LabelLost)
			default:
				k.add(LabelChanged)
			}
		}
	}
	return k
}

// LabelChange is a label with another value; an empty value is no label.
type LabelChange struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// labelChanges returns the labels that differ, by name.
func labelChanges(a, b metric.Labels) (changes []LabelChange) {
	was, is := labelsOf(a), labelsOf(b)
	for len(was) > 0 || len(is) > 0 {
		var c LabelChange
		var order int
		switch {
		case len(is) == 0:
			order = -1
		case len(was) == 0:
			order = 1
		default:
			order = strings.Compare(was[0].Name, is[0].Name)
		}
		if order <= 0 {
			c.Name, c.Before, was = was[0].Name, was[0].Value, was[1:]
		}
		if order >= 0 {
			c.Name, c.After, is = is[0].Name, is[0].Value, is[1:]
		}
		if c.Before != c.After {
			changes = append(changes, c)
		}
	}
	return changes
}

func labelsOf(text metric.Labels) (labels []metric.Label) {
	for name, value := range text.All() {
		labels = append(labels, metric.Label{Name: name, Value: value})
	}
	return labels
}
