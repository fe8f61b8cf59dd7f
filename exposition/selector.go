package exposition

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"loggregator_exporter/metric"
)

const nameLabel = "__name__"

// Selector chooses series as a PromQL series selector does: a series matches if all matchers do. A label that a series
// lacks is empty.
type Selector struct {
	names  []Matcher // of the metric's name
	labels []Matcher
	weight int // of its expressions, see weigh
}

// Matcher compares the value of a label with a text, or matches it with an expression.
type Matcher struct {
	Label, Value string
	expression   *regexp.Regexp // nil: compare with Value
	negated      bool
}

// Matches reports whether the value of the label matches; that of a label that a series lacks is empty.
func (m *Matcher) Matches(value string) bool {
	if m.expression != nil {
		return m.expression.MatchString(value) != m.negated
	}
	return (value == m.Value) != m.negated
}

// String returns the matcher as PromQL writes it.
func (m *Matcher) String() string {
	operator := "="
	switch {
	case m.expression != nil && m.negated:
		operator = "!~"
	case m.expression != nil:
		operator = "=~"
	case m.negated:
		operator = "!="
	}
	return m.Label + operator + strconv.Quote(m.Value)
}

// Matches reports whether the selector chooses a series.
func (s *Selector) Matches(name string, ls metric.Labels) bool {
	return s.MatchesName(name) && s.matchesLabels(ls)
}

// Matchers returns those of labels.
func (s *Selector) Matchers() []Matcher { return s.labels }

// MatchesName reports whether the selector chooses series of a metric.
func (s *Selector) MatchesName(name string) bool {
	for i := range s.names {
		if !s.names[i].Matches(name) {
			return false
		}
	}
	return true
}

func (s *Selector) matchesLabels(ls metric.Labels) bool {
	for i := range s.labels {
		if m := &s.labels[i]; !m.Matches(ls.Value(m.Label)) {
			return false
		}
	}
	return true
}

// ParseSelector parses a series selector as Prometheus does: name{label="v", l!="v", l=~"expression",
// l!~"expression"}, the name alone, or the braces alone, in which a name that is not a classic one stands in quotes.
// Values have Go's escapes in single or double quotes and none in backticks; expressions are RE2 and match a whole
// value. Keywords of PromQL are accepted as names. An error names the character, counted from 1, and the remedy.
func ParseSelector(text string) (*Selector, error) {
	p := &selectorParser{text: text, out: &Selector{}}
	if err := p.parse(); err != nil {
		if len(text) > maxQuoted {
			text = strings.ToValidUTF8(text[:maxQuoted], "") + "..."
		}
		return nil, fmt.Errorf("%q at character %d: %w", text, utf8.RuneCountInString(p.text[:p.at])+1, err)
	}
	return p.out, nil
}

// maxQuoted bounds how much of a selector an error quotes, in bytes.
const maxQuoted = 200

// selectorParser parses a selector.
type selectorParser struct {
	text string
	at   int // the position of the next byte, and of an error
	out  *Selector
}

func (p *selectorParser) parse() error {
	p.skip()
	start := p.at
	if name := p.word(true); name != "" {
		p.out.names = append(p.out.names, Matcher{Label: nameLabel, Value: name})
	}
	p.skip()
	if p.take("{") {
		if err := p.matchers(); err != nil {
			return err
		}
	} else if p.at == start {
		return errors.New(`a selector begins with a metric's name or with a brace, as in up{job="x"} or {job="x"}`)
	}
	if p.skip(); p.at < len(p.text) {
		return errors.New("a selector ends here: leave out ranges, offsets, operators and functions, " +
			"and give a second selector as a second match[]")
	}
	return nil
}

// matchers parses the matchers and the closing brace.
func (p *selectorParser) matchers() error {
	for first := true; ; first = false {
		p.skip()
		if p.take("}") {
			return nil
		}
		if !first {
			if !p.take(",") {
				return p.expected(`a comma or "}"`)
			}
			if p.skip(); p.take("}") {
				return nil
			}
		}
		if err := p.matcher(); err != nil {
			return err
		}
	}
}

// matcher parses a label with operator and value, or the metric's name in quotes.
func (p *selectorParser) matcher() error {
	label, quoted := p.word(false), false
	if label == "" {
		var err error
		if label, quoted, err = p.quoted(); err != nil {
			return err
		}
		if !quoted {
			return p.expected(`a label's name or "}"`)
		}
	}
	p.skip()
	operator := ""
	for _, o := range []string{"=~", "!~", "!=", "="} {
		if p.take(o) {
			operator = o
			break
		}
	}
	if operator == "" {
		if quoted {
			p.out.names = append(p.out.names, Matcher{Label: nameLabel, Value: label})
			return nil
		}
		return p.expected("one of =, !=, =~ and !~ after the label's name")
	}
	p.skip()
	at := p.at
	value, quoted, err := p.quoted()
	if err != nil {
		return err
	}
	if !quoted {
		return p.expected(`the label's value in quotes, as in ` + label + operator + `"value"`)
	}
	m, err := p.out.newMatcher(label, operator, value)
	if err != nil {
		p.at = at
		return err
	}
	if label == nameLabel {
		p.out.names = append(p.out.names, m)
	} else {
		p.out.labels = append(p.out.labels, m)
	}
	return nil
}

// newMatcher compiles a matcher and adds the weight of its expression.
func (s *Selector) newMatcher(label, operator, value string) (Matcher, error) {
	m := Matcher{Label: label, Value: value, negated: operator[0] == '!'}
	if !strings.HasSuffix(operator, "~") {
		return m, nil
	}
	// It is parsed by itself first, so that it cannot escape from the anchors. As in Prometheus a dot matches a newline.
	parsed, err := syntax.Parse(value, syntax.Perl|syntax.DotNL)
	if err == nil {
		if s.weight += weigh(parsed); s.weight > maxWeight {
			return m, errTooHeavy
		}
		m.expression, err = regexp.Compile("^(?s:" + parsed.String() + ")$")
	}
	if err != nil {
		return m, fmt.Errorf("not a regular expression of RE2, %w", err)
	}
	return m, nil
}

// maxWeight bounds the expressions of a scrape: a few kilobytes of them can take hundreds of megabytes and minutes.
// Plain text weighs about as much as it is long.
const maxWeight = 20_000

var errTooHeavy = fmt.Errorf("the expressions would take more than %d instructions: "+
	"repeat less often, as x{1000} does, and use fewer classes such as \\pL", maxWeight)

// weigh estimates the instructions of a compiled expression: its parts and the ranges of its classes, repetitions
// expanded.
func weigh(re *syntax.Regexp) int {
	weight := len(re.Rune)
	for _, sub := range re.Sub {
		weight += weigh(sub)
	}
	if re.Op == syntax.OpRepeat {
		weight *= max(1, re.Min, re.Max)
	}
	return weight + 1
}

// skip skips white space and comments.
func (p *selectorParser) skip() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		case '#':
			if end := strings.IndexAny(p.text[p.at:], "\r\n"); end >= 0 {
				p.at += end
			} else {
				p.at = len(p.text)
			}
		default:
			return
		}
	}
}

func (p *selectorParser) take(s string) bool {
	if !strings.HasPrefix(p.text[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

// word parses a classic name, with colons if it is a metric's. It returns "" if there is none.
func (p *selectorParser) word(colons bool) string {
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || colons && c == ':'
		if !letter && (p.at == start || c < '0' || c > '9') {
			break
		}
	}
	return p.text[start:p.at]
}

// quoted parses a text in quotes or backticks; ok is false if there is none.
func (p *selectorParser) quoted() (text string, ok bool, err error) {
	if p.at >= len(p.text) || !strings.ContainsRune("\"'`", rune(p.text[p.at])) {
		return "", false, nil
	}
	start, quote := p.at, p.text[p.at]
	var b strings.Builder
	for p.at++; p.at < len(p.text) && p.text[p.at] != quote; {
		rest := p.text[p.at:]
		first, size := utf8.DecodeRuneInString(rest)
		if first == utf8.RuneError && size == 1 {
			return "", false, errors.New("this is not UTF-8")
		}
		if quote == '`' {
			b.WriteRune(first)
			p.at += size
			continue
		}
		if first == '\n' {
			return "", false, errors.New(`a line ends within quotes: write \n`)
		}
		r, multibyte, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil {
			return "", false, errors.New(`no escape that Go and PromQL know: a backslash is written as \\`)
		}
		if multibyte {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		p.at += len(rest) - len(tail)
	}
	if p.at >= len(p.text) {
		p.at = start
		return "", false, fmt.Errorf("the text that begins here lacks its closing %c", quote)
	}
	p.at++
	return b.String(), true, nil
}

func (p *selectorParser) expected(what string) error {
	if p.at >= len(p.text) {
		return fmt.Errorf("the selector ends where it needs %s", what)
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return fmt.Errorf("%q where it needs %s", r, what)
}
