package promql

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/strutil"
)

func sortSelectors(all []*Selector) {
	slices.SortFunc(all, func(a, b *Selector) int { return cmp.Compare(a.Start, b.Start) })
}

// tokenAt is the index of the first token at or after a position.
func (q *Query) tokenAt(position int) int {
	i, _ := slices.BinarySearchFunc(q.tokens, position, func(t parser.Item, p int) int {
		return cmp.Compare(int(t.Pos), p)
	})
	return i
}

// is says whether a token of a type is at an index.
func (q *Query) is(i int, types ...parser.ItemType) bool {
	return i >= 0 && i < len(q.tokens) && slices.Contains(types, q.tokens[i].Typ)
}

func (q *Query) span(i int) Span {
	t := q.tokens[i]
	return Span{int(t.Pos), int(t.Pos) + len(t.Val)}
}

// text is a token as written, without quotes.
func (q *Query) text(i int) string {
	written := q.Slice(q.span(i))
	if q.tokens[i].Typ == parser.STRING {
		if s, err := strutil.Unquote(written); err == nil {
			return s
		}
	}
	return written
}

// selector reads the tokens of a selector.
func (q *Query) selector(n *parser.VectorSelector) *Selector {
	s := &Selector{Node: n}
	i := q.tokenAt(int(n.PosRange.Start))
	s.Start = int(n.PosRange.Start)
	if !q.is(i, parser.LEFT_BRACE) {
		s.Name, s.NameAt = q.text(i), q.span(i)
		s.End = s.NameAt.End
		s.Braces = Span{s.End, s.End}
		i++
	}
	if !q.is(i, parser.LEFT_BRACE) {
		return s
	}
	s.Braces.Start = q.span(i).Start
	for i++; i < len(q.tokens) && !q.is(i, parser.RIGHT_BRACE); {
		if !q.is(i+1, parser.EQL, parser.NEQ, parser.EQL_REGEX, parser.NEQ_REGEX) {
			if q.is(i, parser.STRING) { // a name in quotes
				s.Name, s.NameAt = q.text(i), q.span(i)
			}
			i++
			continue
		}
		s.Matchers = append(s.Matchers, Matcher{
			Span: Span{q.span(i).Start, q.span(i + 2).End}, Label: q.text(i), LabelAt: q.span(i),
			Type: matchType(q.tokens[i+1].Typ), Value: q.text(i + 2), ValueAt: q.span(i + 2),
		})
		i += 3
	}
	if i < len(q.tokens) {
		s.End = q.span(i).End
	}
	s.Braces.End = s.End
	return s
}

func matchType(t parser.ItemType) labels.MatchType {
	switch t {
	case parser.NEQ:
		return labels.MatchNotEqual
	case parser.EQL_REGEX:
		return labels.MatchRegexp
	case parser.NEQ_REGEX:
		return labels.MatchNotRegexp
	default:
		return labels.MatchEqual
	}
}

// Grouping returns the list after by or without, or nil.
func (q *Query) Grouping(n *parser.AggregateExpr) *List {
	i := q.tokenAt(int(n.PosRange.Start)) + 1
	if q.is(i, parser.LEFT_PAREN) {
		i = q.closing(i) + 1
	}
	if !q.is(i, parser.BY, parser.WITHOUT) {
		return nil
	}
	return q.list(i)
}

// Matching returns where the operator of a binary operation stands, with bool after it, the list after on or ignoring,
// and the list after group_left or group_right; both may be nil.
func (q *Query) Matching(n *parser.BinaryExpr) (operator Span, on, group *List) {
	end := q.SpanOf(n.RHS).Start
	i := q.operator(n)
	if i >= len(q.tokens) {
		return Span{end, end}, nil, nil
	}
	if operator = q.span(i); q.is(i+1, parser.BOOL) {
		operator.End = q.span(i + 1).End
	}
	for i++; i < len(q.tokens) && q.span(i).Start < end; i++ {
		switch {
		case q.is(i, parser.ON, parser.IGNORING):
			on = q.list(i)
		case q.is(i, parser.GROUP_LEFT, parser.GROUP_RIGHT):
			group = q.list(i)
		default:
			continue
		}
		i = q.tokenAt(max(q.lastOf(on), q.lastOf(group))) - 1
	}
	return operator, on, group
}

func (q *Query) lastOf(l *List) int {
	if l == nil {
		return 0
	}
	return l.End
}

// operator is the index of the token of a binary operation. Parentheses, ranges and offsets of its left side may end
// after what the syntax tree says.
func (q *Query) operator(n *parser.BinaryExpr) int {
	i := q.tokenAt(q.SpanOf(n.LHS).End)
	for i < len(q.tokens) && q.tokens[i].Typ != n.Op {
		i++
	}
	return i
}

// closing is the index of the parenthesis that closes the one at i.
func (q *Query) closing(i int) int {
	depth := 0
	for ; i < len(q.tokens); i++ {
		switch q.tokens[i].Typ {
		case parser.LEFT_PAREN:
			depth++
		case parser.RIGHT_PAREN:
			depth--
		}
		if depth == 0 {
			return i
		}
	}
	return len(q.tokens) - 1
}

// list reads the list of labels whose keyword is at i.
func (q *Query) list(i int) *List {
	l := &List{Span: q.span(i), Keyword: strings.ToLower(q.text(i))}
	l.Inside = Span{l.End, l.End}
	if !q.is(i+1, parser.LEFT_PAREN) {
		return l
	}
	end := q.closing(i + 1)
	for j := i + 2; j < end; j++ {
		if !q.is(j, parser.COMMA) {
			l.Labels = append(l.Labels, Label{q.span(j), q.text(j)})
		}
	}
	l.Inside = Span{q.span(i + 1).End, q.span(end).Start}
	l.End = q.span(end).End
	return l
}
