package metric

import (
	"bytes"
	"errors"
	"strings"
)

// Glob is a pattern for a whole text in which `*` stands for any number of characters, `?` for one character, and `\`
// takes the special meaning from the character after it.
type Glob struct {
	text  string
	parts [][]byte // the literals between the stars, unescaped; nil where the pattern has a `?`
}

// ErrTrailingBackslash is returned for a pattern whose last backslash has no character after it.
var ErrTrailingBackslash = errors.New(`a pattern cannot end with a single "\"; write "\\" for a backslash`)

// CompileGlob compiles a pattern.
func CompileGlob(text string) (Glob, error) {
	g := Glob{text: text}
	literal, hasAny := []byte{}, false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i == len(text) {
				return Glob{}, ErrTrailingBackslash
			}
			literal = append(literal, text[i])
		case '*':
			g.parts = append(g.parts, literal)
			literal = []byte{}
		case '?':
			hasAny = true
		default:
			literal = append(literal, text[i])
		}
	}
	if g.parts = append(g.parts, literal); hasAny {
		g.parts = nil
	}
	return g, nil
}

// String returns the pattern as it was written.
func (g *Glob) String() string { return g.text }

// Literal returns the only text that the pattern matches; ok is false if it matches more than one.
func (g *Glob) Literal() (text string, ok bool) {
	if len(g.parts) != 1 {
		return "", false
	}
	return string(g.parts[0]), true
}

// Match reports whether the pattern matches the whole text. It allocates nothing.
func (g *Glob) Match(text []byte) bool {
	if g.parts == nil {
		return matchWithAny(g.text, text)
	}
	last := len(g.parts) - 1
	if last == 0 {
		return bytes.Equal(text, g.parts[0])
	}
	text, prefixed := bytes.CutPrefix(text, g.parts[0])
	text, suffixed := bytes.CutSuffix(text, g.parts[last])
	if !prefixed || !suffixed {
		return false
	}
	for _, part := range g.parts[1:last] {
		at := bytes.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return true
}

// matchWithAny matches patterns with a `?`. Only the last star is tried at other places, so that its time is at most
// the product of both lengths.
func matchWithAny(pattern string, text []byte) bool {
	p, t := 0, 0
	star, resume := -1, 0 // the last star, and where in text the part after it is tried next
	for t < len(text) {
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == '*':
				star, resume = p, t
				p++
				continue
			case c == '?':
				p++
				t = nextRune(text, t)
				continue
			case c == '\\' && pattern[p+1] == text[t]:
				p += 2
				t++
				continue
			case c != '\\' && c == text[t]:
				p++
				t++
				continue
			}
		}
		if star < 0 {
			return false
		}
		resume = nextRune(text, resume)
		p, t = star+1, resume
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// nextRune returns the position after the character at a position; of text that is not UTF-8, after one byte.
func nextRune(text []byte, at int) int {
	at++
	for n := 0; n < 3 && at < len(text) && text[at]&0xc0 == 0x80; n++ {
		at++
	}
	return at
}
