package api

import (
	"regexp"
	"slices"
	"strings"
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
func operandsOf(text string) []operand {
	if !isExpression(text) {
		return []operand{{text, text}}
	}
	e := expression{text: text}
	for e.at < len(e.text) && len(e.list) < maxSelectors {
		e.next()
	}
	return e.list
}

// expression reads an expression. It does not check its grammar.
type expression struct {
	text string
	at   int
	list []operand
}

// matchings are the words with a list of labels behind them, keywords others that are no metrics.
var (
	matchings = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	keywords  = []string{"and", "or", "unless", "atan2", "offset", "bool", "inf", "nan"}
)

// grouped matches what stands behind an aggregation instead of its parenthesis.
var grouped = regexp.MustCompile(`(?i)^(by|without)\s*\(`)

// next reads the next part.
func (e *expression) next() {
	switch c := e.text[e.at]; {
	case strings.IndexByte("\"'`", c) >= 0:
		e.skipQuoted()
	case c == '#':
		e.skipTo('\n')
	case c == '[':
		e.skipTo(']')
	case c == '{':
		e.selector(e.at, "")
	case c == '$': // a variable of a dashboard
		if e.at++; e.at < len(e.text) && e.text[e.at] == '{' {
			e.skipTo('}')
		} else {
			e.word()
		}
	case '0' <= c && c <= '9': // a number or duration
		e.word()
	case inName(rune(c)):
		e.named()
	default:
		e.at++
	}
}

// named reads a word: a function, a keyword, or a metric with its braces.
func (e *expression) named() {
	start := e.at
	name := e.word()
	keyword := strings.ToLower(name)
	end := e.at
	e.at = len(e.text) - len(strings.TrimLeft(e.text[e.at:], " \t\r\n"))
	next := byte(0)
	if e.at < len(e.text) {
		next = e.text[e.at]
	}
	switch {
	case slices.Contains(matchings, keyword):
		if next == '(' {
			e.skipTo(')')
		}
	case slices.Contains(keywords, keyword), next == '(', grouped.MatchString(e.text[e.at:]):
	case next == '{':
		e.selector(start, name)
	default:
		e.add(operand{e.text[start:end], name})
	}
}

// selector reads braces; those that are not closed go to the end.
func (e *expression) selector(start int, name string) {
	for e.at < len(e.text) && e.text[e.at] != '}' {
		if strings.IndexByte("\"'`", e.text[e.at]) >= 0 {
			e.skipQuoted()
		} else {
			e.at++
		}
	}
	e.at = min(e.at+1, len(e.text))
	e.add(operand{e.text[start:e.at], name})
}

func (e *expression) add(o operand) {
	if !slices.Contains(e.list, o) {
		e.list = append(e.list, o)
	}
}

func (e *expression) word() string {
	start := e.at
	for e.at < len(e.text) && inName(rune(e.text[e.at])) {
		e.at++
	}
	return e.text[start:e.at]
}

// skipTo skips all up to a character, and that.
func (e *expression) skipTo(end byte) {
	if n := strings.IndexByte(e.text[e.at:], end); n >= 0 {
		e.at += n + 1
	} else {
		e.at = len(e.text)
	}
}

// skipQuoted skips a text in quotes.
func (e *expression) skipQuoted() {
	quote := e.text[e.at]
	for e.at++; e.at < len(e.text) && e.text[e.at] != quote; e.at++ {
		if e.text[e.at] == '\\' && quote != '`' {
			e.at++
		}
	}
	e.at = min(e.at+1, len(e.text))
}
