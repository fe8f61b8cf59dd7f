package queries

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/promql"
)

// lists renames labels in by, on and the like, and leaves new ones out of what used all labels.
func (p *proposal) lists() error {
	for _, u := range p.uses() {
		for _, label := range u.labels {
			now, err := p.renamedIn(u.selectors, label)
			if err != nil {
				return err
			}
			if now != label && !u.all && !slices.Contains(p.renames, Rename{label, now}) {
				p.renames = append(p.renames, Rename{label, now})
			}
		}
	}
	p.ofResult()
	var err error
	parser.Inspect(p.parsed.Expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.Call:
			for _, s := range labelsRead(n) {
				if now := p.now(s.Val); now != s.Val {
					p.edits = append(p.edits, promql.Edit{Span: p.parsed.SpanOf(s), Text: strconv.Quote(now)})
				}
			}
		case *parser.AggregateExpr:
			err = errors.Join(err, p.aggregation(n))
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				err = errors.Join(err, p.operation(n))
			}
		}
		return nil
	})
	return err
}

// ofResult adds the labels that the result has by other names to the renames.
func (p *proposal) ofResult() {
	for _, i := range p.within(p.parsed.Expr, true) {
		f := &p.found[i]
		if len(f.before) == 0 {
			continue
		}
		for _, l := range p.world.pairs[f.before[0]].Before.Labels {
			now := p.renamed(f, l.Name)
			if now != "" && now != l.Name && !slices.Contains(p.renames, Rename{l.Name, now}) {
				p.renames = append(p.renames, Rename{l.Name, now})
			}
		}
	}
}

// now is the name that a label of the query has in the new series.
func (p *proposal) now(label string) string {
	for _, r := range p.renames {
		if r.Before == label {
			return r.After
		}
	}
	return label
}

// everyBefore are all series that a selector found.
func everyBefore(f *found) []int32 { return f.before }

func (p *proposal) aggregation(n *parser.AggregateExpr) error {
	list := p.parsed.Grouping(n)
	p.list(list)
	if !n.Without || list == nil {
		return nil
	}
	changes := p.changesOf(n.Expr, everyBefore)
	for name := range changes {
		if slices.Contains(n.Grouping, name) {
			delete(changes, name)
		}
	}
	names, err := gained(changes, slices.Sorted(maps.Keys(changes)))
	if err != nil || len(names) == 0 {
		return err
	}
	p.edits = append(p.edits, appendTo(list, names))
	return nil
}

func (p *proposal) operation(n *parser.BinaryExpr) error {
	operator, list, group := p.parsed.Matching(n)
	p.list(list)
	p.list(group)
	if n.VectorMatching.On {
		return nil
	}
	left, right := p.changesOf(n.LHS, everyBefore), p.changesOf(n.RHS, everyBefore)
	differ := differing(left, right, n.VectorMatching.MatchingLabels)
	for _, changes := range []map[string]*labelChange{left, right} {
		if _, err := gained(changes, differ); err != nil {
			return err
		}
	}
	switch {
	case len(differ) == 0:
	case n.ReturnBool || group != nil:
		return fmt.Errorf("the two sides of %s would no longer match: %s", n.Op, strings.Join(differ, ", "))
	case list != nil:
		p.edits = append(p.edits, appendTo(list, differ))
	default:
		p.edits = append(p.edits, promql.Edit{
			Span: promql.Span{Start: operator.End, End: operator.End}, Text: " ignoring (" + strings.Join(differ, ", ") + ")",
		})
	}
	return nil
}

// gained returns names if the series have got all of these labels, and had none of them: then they can be left out.
func gained(changes map[string]*labelChange, names []string) ([]string, error) {
	for _, name := range names {
		if c := changes[name]; c != nil && !c.gained {
			return nil, fmt.Errorf("label %s is gone, or has other values", name)
		}
	}
	return names, nil
}

// appendTo adds labels to a list.
func appendTo(l *promql.List, names []string) promql.Edit {
	text, at := strings.Join(names, ", "), l.Inside.Start
	if n := len(l.Labels); n > 0 {
		text, at = ", "+text, l.Labels[n-1].End
	}
	return promql.Edit{Span: promql.Span{Start: at, End: at}, Text: text}
}

// renamedIn returns the name that a label has now in all series that selectors find.
func (p *proposal) renamedIn(selectors []int, label string) (string, error) {
	now := ""
	for _, i := range selectors {
		f := &p.found[i]
		if len(f.before) == 0 || !p.world.labels[label] {
			continue
		}
		name := p.renamed(f, label)
		if name == "" {
			return "", fmt.Errorf("label %s is gone, or has other values", label)
		}
		if now != "" && now != name {
			return "", fmt.Errorf("label %s has several names now: %s, %s", label, now, name)
		}
		now = name
	}
	if now == "" {
		now = label
	}
	return now, nil
}

// list renames labels in a list.
func (p *proposal) list(l *promql.List) {
	if l == nil {
		return
	}
	for _, label := range l.Labels {
		if now := p.now(label.Name); now != label.Name {
			p.edits = append(p.edits, promql.Edit{Span: label.Span, Text: now})
		}
	}
}
