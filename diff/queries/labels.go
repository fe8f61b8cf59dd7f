package queries

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/documents"
)

// use is a place where a query, or what shows its result, names labels.
type use struct {
	labels []string
	// all: the labels are those that are left out, as with without and ignoring; all others are used.
	all       bool
	what      string // in words
	selectors []int  // whose series it is about
}

// useOfLabels looks for labels that the query uses beside its conditions, and that series no longer have, or have with
// other values.
func (c *check) useOfLabels() {
	for _, u := range c.uses() {
		for _, i := range u.selectors {
			c.compareUse(&u, &c.found[i])
		}
	}
	parser.Inspect(c.parsed.Expr, func(n parser.Node, _ []parser.Node) error {
		if b, ok := n.(*parser.BinaryExpr); ok && b.VectorMatching != nil && !b.VectorMatching.On {
			c.compareSides(b)
		}
		return nil
	})
}

func (c *check) compareUse(u *use, f *found) {
	for _, p := range f.both() {
		was, is := c.world.pairs[p].Before, c.world.pairs[p].After
		for _, name := range changedLabels(was, is) {
			if slices.Contains(u.labels, name) == u.all {
				continue
			}
			c.breaks = true
			switch {
			case is.label(name) == "":
				c.add(Other, []int32{p}, "%s has no label %s any more, %s", is.Metric, name, u.what)
			case was.label(name) == "":
				c.add(Other, []int32{p}, "%s has a new label %s, %s", is.Metric, name, u.what)
			default:
				c.add(Other, []int32{p}, "label %s of %s has other values, %s", name, is.Metric, u.what)
			}
		}
	}
}

// changedLabels returns the names of the labels that differ, sorted.
func changedLabels(was, is *Series) []string {
	names := map[string]bool{}
	for _, s := range []*Series{was, is} {
		for _, l := range s.Labels {
			if was.label(l.Name) != is.label(l.Name) {
				names[l.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// uses returns the places where the query and its legend name labels.
func (c *check) uses() []use {
	var out []use
	parser.Inspect(c.parsed.Expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			word := "by"
			if n.Without {
				word = "without"
			}
			if len(n.Grouping) > 0 || n.Without {
				out = append(out, use{
					labels: n.Grouping, all: n.Without, selectors: c.within(n.Expr, n.Without),
					what: "and it groups " + word + " (" + strings.Join(n.Grouping, ", ") + ")",
				})
			}
		case *parser.BinaryExpr:
			if m := n.VectorMatching; m != nil && m.On {
				out = append(out, use{
					labels: m.MatchingLabels, selectors: c.within(n, false),
					what: "and it matches on (" + strings.Join(m.MatchingLabels, ", ") + ")",
				})
			}
		case *parser.Call:
			for _, s := range labelsRead(n) {
				out = append(out, use{
					labels: []string{s.Val}, selectors: c.within(n, false), what: "and " + n.Func.Name + " reads it",
				})
			}
		}
		return nil
	})
	if shown := c.shown(); len(shown) > 0 {
		what := "and the legend or a template shows it"
		if c.query.Kind == documents.LabelValues {
			what = "and its values are asked for"
		}
		out = append(out, use{labels: shown, selectors: c.within(c.parsed.Expr, false), what: what})
	}
	return out
}

// labelsRead are the arguments of a call that name labels which it reads.
func labelsRead(n *parser.Call) (names []*parser.StringLiteral) {
	from, to := len(n.Args), len(n.Args)
	switch n.Func.Name {
	case "label_replace":
		from, to = 3, 4
	case "label_join":
		from = 3
	case "sort_by_label", "sort_by_label_desc":
		from = 1
	}
	for i := from; i < min(to, len(n.Args)); i++ {
		if s, ok := n.Args[i].(*parser.StringLiteral); ok {
			names = append(names, s)
		}
	}
	return names
}

// shown are the labels that legends and templates show.
func (c *check) shown() (names []string) {
	for _, l := range c.query.Labels {
		names = append(names, l.String())
	}
	return names
}

// within returns the selectors of a part of the query. With whole, those are left out whose labels an aggregation
// within the part takes away.
func (c *check) within(part parser.Expr, whole bool) []int {
	var out []int
	parser.Inspect(part, func(n parser.Node, path []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		hidden := func(n parser.Node) bool {
			a, isAggregation := n.(*parser.AggregateExpr)
			return isAggregation && !a.Without
		}
		if whole && slices.ContainsFunc(path, hidden) {
			return nil
		}
		for i := range c.found {
			if c.found[i].selector.Node == s {
				out = append(out, i)
			}
		}
		return nil
	})
	return out
}

// compareSides looks at an operation that matches by all labels.
func (c *check) compareSides(b *parser.BinaryExpr) {
	left, right := c.changesOf(b.LHS, (*found).both), c.changesOf(b.RHS, (*found).both)
	if differ := differing(left, right, b.VectorMatching.MatchingLabels); len(differ) > 0 {
		var pairs []int32
		for _, name := range differ {
			pairs = slices.Concat(pairs, left[name].changed(), right[name].changed())
		}
		c.breaks = true
		c.add(Other, pairs, "the two sides of %s no longer match: %s", b.Op, strings.Join(differ, ", "))
	}
}

// labelChange is what becomes of a label in several series.
type labelChange struct {
	values map[string]bool // that it has now
	gained bool            // none of the series had it
	pairs  []int32
}

func (l *labelChange) changed() []int32 {
	if l == nil {
		return nil
	}
	return l.pairs
}

// differing returns the labels that change otherwise on one side than on the other, but for those that are ignored.
func differing(left, right map[string]*labelChange, ignored []string) (names []string) {
	all := map[string]bool{}
	for name := range left {
		all[name] = true
	}
	for name := range right {
		all[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		l, r := left[name], right[name]
		if !slices.Contains(ignored, name) && (l == nil || r == nil || !maps.Equal(l.values, r.values)) {
			names = append(names, name)
		}
	}
	return names
}

// changesOf returns the labels that change in the result of a part.
func (c *check) changesOf(part parser.Expr, pairsOf func(*found) []int32) map[string]*labelChange {
	out := map[string]*labelChange{}
	for _, i := range c.within(part, true) {
		for _, p := range pairsOf(&c.found[i]) {
			pair := &c.world.pairs[p]
			if pair.After == nil {
				continue
			}
			for _, name := range changedLabels(pair.Before, pair.After) {
				l := out[name]
				if l == nil {
					l = &labelChange{values: map[string]bool{}, gained: true}
					out[name] = l
				}
				l.values[pair.After.label(name)] = true
				l.gained = l.gained && pair.Before.label(name) == ""
				l.pairs = append(l.pairs, p)
			}
		}
	}
	return out
}

// runMetrics is run for metrics(regex) of a variable.
func (c *check) runMetrics() (known bool, err error) {
	pattern, err := regexp.Compile(c.query.Expr.String())
	if err != nil {
		return false, err
	}
	c.pairs = map[int32]bool{}
	var names [2][]string
	for side, byName := range c.world.byName {
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			if pattern.MatchString(name) {
				names[side] = append(names[side], name)
			}
		}
	}
	gone, fresh := without(names[before], names[after]), without(names[after], names[before])
	if len(gone) > 0 {
		effect := Less
		if len(fresh) > 0 {
			effect = Other
		}
		c.breaks = true
		c.add(effect, c.world.byName[before][gone[0]], "it lists %s no longer", strings.Join(gone, ", "))
	}
	if len(fresh) > 0 {
		c.breaks = c.breaks || len(names[before]) > 0
		c.add(More, c.world.byName[after][fresh[0]], "it lists %s, which it did not", strings.Join(fresh, ", "))
	}
	return len(names[before]) > 0 || len(names[after]) > 0, nil
}
