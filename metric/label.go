package metric

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Label is a dimension of a series: Name is a legal Prometheus label name, Value any UTF-8.
type Label struct {
	Name, Value string
}

// LabelValue returns the value of a label, or "" if it is not among them.
func LabelValue(labels []Label, name string) string {
	for i := range labels {
		if labels[i].Name == name {
			return labels[i].Value
		}
	}
	return ""
}

// Labels is a rendered label set: `a="1",b="2"`, sorted by name, values escaped as in the text exposition formats,
// no name twice, no empty value. It is the only form in which the store keeps labels, shared by all series that have
// the same ones and by all formats. Being injective, it is also the identity of the set.
type Labels string

// RenderLabels renders a label set. Labels need not be sorted; of equal names the last one counts; empty values are
// left out. The slice is sorted in place.
func RenderLabels(labels []Label) Labels {
	slices.SortStableFunc(labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	size := 0
	for _, l := range labels {
		size += len(l.Name) + len(l.Value) + len(`="",`)
	}
	text := make([]byte, 0, size)
	for i, l := range labels {
		if l.Value == "" || i+1 < len(labels) && labels[i+1].Name == l.Name {
			continue
		}
		if len(text) > 0 {
			text = append(text, ',')
		}
		text = AppendLabel(text, l)
	}
	return Labels(text)
}

// AppendLabel appends a label as it stands in Labels.
func AppendLabel(dst []byte, l Label) []byte {
	dst = append(append(dst, l.Name...), `="`...)
	for rest := l.Value; ; {
		at := strings.IndexAny(rest, "\\\"\n")
		if at < 0 {
			return append(append(dst, rest...), '"')
		}
		dst = append(dst, rest[:at]...)
		switch rest[at] {
		case '\n':
			dst = append(dst, `\n`...)
		default:
			dst = append(dst, '\\', rest[at])
		}
		rest = rest[at+1:]
	}
}

// All yields names and values, unescaped, in order. It allocates only for values that hold an escape.
func (ls Labels) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		rest := string(ls)
		for rest != "" {
			eq := strings.IndexByte(rest, '=')
			name := rest[:eq]
			rest = rest[eq+2:]
			end, escaped := 0, false
			for rest[end] != '"' {
				if rest[end] == '\\' {
					escaped = true
					end++
				}
				end++
			}
			value := rest[:end]
			if escaped {
				value = unescape(value)
			}
			if !yield(name, value) {
				return
			}
			rest = strings.TrimPrefix(rest[end+1:], ",")
		}
	}
}

// Value returns the value of a label, or "".
func (ls Labels) Value(name string) string {
	for n, v := range ls.All() {
		if n == name {
			return v
		}
	}
	return ""
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' {
			i++
			if c = s[i]; c == 'n' {
				c = '\n'
			}
		}
		b = append(b, c)
	}
	return string(b)
}

// Printable returns text that every reader of a page can show: invalid UTF-8 becomes U+FFFD, and control characters
// become Go escapes such as \x1b. These are the control codes except the line break, which the text formats escape
// themselves, the line and paragraph separators, at which some readers end a line, and the characters that change
// the direction of text. It copies only text that has one of them.
func Printable(text string) string {
	first := strings.IndexFunc(text, unprintable)
	if first < 0 {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:first])
	for _, r := range text[first:] {
		switch {
		case !unprintable(r) || r == utf8.RuneError:
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// unprintable reports whether Printable has to look at a character: U+FFFD may stand for invalid UTF-8.
func unprintable(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' && r != '\n' || r == 0x7f
	}
	return r <= 0x9f || r == '\u2028' || r == '\u2029' || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
}
