package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/promql"
)

// reference is a label that is named outside of a selector: in a list after by, on and the like, or as an argument of
// label_replace.
type reference struct {
	label string
	at    promql.Span // of the label; empty if the query does not name it but compares it
	list  *promql.List
	// providers are the translations whose series bring the label there.
	providers []*translation
	// fixed says that series which keep their labels bring it as well: of another exporter, or made by the query.
	fixed bool
}

// resolveLabels finds all references and edits them. Where a label is compared with that of series that keep it, the
// new series get the old label back, by label_replace.
func (r *rewriter) resolveLabels() error {
	var all []*reference
	var err error
	parser.Inspect(r.q.Expr, func(n parser.Node, _ []parser.Node) error {
		var found []*reference
		switch n := n.(type) {
		case *parser.AggregateExpr:
			found = r.inList(r.q.Grouping(n), n.Expr)
		case *parser.BinaryExpr:
			found, err = r.inMatching(n)
		case *parser.Call:
			found = r.inArguments(n)
		}
		all = append(all, found...)
		return err
	})
	if err != nil {
		return err
	}
	r.references = all
	r.bridge(all)
	for _, s := range r.series() {
		if err := r.addBridges(s); err != nil {
			return err
		}
	}
	if err := r.renameReferences(all); err != nil {
		return err
	}
	r.tellLabels(all)
	return nil
}

// inList returns the references of a list to labels of the series of some nodes.
func (r *rewriter) inList(list *promql.List, of ...parser.Node) (all []*reference) {
	if list == nil {
		return nil
	}
	for _, l := range list.Labels {
		ref := &reference{label: l.Name, at: l.Span, list: list}
		for _, n := range of {
			r.provide(ref, n)
		}
		all = append(all, ref)
	}
	return all
}

func (r *rewriter) inMatching(n *parser.BinaryExpr) ([]*reference, error) {
	if n.VectorMatching == nil {
		return nil, nil
	}
	_, on, group := r.q.Matching(n)
	one := n.RHS
	if group != nil && group.Keyword == "group_right" {
		one = n.LHS
	}
	all := append(r.inList(on, n.LHS, n.RHS), r.inList(group, one)...)
	if on != nil && on.Keyword == "on" {
		return all, nil
	}
	more, err := r.compared(n)
	return append(all, more...), err
}

// compared returns references for the labels that an operation without on compares, if one of its sides keeps its
// labels.
func (r *rewriter) compared(n *parser.BinaryExpr) (all []*reference, err error) {
	if n.Op == parser.LOR || n.Op == parser.LUNLESS {
		return nil, nil
	}
	for _, side := range [][2]parser.Expr{{n.LHS, n.RHS}, {n.RHS, n.LHS}} {
		old, other := side[0], side[1]
		if !r.any(old, true) || !r.any(other, false) {
			continue
		}
		names, ok := r.labelsOf(old)
		if !ok {
			return nil, fmt.Errorf("%s: all labels are compared with those of series that keep theirs: "+
				"name the labels with on (...)", shorten(r.q.TextOf(n)))
		}
		for _, name := range names {
			ref := &reference{label: name}
			r.provide(ref, n.LHS)
			r.provide(ref, n.RHS)
			all = append(all, ref)
		}
	}
	return all, nil
}

// any says whether there are selectors within a node that are rewritten, or that are not.
func (r *rewriter) any(n parser.Node, rewritten bool) bool {
	span := r.q.SpanOf(n)
	return slices.ContainsFunc(r.q.Selectors, func(s *promql.Selector) bool {
		return span.Start <= s.Start && s.End <= span.End && (r.selectors[s] != nil) == rewritten
	})
}

// labelsOf returns the labels that the series of a node have at most; ok is false if it does not say which.
func (r *rewriter) labelsOf(n parser.Node) (names []string, ok bool) {
	switch n := n.(type) {
	case *parser.ParenExpr:
		return r.labelsOf(n.Expr)
	case *parser.AggregateExpr:
		list := r.q.Grouping(n)
		if n.Without || keepsLabels(n.Op) {
			return nil, false
		}
		if list != nil {
			for _, l := range list.Labels {
				names = append(names, l.Name)
			}
		}
		return names, true
	case *parser.BinaryExpr:
		if n.VectorMatching == nil {
			if names, ok = r.labelsOf(n.LHS); ok {
				return names, ok
			}
			return r.labelsOf(n.RHS)
		}
		left, leftOK := r.labelsOf(n.LHS)
		right, rightOK := r.labelsOf(n.RHS)
		return append(left, right...), leftOK && rightOK
	case *parser.Call:
		for _, a := range n.Args {
			if t := a.Type(); t == parser.ValueTypeVector {
				return r.labelsOf(a)
			}
		}
		return nil, n.Func.Name == "vector" || n.Func.ReturnType == parser.ValueTypeScalar
	default:
		return nil, false
	}
}

// keepsLabels says of an aggregation that it selects series and leaves them their labels.
func keepsLabels(op parser.ItemType) bool {
	return op == parser.TOPK || op == parser.BOTTOMK || op == parser.LIMITK || op == parser.LIMIT_RATIO
}

// inArguments returns the labels that a function reads.
func (r *rewriter) inArguments(n *parser.Call) (all []*reference) {
	var sources parser.Expressions
	switch {
	case n.Func.Name == "label_replace" && len(n.Args) == 5:
		sources = n.Args[3:4]
	case n.Func.Name == "label_join" && len(n.Args) > 3:
		sources = n.Args[3:]
	case strings.HasPrefix(n.Func.Name, "sort_by_label"):
		sources = n.Args[1:]
	}
	for _, a := range sources {
		if s, ok := a.(*parser.StringLiteral); ok && s.Val != "" {
			ref := &reference{label: s.Val, at: r.q.SpanOf(s)}
			r.provide(ref, n.Args[0])
			all = append(all, ref)
		}
	}
	return all
}

// provide adds to a reference what brings its label to a node.
func (r *rewriter) provide(ref *reference, n parser.Node) {
	switch n := n.(type) {
	case *parser.VectorSelector:
		r.provideSelector(ref, n)
	case *parser.AggregateExpr:
		named := slices.ContainsFunc(labelsIn(r.q.Grouping(n)), func(l promql.Label) bool { return l.Name == ref.label })
		if p, ok := n.Param.(*parser.StringLiteral); ok && n.Op == parser.COUNT_VALUES && p.Val == ref.label {
			ref.fixed = true
			return
		}
		if keepsLabels(n.Op) || named != n.Without {
			r.provide(ref, n.Expr)
		}
	case *parser.BinaryExpr:
		r.provideBinary(ref, n)
	case *parser.Call:
		if label, ok := createdBy(n); ok && label == ref.label {
			ref.fixed = true
			return
		}
		for _, a := range n.Args {
			r.provide(ref, a)
		}
	default:
		for c := range parser.ChildrenIter(n) {
			r.provide(ref, c)
		}
	}
}

func (r *rewriter) provideSelector(ref *reference, n *parser.VectorSelector) {
	if s := r.translationOf(n); s == nil {
		ref.fixed = true
	} else if !slices.Contains(ref.providers, s) {
		ref.providers = append(ref.providers, s)
	}
}

func labelsIn(l *promql.List) []promql.Label {
	if l == nil {
		return nil
	}
	return l.Labels
}

// createdBy returns the label that a function makes.
func createdBy(n *parser.Call) (string, bool) {
	if (n.Func.Name == "label_replace" || n.Func.Name == "label_join") && len(n.Args) > 1 {
		s, ok := n.Args[1].(*parser.StringLiteral)
		if ok {
			return s.Val, true
		}
	}
	return "", false
}

func (r *rewriter) provideBinary(ref *reference, n *parser.BinaryExpr) {
	if n.Op == parser.LAND || n.Op == parser.LUNLESS {
		r.provide(ref, n.LHS)
		return
	}
	_, on, group := r.q.Matching(n)
	has := func(l promql.Label) bool { return l.Name == ref.label }
	matched := on == nil || slices.ContainsFunc(on.Labels, has) == (on.Keyword == "on")
	included := slices.ContainsFunc(labelsIn(group), has)
	left := n.VectorMatching == nil || matched || group != nil && (group.Keyword == "group_left") != included
	right := n.VectorMatching == nil || matched || group != nil && (group.Keyword == "group_right") != included
	if left {
		r.provide(ref, n.LHS)
	}
	if right {
		r.provide(ref, n.RHS)
	}
}

// newName is what a label of a translation's series is called; the old name if the translation keeps it.
func (r *rewriter) newName(s *translation, label string) (string, bool) {
	if len(promql.FindVariables(label)) > 0 {
		r.note("the variable %s holds names of labels: let it have the new ones", label)
		return label, true
	}
	return r.m.newLabel(label, s)
}

// bridge finds the translations that have to keep labels. That a label is kept for one reference may ask for it in
// another, so it goes on until nothing changes.
func (r *rewriter) bridge(all []*reference) {
	for changed := true; changed; {
		changed = false
		for _, ref := range all {
			keep := ref.fixed
			var names []string
			for _, s := range ref.providers {
				if name, ok := r.newName(s, ref.label); ok {
					names = append(names, name)
				}
				keep = keep || slices.Contains(s.bridged, ref.label)
			}
			slices.Sort(names)
			if !keep && len(slices.Compact(names)) < 2 {
				continue
			}
			for _, s := range ref.providers {
				name, ok := r.newName(s, ref.label)
				if ok && name != ref.label && !slices.Contains(s.bridged, ref.label) {
					s.bridged = append(s.bridged, ref.label)
					changed = true
				}
			}
		}
	}
}

// addBridges gives the series of a translation those labels back that they have to keep.
func (r *rewriter) addBridges(s *translation) error {
	for _, label := range s.bridged {
		name, ok := r.newName(s, label)
		if !ok {
			return noLabel(label)
		}
		n, err := r.vectorOf(s)
		if err != nil {
			return err
		}
		if s.special != nil && !s.special.coarse {
			return fmt.Errorf("the exporter's own metrics cannot be joined by %s", label)
		}
		r.needLabel(label, s)
		r.wrap(n, "label_replace(", fmt.Sprintf(`, %s, "$1", %s, "(.*)")`, quote(label), quote(name)))
		r.note("%s is compared with series that keep this label: label_replace makes it of %s", label, name)
	}
	return nil
}

// vectorOf is the least node that gives the series of a translation as an instant vector: the function of its range, or
// the selector itself.
func (r *rewriter) vectorOf(s *translation) (parser.Expr, error) {
	m, ok := r.parents[s.selector.Node].(*parser.MatrixSelector)
	if !ok {
		return s.selector.Node, nil
	}
	call, ok := r.parents[m].(*parser.Call)
	if !ok {
		return nil, fmt.Errorf("%s: a range without a function cannot be translated", r.q.TextOf(m))
	}
	return call, nil
}
