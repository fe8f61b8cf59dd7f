package documents

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// yamlLayer decodes the scalar of a node. What the decoder of YAML made of it is known, and is what this decoding must
// come to: otherwise the scalar cannot be edited.
func yamlLayer(file *layer, n *node) (*layer, error) {
	s := scalarReader{text: file.text, at: n.start, want: n.value}
	ok, encode := s.read(n.style)
	if !ok {
		return nil, errors.New("the text is written in a way that cannot be edited here")
	}
	l := s.d.layer(file, s.end, encode)
	raw := file.text[n.start:s.at]
	l.rewrite = func(text string, edits []edit) (edit, bool) {
		for i := range edits {
			edits[i].start -= n.start
			edits[i].end -= n.start
		}
		r := scalarReader{text: apply(raw, edits), want: text}
		fits, _ := r.read(n.style)
		isBlock := n.style == literalStyle || n.style == foldedStyle
		switch {
		case strings.ContainsFunc(text, mustEscape), n.style == plainStyle && !isPlain(text, n.inFlow):
			fits = false
		case isBlock && beginsBlank(text) && !beginsBlank(n.value): // the blanks would be taken for indentation
			fits = false
		case isBlock && (strings.Trim(text, "\n") == "" || lineBreaksAtEnd(text) != lineBreaksAtEnd(n.value)):
			// The header says what becomes of the line breaks at the end.
			fits = false
		}
		return edit{n.start, n.start + len(raw), quoted(text)}, !fits
	}
	return l, nil
}

// beginsBlank says whether the first line that is not empty begins with blanks.
func beginsBlank(text string) bool {
	text = strings.TrimLeft(text, "\n")
	return strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")
}

func lineBreaksAtEnd(text string) int { return len(text) - len(strings.TrimRight(text, "\n")) }

// read decodes a scalar, and says how to write pieces of it.
func (s *scalarReader) read(style scalarStyle) (ok bool, encode func(string) string) {
	switch style {
	case literalStyle, foldedStyle:
		indent, ok := s.block(style == foldedStyle)
		return ok, func(piece string) string {
			if style == foldedStyle {
				piece = strings.ReplaceAll(piece, "\n", "\n\n")
			}
			return strings.ReplaceAll(piece, "\n", "\n"+indent)
		}
	case singleStyle:
		return s.flow('\''), func(piece string) string { return strings.ReplaceAll(piece, "'", "''") }
	case doubleStyle:
		return s.flow('"'), doubleQuoted
	default:
		return s.flow(0), func(piece string) string { return piece }
	}
}

// quoted writes a whole text where an edited one does not fit into the notation that it had.
func quoted(text string) string {
	if strings.ContainsFunc(text, mustEscape) || strings.ContainsAny(text, "\n\t") {
		return `"` + doubleQuoted(text) + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// mustEscape says which characters YAML takes in double quotes only, as escapes.
func mustEscape(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff ||
		r > 0xfffd && r < 0x10000
}

// isPlain says whether a text, which may go over several lines, can stand without quotes.
func isPlain(text string, inFlow bool) bool {
	if inFlow && strings.ContainsAny(text, ",[]{}?:") {
		return false
	}
	text = strings.ReplaceAll(text, "\n", " ")
	var read yaml.Node
	err := yaml.Unmarshal([]byte("k: "+text), &read)
	if err != nil || len(read.Content) != 1 || len(read.Content[0].Content) != 2 {
		return false
	}
	value := read.Content[0].Content[1]
	return value.Kind == yaml.ScalarNode && value.Style == 0 && value.Value == text && value.ShortTag() != "!!null"
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
		case mustEscape(r):
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
	at   int // where it reads; in the end where the scalar ends
	end  int // where the text of the scalar ends, before the closing quote
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
	s.end = s.at
	return s.close(quote) && string(s.d.text) == s.want
}

// close takes the closing quote.
func (s *scalarReader) close(quote byte) bool {
	if quote == 0 {
		return true
	}
	if quote == '"' {
		for strings.HasPrefix(s.rest(), "\\") && s.escape() { // lines that go on, with nothing on them
		}
	}
	if s.rest() == "" || s.rest()[0] != quote {
		return false
	}
	s.at++
	return true
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
	const letters = "0abtnvfre \"/\\N_LP\t"
	const means = "\x00|\a|\b|\t|\n|\v|\f|\r|\x1b| |\"|/|\\|\u0085|\u00a0|\u2028|\u2029|\t"
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

// block reads a literal or folded scalar up to the end of its last line that is not empty. It returns the indentation
// of its lines.
func (s *scalarReader) block(folded bool) (indent string, ok bool) {
	s.line() // the header
	body := strings.TrimRight(s.want, "\n")
	depth := s.indentation()
	breaks, end := 0, s.at // line breaks since the last line that is not empty, which ended there
	blankBefore := false
	for len(s.d.text) < len(body) && s.rest() != "" {
		s.at += min(depth, len(s.rest())-len(strings.TrimLeft(s.rest(), " ")))
		if size := lineBreak(s.rest()); size > 0 {
			s.at += size
			breaks++
			continue
		}
		blank := s.rest() != "" && strings.ContainsAny(s.rest()[:1], " \t")
		s.breaks(breaks, folded && len(s.d.text) > 0 && !blank && !blankBefore, end)
		for s.rest() != "" && lineBreak(s.rest()) == 0 {
			s.char()
		}
		end, breaks, blankBefore = s.at, 1, blank
		s.at += lineBreak(s.rest())
	}
	s.at, s.end = end, end
	for range len(s.want) - len(body) {
		s.d.add("\n", end)
	}
	return strings.Repeat(" ", depth), string(s.d.text) == s.want
}

// breaks adds the line breaks between two lines. Where lines are folded the first one is left out, or becomes a space
// if it is the only one.
func (s *scalarReader) breaks(n int, fold bool, offset int) {
	if fold && n == 1 {
		s.d.add(" ", offset)
		return
	}
	if fold {
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
