package documents

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonLayer decodes the string literal at an offset of a text, which is known to be valid.
func jsonLayer(parent *layer, start, end int) *layer {
	raw := parent.text[start:end]
	var d decoded
	for i := 1; i < len(raw)-1; {
		piece, size := raw[i:], 1
		if raw[i] == '\\' {
			piece, size = jsonEscape(raw[i:])
		} else {
			_, size = utf8.DecodeRuneInString(piece)
			piece = piece[:size]
		}
		d.add(piece, start+i)
		i += size
	}
	return d.layer(parent, end-1, jsonEscaper(raw, parent))
}

// jsonEscape returns what an escape stands for, and its length.
func jsonEscape(raw string) (string, int) {
	const short = `"\/bfnrt`
	if i := strings.IndexByte(short, raw[1]); i >= 0 {
		return "\"\\/\b\f\n\r\t"[i : i+1], 2
	}
	r := hexRune(raw[2:])
	if utf16.IsSurrogate(r) {
		if strings.HasPrefix(raw[6:], `\u`) {
			if pair := utf16.DecodeRune(r, hexRune(raw[8:])); pair != utf8.RuneError {
				return string(pair), 12
			}
		}
		r = utf8.RuneError
	}
	return string(r), 6
}

func hexRune(digits string) rune {
	r, err := strconv.ParseUint(digits[:4], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(r)
}

// jsonEscaper writes a piece of a string as the author of a document writes strings: some programs escape <, > and &,
// some the slash.
func jsonEscaper(literal string, document *layer) func(string) string {
	if document.escapes == nil {
		document.escapes = authorsEscapes(document.text)
	}
	return func(piece string) string {
		var b strings.Builder
		for _, r := range piece {
			escaped, often := document.escapes[r]
			switch {
			case r == '"' || r == '\\':
				b.WriteByte('\\')
				b.WriteRune(r)
			case r == '\n':
				b.WriteString(`\n`)
			case r == '\t':
				b.WriteString(`\t`)
			case r == '\r':
				b.WriteString(`\r`)
			case r < ' ':
				fmt.Fprintf(&b, `\u%04x`, r)
			case often && !strings.ContainsRune(strings.ReplaceAll(literal, escaped, ""), r):
				b.WriteString(escaped)
			default:
				b.WriteRune(r)
			}
		}
		return b.String()
	}
}

// authorsEscapes finds how characters are escaped in a document that need not be.
func authorsEscapes(text string) map[rune]string {
	escapes := make(map[rune]string)
	for _, r := range "<>&'/" {
		for _, escaped := range []string{fmt.Sprintf(`\u%04x`, r), fmt.Sprintf(`\u%04X`, r), `\` + string(r)} {
			if strings.Contains(text, escaped) {
				escapes[r] = escaped
				break
			}
		}
	}
	return escapes
}
