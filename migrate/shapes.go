package migrate

import (
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"
)

// rewriteDeltas makes functions of increments ones of the counter that they were counted by.
func (r *rewriter) rewriteDeltas() error {
	for _, s := range r.series() {
		if !s.delta {
			continue
		}
		total := s.matchers[0].values[0]
		n, err := r.vectorOf(s)
		if err != nil {
			return err
		}
		call, ok := n.(*parser.Call)
		if !ok {
			return fmt.Errorf("%s: the increments themselves are not exposed: use increase(%s[...])",
				s.selector.Name, total)
		}
		name := r.q.SpanOf(call)
		name.End = name.Start + len(call.Func.Name)
		switch call.Func.Name {
		case "rate", "irate", "increase":
		case "sum_over_time":
			r.edit(name, "increase")
		default:
			return fmt.Errorf("%s: the increments themselves are not exposed, so %s of them cannot be said: "+
				"use increase(%s[...])", s.selector.Name, call.Func.Name, total)
		}
		r.note("%s was the last increment of a counter; %s is the counter", s.selector.Name, total)
	}
	return nil
}

// rewriteSpecial does what the series of requests and of the exporter itself need beside new names.
func (r *rewriter) rewriteSpecial() error {
	for _, s := range r.series() {
		if s.special == nil {
			continue
		}
		var err error
		switch {
		case s.special.quantile:
			err = r.rewriteQuantile(s)
		case s.special.coarse:
			err = r.sumRequests(s)
		case s.special.split != "":
			err = r.joinSplit(s)
		case s.special.before != "":
			err = r.surround(s)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", shorten(r.q.Slice(s.selector.Span)), err)
		}
	}
	return nil
}

// joinSplit joins series by which the exporter divides what was one.
func (r *rewriter) joinSplit(s *translation) error {
	n, err := r.vectorOf(s)
	if err != nil {
		return err
	}
	p := r.parents[n]
	for {
		paren, ok := p.(*parser.ParenExpr)
		if !ok {
			break
		}
		p = r.parents[paren]
	}
	if outer, ok := p.(*parser.AggregateExpr); ok && !outer.Without && outer.Op.String() == s.special.join {
		return nil
	}
	r.wrap(n, s.special.join+" "+s.special.split+" (", ")")
	return nil
}

// surround puts the series of a translation into the expression that gives the old values.
func (r *rewriter) surround(s *translation) error {
	n := s.selector.Node
	if _, ok := r.parents[n].(*parser.MatrixSelector); ok || n.OriginalOffset != 0 || n.Timestamp != nil {
		return errors.New("a range or an offset of it cannot be said in the new names")
	}
	r.wrap(n, s.special.before, s.special.after)
	return nil
}
