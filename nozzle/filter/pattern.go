package filter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// patterns are texts of which one has to match.
type patterns struct {
	exact []string            // a few, which are compared one by one
	many  map[string]struct{} // or more
	globs []glob
}

// fewPatterns is how many comparisons cost less than a look-up.
const fewPatterns = 8

// glob is a pattern. Most hold nothing special but *, and are looked for piece by piece.
type glob struct {
	text   string
	pieces [][]byte // between the *, or nil where the pattern holds ? or \
}

func compilePatterns(texts []string, path string) (patterns, error) {
	var p patterns
	for i, text := range texts {
		switch {
		case text == "":
			return p, &Error{itemPath(path, i), `is empty, which nothing matches: leave it out, or write "*" for any value`}
		case len(text) > maxPatternBytes:
			return p, &Error{itemPath(path, i), fmt.Sprintf("is %d bytes long, at most %d are possible", len(text), maxPatternBytes)}
		case trailingEscape(text):
			return p, &Error{itemPath(path, i), `ends in \, which takes the meaning from the next character: write \\ for the character itself`}
		case slices.Contains(texts[:i], text):
			return p, &Error{itemPath(path, i), fmt.Sprintf("%q stands twice: remove one", text)}
		case strings.ContainsAny(text, `*?\`):
			p.globs = append(p.globs, newGlob(text))
		default:
			p.exact = append(p.exact, text)
		}
	}
	if len(p.exact) > fewPatterns {
		p.many = make(map[string]struct{}, len(p.exact))
		for _, text := range p.exact {
			p.many[text] = struct{}{}
		}
	}
	return p, nil
}

func newGlob(text string) glob {
	g := glob{text: text}
	if strings.Contains(text, "*") && !strings.ContainsAny(text, `?\`) {
		for piece := range strings.SplitSeq(text, "*") {
			g.pieces = append(g.pieces, []byte(piece))
		}
	}
	return g
}

// trailingEscape says whether the last character takes the meaning from one that is not there.
func trailingEscape(text string) bool {
	n := len(text) - len(strings.TrimRight(text, `\`))
	return n%2 == 1
}

func (p *patterns) match(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	if p.many != nil {
		if _, ok := p.many[string(text)]; ok {
			return true
		}
	} else {
		for _, e := range p.exact { //nolint:modernize // the conversion that slices.Contains needs may allocate
			if string(text) == e {
				return true
			}
		}
	}
	for i := range p.globs {
		if p.globs[i].match(text) {
			return true
		}
	}
	return false
}

func (g *glob) match(text []byte) bool {
	if g.pieces == nil {
		return globMatch(g.text, text)
	}
	first, last := g.pieces[0], g.pieces[len(g.pieces)-1]
	if len(text) < len(first)+len(last) || !bytes.HasPrefix(text, first) || !bytes.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, piece := range g.pieces[1 : len(g.pieces)-1] {
		at := bytes.Index(text, piece)
		if at < 0 {
			return false
		}
		text = text[at+len(piece):]
	}
	return true
}

// globMatch matches a pattern of *, ? and \ in time that grows with the product of both lengths at most: only the last * is tried anew.
func globMatch(pattern string, text []byte) bool {
	p, t := 0, 0
	star, mark := -1, 0
	for t < len(text) {
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == '*':
				star, mark = p, t
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
		mark = nextRune(text, mark)
		p, t = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// nextRune steps over one character, or one byte of what is not UTF-8.
func nextRune(text []byte, at int) int {
	at++
	for n := 0; n < 3 && at < len(text) && text[at]&0xc0 == 0x80; n++ {
		at++
	}
	return at
}
