package documents

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// yamlLayer decodes the scalar of a node. What the decoder of YAML made of it is known, and is what this decoding must
// come to: otherwise the scalar cannot be edited.
func yamlLayer(file *layer, n *node) (*layer, error) {
	s := scalarReader{text: file.text, at: n.start, want: n.value}
	var ok bool
	var encode func(string) string
	switch n.style {
	case literalStyle, foldedStyle:
		indent := ""
		indent, ok = s.block(n.style == foldedStyle)
		encode = func(piece string) string {
			if n.style == foldedStyle {
				piece = strings.ReplaceAll(piece, "\n", "\n\n")
			}
			return strings.ReplaceAll(piece, "\n", "\n"+indent)
		}
	case singleStyle:
		ok = s.flow('\'')
		encode = func(piece string) string {
			return strings.ReplaceAll(strings.ReplaceAll(piece, "'", "''"), "\n", "\n\n")
		}
	case doubleStyle:
		ok = s.flow('"')
		encode = doubleQuoted
	default:
		ok = s.flow(0)
		encode = func(piece string) string { return piece }
	}
	if !ok {
		return nil, fmt.Errorf("line %d: the text is written in a way that cannot be edited here", linesOf(file.text).at(n.start))
	}
	l := s.d.layer(file, s.at, encode)
	start, end := n.start, s.at
	if n.style == plainStyle {
		l.rewrite = func(text string) (edit, bool) {
			if isPlain(text) {
				return edit{}, false
			}
			return edit{start, end, quoted(text)}, true
		}
	}
	return l, nil
}

// quoted writes a whole text that cannot be plain.
func quoted(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
		return `"` + doubleQuoted(text) + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// isPlain says whether a text can stand without quotes, in flow collections as well.
func isPlain(text string) bool {
	return text != "" && strings.TrimSpace(text) == text && !strings.ContainsAny(text[:1], "-?:,[]{}#&*!|>'\"%@`") &&
		!strings.Contains(text, ": ") && !strings.HasSuffix(text, ":") && !strings.Contains(text, " #") &&
		!strings.ContainsAny(text, "\n\r\t")
}

func doubleQuoted(piece string) string {
	var b strings.Builder
	for _, r := range piece {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x85 || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// scalarReader reads a scalar until it has as many bytes as are wanted.
type scalarReader struct {
	text string
	at   int
	want string
	d    decoded
}

func (s *scalarReader) rest() string { return s.text[min(s.at, len(s.text)):] }

func (s *scalarReader) full() bool { return len(s.d.text) >= len(s.want) }

// char takes one character as it is.
func (s *scalarReader) char() {
	_, size := utf8.DecodeRuneInString(s.rest())
	s.d.add(s.rest()[:size], s.at)
	s.at += size
}

// flow reads a plain scalar, or one in quotes. It returns whether it got what is wanted.
func (s *scalarReader) flow(quote byte) bool {
	if quote != 0 {
		if s.at >= len(s.text) || s.text[s.at] != quote {
			return false
		}
		s.at++
	}
	for !s.full() {
		rest := s.rest()
		switch {
		case rest == "":
			return false
		case rest[0] == ' ' || rest[0] == '\t' || lineBreak(rest) > 0:
			s.blanks()
		case quote == '\'' && strings.HasPrefix(rest, "''"):
			s.d.add("'", s.at)
			s.at += 2
		case quote == '"' && rest[0] == '\\':
			if !s.escape() {
				return false
			}
		default:
			s.char()
		}
	}
	return string(s.d.text) == s.want
}

// blanks folds line breaks with the blanks around them; blanks within a line stay.
func (s *scalarReader) blanks() {
	rest := s.rest()
	trimmed := strings.TrimLeft(rest, " \t")
	if lineBreak(trimmed) == 0 {
		for range len(rest) - len(trimmed) {
			s.char()
		}
		return
	}
	start, breaks := s.at, 0
	for {
		s.at += len(s.rest()) - len(strings.TrimLeft(s.rest(), " \t"))
		size := lineBreak(s.rest())
		if size == 0 {
			break
		}
		s.at += size
		breaks++
	}
	if breaks == 1 {
		s.d.add(" ", start)
		return
	}
	for range breaks - 1 {
		s.d.add("\n", start)
	}
}

// escape reads an escape of a scalar in double quotes.
func (s *scalarReader) escape() bool {
	rest := s.rest()
	if len(rest) < 2 {
		return false
	}
	if size := lineBreak(rest[1:]); size > 0 { // the line goes on, without a space
		s.at += 1 + size
		s.at += len(s.rest()) - len(strings.TrimLeft(s.rest(), " \t"))
		return true
	}
	const letters, means = "0abtnvfre \"/\\N_LP\t", "\x00|\a|\b|\t|\n|\v|\f|\r|\x1b| |\"|/|\\|\u0085|\u00a0|\u2028|\u2029|\t"
	if i := strings.IndexByte(letters, rest[1]); i >= 0 {
		s.d.add(strings.Split(means, "|")[i], s.at)
		s.at += 2
		return true
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[rest[1]]
	if digits == 0 || len(rest) < 2+digits {
		return false
	}
	code, err := strconv.ParseUint(rest[2:2+digits], 16, 32)
	if err != nil {
		return false
	}
	s.d.add(string(rune(code)), s.at)
	s.at += 2 + digits
	return true
}

// block reads a literal or folded scalar. It returns the indentation of its lines.
func (s *scalarReader) block(folded bool) (indent string, ok bool) {
	s.line() // the header
	depth := s.indentation()
	breaks := 0 // since the last line
	after := 0  // where the last line ended
	blankBefore, first := false, true
	for !s.full() {
		if s.rest() == "" && breaks == 0 {
			return "", false
		}
		start := s.at
		s.at += min(depth, len(s.rest())-len(strings.TrimLeft(s.rest(), " ")))
		if size := lineBreak(s.rest()); size > 0 || s.rest() == "" {
			s.at += size
			if first {
				s.d.add("\n", start)
				continue
			}
			breaks++
			if s.rest() == "" && size == 0 {
				break
			}
			continue
		}
		blank := strings.ContainsAny(s.rest()[:1], " \t")
		s.breaks(breaks, folded && !blank && !blankBefore, after)
		for s.rest() != "" && lineBreak(s.rest()) == 0 && !s.full() {
			s.char()
		}
		after, breaks, blankBefore, first = s.at, 1, blank, false
		s.at += lineBreak(s.rest())
	}
	if !s.full() {
		s.breaks(breaks, false, after)
	}
	s.d.text, s.d.at = s.d.text[:min(len(s.d.text), len(s.want))], s.d.at[:min(len(s.d.at), len(s.want))]
	if after > 0 && strings.TrimRight(s.want, "\n") == s.want {
		s.at = after
	}
	return strings.Repeat(" ", depth), string(s.d.text) == s.want
}

// breaks adds the line breaks between two lines, the first of which is folded away or becomes a space.
func (s *scalarReader) breaks(n int, fold bool, offset int) {
	if fold && n == 1 {
		s.d.add(" ", offset)
		return
	}
	if fold && n > 0 {
		n--
	}
	for range n {
		s.d.add("\n", offset)
	}
}

// line skips to the start of the next line.
func (s *scalarReader) line() {
	for s.rest() != "" && lineBreak(s.rest()) == 0 {
		s.at++
	}
	s.at += lineBreak(s.rest())
}

// indentation is that of the first line that is not empty, less the blanks that belong to the text.
func (s *scalarReader) indentation() int {
	lines := strings.Split(strings.TrimLeft(s.want, "\n"), "\n")
	own := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	rest := s.rest()
	for {
		trimmed := strings.TrimLeft(rest, " ")
		if size := lineBreak(trimmed); size > 0 {
			rest = trimmed[size:]
			continue
		}
		return max(0, len(rest)-len(trimmed)-own)
	}
}
