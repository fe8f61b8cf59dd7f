package api

import (
	"regexp"
	"slices"
	"strings"

	"loggregator_exporter/migrate/promql"
)

// maxSelectors bounds the selectors of an expression that are read: each may have expressions to compile.
const maxSelectors = 16

// operand is a selector of an expression, with its braces, if it has any, and the metric's name before them, or "".
type operand struct {
	text, name string
}

// operator matches what makes an expression of metrics without a function, a selector or a range.
var operator = regexp.MustCompile(`(?i)\s([-+*/%^@]|[=!]=|[<>]=?|and|or|unless|atan2|offset)\s`)

// isExpression reports whether a text may be one of PromQL that is more than a metric's name.
func isExpression(text string) bool {
	return strings.ContainsAny(text, "{([") || operator.MatchString(text)
}

// operandsOf lists the selectors of an expression, each once. Another text is one metric's name.
func operandsOf(text string) (list []operand) {
	if !isExpression(text) {
		return []operand{{text, text}}
	}
	for _, of := range promql.Operands(text) {
		o := operand{text[of.Start:of.End], of.Name}
		if !slices.Contains(list, o) && len(list) < maxSelectors {
			list = append(list, o)
		}
	}
	return list
}
