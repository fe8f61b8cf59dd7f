package migrate

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/promql"
)

// severalValues stands for a label's value where series have different ones.
const severalValues = "\x00several"

// extras are labels that the new series of a node have and the old ones had not, since their values stood in the
// metric's name, and their values. Such labels would keep operations from finding pairs.
type extras map[string]string

// ignoreExtras adds ignoring to operations that compare all labels, for the labels in which their sides differ.
func (r *rewriter) ignoreExtras() error {
	parser.Inspect(r.q.Expr, func(n parser.Node, _ []parser.Node) error {
		b, ok := n.(*parser.BinaryExpr)
		if !ok || b.VectorMatching == nil {
			return nil
		}
		operator, on, _ := r.q.Matching(b)
		if on != nil && on.Keyword == "on" || !r.any(b.LHS, true) || !r.any(b.RHS, true) {
			return nil
		}
		differ := differences(r.extrasOf(b.LHS), r.extrasOf(b.RHS))
		switch {
		case len(differ) == 0:
		case on == nil:
			r.insert(operator.End, " ignoring ("+strings.Join(differ, ", ")+")")
		default:
			r.addToList(on, differ)
		}
		return nil
	})
	return nil
}

// addToList adds labels to a list, of which labels may have been edited already.
func (r *rewriter) addToList(list *promql.List, more []string) {
	names, edited := r.lists[list.Start]
	if !edited {
		for _, l := range list.Labels {
			names = append(names, l.Name)
		}
	}
	for _, name := range more {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	r.editAll(list.Inside, strings.Join(names, ", "))
}

// differences returns the labels that two sides have with different values, sorted.
func differences(a, b extras) []string {
	var differ []string
	for name, value := range a {
		if b[name] != value {
			differ = append(differ, name)
		}
	}
	for name := range b {
		if _, both := a[name]; !both {
			differ = append(differ, name)
		}
	}
	slices.Sort(differ)
	return differ
}

func (r *rewriter) extrasOf(n parser.Node) extras {
	switch n := n.(type) {
	case *parser.VectorSelector:
		if s := r.translationOf(n); s != nil {
			return s.extras()
		}
		return nil
	case *parser.AggregateExpr:
		return r.extrasOfAggregation(n)
	case *parser.BinaryExpr:
		return r.extrasOfOperation(n)
	case *parser.Call:
		for _, a := range n.Args {
			if t := a.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
				all := r.extrasOf(a)
				if label, ok := createdBy(n); ok {
					delete(all, label)
				}
				return all
			}
		}
		return nil
	default:
		for c := range parser.ChildrenIter(n) {
			return r.extrasOf(c)
		}
		return nil
	}
}

// extras are those of the series that are selected. A variable stands for one value.
func (s *translation) extras() extras {
	all := extras{}
	if s.special != nil && s.special.split == "" && s.special.before == "" && !s.special.coarse {
		for _, c := range s.matchers[1:] {
			all[c.label] = c.values[0]
		}
	}
	for _, label := range labelsOf(s.targets) {
		if label == labelName || label == labelOrigin {
			continue
		}
		values := valuesOf(s.targets, label)
		all[label] = values[0]
		if len(values) > 1 {
			all[label] = severalValues
		}
		for _, c := range s.matchers {
			if c.label == label && c.variable != "" {
				all[label] = c.variable
			}
		}
	}
	return all
}

func (r *rewriter) extrasOfAggregation(n *parser.AggregateExpr) extras {
	if !n.Without && !keepsLabels(n.Op) {
		return nil
	}
	all := r.extrasOf(n.Expr)
	if n.Without {
		for _, l := range n.Grouping {
			delete(all, l)
		}
	}
	return all
}

func (r *rewriter) extrasOfOperation(n *parser.BinaryExpr) extras {
	switch { // a number has no labels
	case n.LHS.Type() == parser.ValueTypeScalar:
		return r.extrasOf(n.RHS)
	case n.RHS.Type() == parser.ValueTypeScalar:
		return r.extrasOf(n.LHS)
	}
	_, on, group := r.q.Matching(n)
	left, right := r.extrasOf(n.LHS), r.extrasOf(n.RHS)
	switch {
	case n.Op == parser.LAND, n.Op == parser.LUNLESS:
		return left
	case n.Op == parser.LOR:
		return mergeExtras(left, right)
	case group != nil && group.Keyword == "group_right":
		return right
	case group != nil:
		return left
	case on != nil && on.Keyword == "on":
		return nil
	}
	for _, name := range differences(left, right) {
		delete(left, name)
	}
	return left
}

// mergeExtras are the labels of the series of two sides together. A side of which nothing is known tells nothing.
func mergeExtras(a, b extras) extras {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	all := maps.Clone(a)
	for _, name := range differences(a, b) {
		all[name] = severalValues
	}
	return all
}
