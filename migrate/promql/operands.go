package promql

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"
)

// Operand is where a selector stands: a metric's name, braces, or both.
type Operand struct {
	Span

	Name string // before the braces; "" if there is none
}

// Operands finds the selectors of a text by its tokens alone, so that it need be no valid query: it may be cut off, or
// be none that Prometheus takes. Names with variables are left out.
func Operands(text string) (all []Operand) {
	variables := placeVariables(text)
	masked := mask(text, variables, make([]int, len(variables)))
	for at := 0; at < len(text); {
		q := &Query{Text: masked[at:]}
		var end int
		q.tokens, end = lex(q.Text)
		for i := 0; i < len(q.tokens); i++ {
			var found Operand
			if found, i = q.operand(i); found.End > found.Start && !in(variables, at+found.Start, len(found.Name)) {
				found.Start, found.End = at+found.Start, at+found.End
				all = append(all, found)
			}
		}
		if at += end; at == len(text) || strings.ContainsRune("\"'`", rune(text[at])) || open(q.tokens) {
			break
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size // it is no token
	}
	return all
}

// operand returns the selector that begins at a token, an empty one if none does, and the last token of it.
func (q *Query) operand(i int) (of Operand, last int) {
	switch {
	case q.is(i, parser.BY, parser.WITHOUT, parser.ON, parser.IGNORING, parser.GROUP_LEFT, parser.GROUP_RIGHT):
		if q.is(i+1, parser.LEFT_PAREN) {
			return of, q.closing(i + 1)
		}
		return of, i
	case q.is(i, parser.IDENTIFIER, parser.METRIC_IDENTIFIER) && !q.is(i+1, parser.LEFT_PAREN):
		of.Span, of.Name = q.span(i), q.text(i)
		if !q.is(i+1, parser.LEFT_BRACE) {
			return of, i
		}
		i++
	case q.is(i, parser.LEFT_BRACE):
		of.Start = q.span(i).Start
	default:
		return of, i
	}
	for of.End = len(q.Text); i < len(q.tokens); i++ {
		if q.is(i, parser.RIGHT_BRACE) {
			of.End = q.span(i).End
			break
		}
	}
	return of, i
}

// open reports whether the last braces are not closed.
func open(tokens []parser.Item) bool {
	for _, t := range slices.Backward(tokens) {
		if t.Typ == parser.LEFT_BRACE || t.Typ == parser.RIGHT_BRACE {
			return t.Typ == parser.LEFT_BRACE
		}
	}
	return false
}

// in reports whether a variable stands within so many bytes.
func in(variables []maskedVariable, start, length int) bool {
	for _, v := range variables {
		if v.Start < start+length && start < v.End {
			return true
		}
	}
	return false
}
