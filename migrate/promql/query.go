// Package promql reads queries of PromQL as they stand in dashboards and rule files, with the variables and macros of
// Grafana in them, and edits them in place: whatever an edit does not name stays as its author wrote it, spaces,
// comments and line breaks included.
//
// It parses by Prometheus' own parser, since that gives the position of every node. VictoriaMetrics' metricsql gives
// none: a query could only be printed anew.
package promql

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Span is a part of a query's text, in bytes.
type Span struct{ Start, End int }

// Query is a parsed query. It is not changed after Parse.
type Query struct {
	// Text is the query as it was written. All positions are positions in it.
	Text string
	// Expr is the syntax tree. Where a variable stands, names and numbers in it are placeholders: read them from Text
	// by their positions, or ask HasVariable.
	Expr parser.Expr
	// Selectors are in the order of the text.
	Selectors []*Selector
	// Variables are in the order of the text. Those in comments are left out.
	Variables []Variable

	tokens []parser.Item // without comments
}

// Selector selects series: a metric's name, matchers in braces, or both.
type Selector struct {
	Span // without range, offset and @

	// Name is the metric's name as written, with its variables; "" if there is none. A name in quotes within the braces
	// is given without the quotes.
	Name   string
	NameAt Span // with quotes, if any
	// Matchers are those in the braces, without a name in quotes.
	Matchers []Matcher
	// Braces is where the braces and what they hold stand; empty at the end of the name if there are none.
	Braces Span
	Node   *parser.VectorSelector
}

// Matcher is a condition on a label.
type Matcher struct {
	Span

	Label   string
	LabelAt Span // with quotes, if any
	Type    labels.MatchType
	Value   string // without quotes, escapes resolved; variables as written
	ValueAt Span   // with quotes
}

// List is a list of labels after by, without, on, ignoring, group_left or group_right.
type List struct {
	Span // from the keyword to the closing parenthesis, or the keyword alone

	Keyword string // in lower case
	Labels  []Label
	// Inside is what stands between the parentheses; empty at the end of the keyword if there are none.
	Inside Span
}

// Label is the name of a label in a List.
type Label struct {
	Span

	Name string // without quotes; a variable as written
}

// Edit replaces a part of a query's text. Of a Span that is empty, it inserts.
type Edit struct {
	Span

	Text string
}

// SpanOf is where a node stands. The parser leaves "anchored" and "smoothed" out where they end a selector
// (Prometheus 3.15).
func (q *Query) SpanOf(n parser.Node) Span {
	at := n.PositionRange()
	s := Span{int(at.Start), int(at.End)}
	if i := q.tokenAt(s.End); q.is(i, parser.ANCHORED, parser.SMOOTHED) {
		s.End = q.span(i).End
	}
	return s
}

// TextOf is the text of a node as its author wrote it.
func (q *Query) TextOf(n parser.Node) string { return q.Slice(q.SpanOf(n)) }

// Slice is the text of a span.
func (q *Query) Slice(s Span) string { return q.Text[s.Start:s.End] }

// HasVariable says whether a variable stands within a span.
func (q *Query) HasVariable(s Span) bool {
	return len(q.VariablesIn(s)) > 0
}

// VariablesIn returns the variables within a span.
func (q *Query) VariablesIn(s Span) []Variable {
	var in []Variable
	for _, v := range q.Variables {
		if v.Start < s.End && s.Start < v.End {
			in = append(in, v)
		}
	}
	return in
}

// Apply returns the text with edits made. Spans must not overlap; insertions at one place are made in the order given.
func (q *Query) Apply(edits []Edit) (string, error) {
	sorted := slices.Clone(edits)
	slices.SortStableFunc(sorted, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
	var b strings.Builder
	at := 0
	for _, e := range sorted {
		if e.Start < at || e.End < e.Start || e.End > len(q.Text) {
			return "", fmt.Errorf("edits overlap at byte %d", e.Start)
		}
		_, _ = b.WriteString(q.Text[at:e.Start])
		_, _ = b.WriteString(e.Text)
		at = e.End
	}
	_, _ = b.WriteString(q.Text[at:])
	return b.String(), nil
}
