package tagger

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a pattern, so that a short one cannot take much time or memory.
const (
	maxPatternBytes     = 1024
	maxPatternSequences = 64 // patterns without alternatives that one pattern may stand for
	maxCaptures         = 16 // captures of one of them
	maxGroupDepth       = 8
)

// token is a piece of a pattern: literal text, or a capture.
type token struct {
	lit string
	cap *capture
}

// sequence is a pattern without alternatives and optional parts: no two captures and no two literals stand side by
// side.
type sequence []token

// String writes the sequence as a pattern would.
func (q sequence) String() string {
	var b strings.Builder
	for _, t := range q {
		if t.cap == nil {
			b.WriteString(t.lit)
			continue
		}
		b.WriteString(t.cap.String())
	}
	return b.String()
}

// patternError is an error at a byte of a pattern or template.
type patternError struct {
	offset int
	msg    string
}

func (e *patternError) Error() string { return e.msg }

// parsePattern expands a pattern into the sequences that it stands for, in the order in which they are tried.
// types are the sets that captures may name.
func parsePattern(text string, types map[string]*valueSet) ([]sequence, error) {
	p := &patternParser{text: text, types: types, plain: typeSegment}
	if text == "" {
		return nil, p.fail(0, "the pattern is empty: give the name, or {name...} for any")
	}
	if len(text) > maxPatternBytes {
		return nil, p.fail(0, "the pattern has %d bytes, at most %d are allowed", len(text), maxPatternBytes)
	}
	if i := strings.IndexRune(text, utf8.RuneError); i >= 0 {
		return nil, p.fail(i, "the pattern holds the replacement character U+FFFD: it stands for no name")
	}
	if text[0] == '/' {
		p.plain = typePath
	}
	seqs, err := p.alternatives(0)
	if err != nil {
		return nil, err
	}
	for _, q := range seqs {
		if err := p.check(q); err != nil {
			return nil, err
		}
	}
	return seqs, nil
}

type patternParser struct {
	text  string
	at    int
	types map[string]*valueSet
	plain captureType // of captures without a type
}

func (p *patternParser) fail(offset int, format string, args ...any) error {
	return &patternError{offset, fmt.Sprintf(format, args...)}
}

func (p *patternParser) tooMany(offset int) error {
	return p.fail(offset, "the pattern stands for more than %d patterns: use {x:a|b} instead of (a|b), or split the rule",
		maxPatternSequences)
}

// alternatives reads sequences separated by `|`, up to the end or, inside of a group, the closing parenthesis.
func (p *patternParser) alternatives(depth int) ([]sequence, error) {
	var all []sequence
	current := []sequence{nil}
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case ')':
			if depth == 0 {
				return nil, p.fail(p.at, `")" closes nothing: write \) for the character`)
			}
			return append(all, current...), nil
		case '|':
			if depth == 0 {
				return nil, p.fail(p.at, `"|" stands outside of a group: write (a|b) for alternatives, \| for the character`)
			}
			p.at++
			all = append(all, current...)
			current = []sequence{nil}
		case '(':
			group, err := p.group(depth)
			if err != nil {
				return nil, err
			}
			if len(current)*len(group) > maxPatternSequences {
				return nil, p.tooMany(p.at)
			}
			current = product(current, group)
		case '{':
			c, err := p.capture()
			if err != nil {
				return nil, err
			}
			current = product(current, []sequence{{token{cap: c}}})
		default:
			lit, err := p.literal()
			if err != nil {
				return nil, err
			}
			current = product(current, []sequence{{token{lit: lit}}})
		}
	}
	if depth > 0 {
		return nil, p.fail(len(p.text), `")" is missing: write \( for the character "("`)
	}
	return append(all, current...), nil
}

// product appends each of b to each of a, joining literals.
func product(a, b []sequence) []sequence {
	out := make([]sequence, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			q := slices.Clone(x)
			for _, t := range y {
				if n := len(q); t.cap == nil && n > 0 && q[n-1].cap == nil {
					q[n-1].lit += t.lit
					continue
				}
				q = append(q, t)
			}
			out = append(out, q)
		}
	}
	return out
}

func (p *patternParser) group(depth int) ([]sequence, error) {
	open := p.at
	if depth >= maxGroupDepth {
		return nil, p.fail(open, "groups are nested more than %d deep: split the rule", maxGroupDepth)
	}
	p.at++
	group, err := p.alternatives(depth + 1)
	if err != nil {
		return nil, err
	}
	p.at++
	if p.at < len(p.text) && p.text[p.at] == '?' {
		p.at++
		group = append(group, nil)
	}
	if len(group) > maxPatternSequences {
		return nil, p.tooMany(open)
	}
	return group, nil
}

// literal reads text up to the next special character.
func (p *patternParser) literal() (string, error) {
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch c {
		case '(', ')', '{', '|':
			return b.String(), nil
		case '}':
			return "", p.fail(p.at, `"}" closes nothing: write \} for the character`)
		case '*':
			return "", p.fail(p.at,
				`"*" has no meaning here: write {x} to capture or {_} to skip a segment, \* for the character`)
		case '?':
			return "", p.fail(p.at, `"?" may only follow a group: write (a)?, or \? for the character`)
		case '\\':
			p.at++
			if p.at == len(p.text) {
				return "", p.fail(p.at-1, `the pattern ends in a single "\": write \\ for the character`)
			}
			c = p.text[p.at]
			if !strings.ContainsRune(`{}()|\*?`, rune(c)) {
				return "", p.fail(p.at-1, `"\" stands before %q, which needs none: write \\ for the character "\"`, c)
			}
		}
		b.WriteByte(c)
		p.at++
	}
	return b.String(), nil
}

// capture reads `{name}`, `{name...}` or `{name:type}`.
func (p *patternParser) capture() (*capture, error) {
	open := p.at
	inside, escaped, err := p.braces()
	if err != nil {
		return nil, err
	}
	name, typ, hasType := strings.Cut(inside, ":")
	name, isRest := strings.CutSuffix(name, "...")
	c := &capture{name: name, typ: p.plain}
	if name == "_" {
		c.name = ""
	} else if !isLabelName(name) {
		return nil, p.fail(open,
			"%q is no name for a capture: use letters, digits and underscores, and a letter first", name)
	}
	switch {
	case isRest && hasType:
		return nil, p.fail(open, "capture %q has both ... and a type: choose one", name)
	case isRest:
		c.typ = typeRest
	case hasType:
		if err := p.setType(c, open, typ, escaped); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// braces reads up to the closing brace, and says whether there was a backslash in it.
func (p *patternParser) braces() (inside string, escaped bool, err error) {
	open := p.at
	for p.at++; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '}':
			inside = p.text[open+1 : p.at]
			p.at++
			return inside, escaped, nil
		case '{':
			return "", false, p.fail(p.at, `"{" stands inside of a capture: is a "}" missing before?`)
		case '\\':
			escaped = true
			p.at++
		}
	}
	return "", false, p.fail(open, `"{" is never closed: write \{ for the character`)
}

// setType sets the type of a capture: a list of values, a declared set or a built-in type.
func (p *patternParser) setType(c *capture, open int, typ string, escaped bool) error {
	if strings.Contains(typ, "|") || escaped || typ != "" && !isLabelName(typ) {
		values := splitValues(typ)
		if slices.Contains(values, "") {
			return p.fail(open, "capture %q has an empty value: put an optional part into (...)?", c.name)
		}
		c.typ, c.set = typeSet, newValueSet(values)
		return nil
	}
	if set := p.types[typ]; set != nil {
		c.typ, c.set = typeSet, set
		return nil
	}
	k, ok := captureTypeNamed(typ)
	if !ok {
		names := captureTypeNames()
		return p.fail(open, "no type %q%s: use one of %s, or declare it under types; "+
			"write a single value outside of braces, and set the tag under tags",
			typ, hint(typ, append(sortedKeys(p.types), names...)), strings.Join(names, ", "))
	}
	c.typ = k
	return nil
}

// splitValues splits `a|b` and resolves escapes.
func splitValues(s string) []string {
	var values []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '|':
			values = append(values, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(values, b.String())
}

// check refuses sequences that are ambiguous or too large.
func (p *patternParser) check(q sequence) error {
	if len(q) == 0 {
		return p.fail(0, "the pattern matches the empty name: leave something outside of the optional part")
	}
	captures := 0
	seen := make(map[string]bool)
	for i, t := range q {
		if t.cap == nil {
			continue
		}
		captures++
		if i > 0 && q[i-1].cap != nil {
			return p.fail(0, "captures %s and %s stand side by side, so nothing tells where one ends: "+
				"put text between them, or use regex", q[i-1].cap, t.cap)
		}
		if t.cap.name != "" && seen[t.cap.name] {
			return p.fail(0, "capture %q is there twice: give the other one its own name", t.cap.name)
		}
		seen[t.cap.name] = true
	}
	if captures > maxCaptures {
		return p.fail(0, "the pattern has %d captures, at most %d are allowed", captures, maxCaptures)
	}
	return nil
}

// isLabelName says whether a label, and so a capture, may have a name. Prometheus keeps names that start with two
// underscores for itself.
func isLabelName(s string) bool {
	if s == "" || isDigit(s[0]) || strings.HasPrefix(s, "__") {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '_' {
			return false
		}
	}
	return true
}
