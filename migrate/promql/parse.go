package promql

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"
)

const (
	// MaxBytes bounds the length of a query.
	MaxBytes = 64 << 10
	// maxTries bounds how often a query with variables of uncertain meaning is parsed.
	maxTries = 128
)

// Error says why and where a text is no query.
type Error struct {
	Line, Column int // from 1; columns in characters
	Reason       string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// reader takes every form that Prometheus can be told to take: what a server has switched on is not known here.
var reader = parser.NewParser(parser.Options{
	EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true,
	EnableBinopFillModifiers: true,
})

// Parse reads a query. An error is an *Error.
func Parse(text string) (*Query, error) {
	switch {
	case len(text) > MaxBytes:
		return nil, newError(text, 0, fmt.Sprintf("it has %d bytes, the limit is %d", len(text), MaxBytes))
	case !utf8.ValidString(text):
		return nil, newError(text, 0, "it is not UTF-8")
	}
	variables := placeVariables(text)
	choices := make([]int, len(variables))
	var first error
	for range maxTries {
		masked := mask(text, variables, choices)
		expr, err := reader.ParseExpr(masked)
		if err == nil {
			return newQuery(text, masked, expr, variables), nil
		}
		if first == nil {
			first = err
		}
		if !next(choices, variables) {
			break
		}
	}
	return nil, asError(text, first)
}

// next counts choices up, and returns false after the last.
func next(choices []int, variables []maskedVariable) bool {
	for i := range choices {
		if choices[i]++; choices[i] < variables[i].alternatives() {
			return true
		}
		choices[i] = 0
	}
	return false
}

func asError(text string, err error) *Error {
	var all parser.ParseErrors
	if errors.As(err, &all) && len(all) > 0 {
		at := min(max(int(all[0].PositionRange.Start), 0), len(text))
		return newError(text, at, all[0].Err.Error())
	}
	return newError(text, 0, err.Error())
}

func newError(text string, at int, reason string) *Error {
	before := text[:at]
	line := strings.LastIndexByte(before, '\n') + 1
	return &Error{
		Line: 1 + strings.Count(before, "\n"), Column: 1 + utf8.RuneCountInString(before[line:]),
		Reason: reason,
	}
}

func newQuery(text, masked string, expr parser.Expr, variables []maskedVariable) *Query {
	q := &Query{Text: text, Expr: expr}
	for _, v := range variables {
		q.Variables = append(q.Variables, v.Variable)
	}
	q.tokens, _ = lex(masked)
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			q.Selectors = append(q.Selectors, q.selector(s))
		}
		return nil
	})
	sortSelectors(q.Selectors)
	return q
}

// lex returns the tokens of a text without comments, and where they end: at its end, or before what is no token.
func lex(text string) (tokens []parser.Item, end int) {
	for l := parser.Lex(text); ; {
		var item parser.Item
		l.NextItem(&item)
		switch item.Typ {
		case parser.EOF:
			return tokens, len(text)
		case parser.ERROR:
			return tokens, int(item.Pos)
		case parser.COMMENT:
		default:
			tokens = append(tokens, item)
		}
	}
}
