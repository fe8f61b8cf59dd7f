package tagger

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// globReferences compiles the template of a glob mapping: `$1` and `${1}` are what the stars matched, `$0` is the name. A
// reference runs over letters, digits, underscores and dollars; one to nothing is empty.
func globReferences(text string, r *rule) template {
	var t template
	for text != "" {
		dollar := strings.IndexByte(text, '$')
		if dollar < 0 {
			break
		}
		name, size := globReference(text[dollar:])
		if size == 0 {
			t = t.withText(text[:dollar+1])
			text = text[dollar+1:]
			continue
		}
		t = t.withText(text[:dollar])
		if n, err := strconv.Atoi(name); err == nil && n == 0 {
			t = append(t, templatePart{kind: partName})
		} else if err == nil && n <= len(r.captures) {
			t = append(t, templatePart{kind: partCapture, slot: n - 1})
		}
		text = text[dollar+size:]
	}
	return t.withText(text)
}

// globReference returns the name of the reference that s starts with and its length, 0 where there is none.
func globReference(s string) (name string, size int) {
	start := 1
	if strings.HasPrefix(s[start:], "{") {
		start++
	}
	end := start
	for end < len(s) && (isAlnum(s[end]) || s[end] == '_' || s[end] == '$') {
		end++
	}
	if end == start {
		return "", 0
	}
	name = s[start:end]
	if strings.HasPrefix(s[end:], "}") {
		end++
	}
	return name, end
}

// expressionReferences compiles the template of a regular expression, as regexp.Expand reads it.
func expressionReferences(text string, r *rule) template {
	var t template
	for text != "" {
		dollar := strings.IndexByte(text, '$')
		if dollar < 0 {
			break
		}
		if strings.HasPrefix(text[dollar:], "$$") {
			t = t.withText(text[:dollar+1])
			text = text[dollar+2:]
			continue
		}
		name, size := expressionReference(text[dollar:])
		if size == 0 {
			t = t.withText(text[:dollar+1])
			text = text[dollar+1:]
			continue
		}
		t = t.withText(text[:dollar])
		if slot := groupSlot(name, r); slot >= 0 {
			t = append(t, templatePart{kind: partCapture, slot: slot})
		}
		text = text[dollar+size:]
	}
	return t.withText(text)
}

func expressionReference(s string) (name string, size int) {
	start, braced := 1, strings.HasPrefix(s[1:], "{")
	if braced {
		start++
	}
	end := start
	for end < len(s) {
		r, size := utf8.DecodeRuneInString(s[end:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' {
			break
		}
		end += size
	}
	switch {
	case end == start:
		return "", 0
	case !braced:
		return s[start:end], end
	case strings.HasPrefix(s[end:], "}"):
		return s[start:end], end + 1
	default:
		return "", 0
	}
}

// groupSlot is the place of a numbered or named group among the captures of the rule, -1 for none. The first group of the expression is
// the one around it.
func groupSlot(name string, r *rule) int {
	if slot := slices.Index(r.captures, name); slot >= 0 {
		return slot
	}
	return slices.Index(r.regex.SubexpNames(), name) - 1
}

func (t template) withText(text string) template {
	if text == "" {
		return t
	}
	if n := len(t); n > 0 && t[n-1].kind == partText {
		t[n-1].text += text
		return t
	}
	return append(t, templatePart{kind: partText, text: text})
}

// escapeName makes a name legal as statsd_exporter does: an underscore for each character that is no letter, digit or underscore, for a
// run of dashes, and before a digit at the start.
func escapeName(name string) string {
	legal := func(c byte) bool { return isAlnum(c) || c == '_' }
	illegal := 0
	for illegal < len(name) && legal(name[illegal]) {
		illegal++
	}
	if illegal == len(name) && (name == "" || !isDigit(name[0])) {
		return name
	}
	var b strings.Builder
	if isDigit(name[0]) {
		b.WriteByte('_')
	}
	b.WriteString(name[:illegal])
	dashed := false
	for i := illegal; i < len(name); {
		_, size := utf8.DecodeRuneInString(name[i:])
		dash := name[i] == '-'
		switch {
		case legal(name[i]):
			b.WriteByte(name[i])
		case !dash || !dashed:
			b.WriteByte('_')
		}
		dashed = dash
		i += size
	}
	return b.String()
}
