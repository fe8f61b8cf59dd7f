package wire

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of values that are stepped over. Envelopes nest five deep.
const maxJSONDepth = 128

// jsonText walks JSON text from front to back. It accepts what RFC 8259 defines; strings need not be UTF-8, and a
// lone half of a surrogate pair becomes U+FFFD. Escapes are replaced in place: the text belongs to the walker, and
// what it returns points into it. After the first mistake bad is set, nothing is left, and every method returns at
// once.
type jsonText struct {
	b   []byte
	at  int
	bad bool
}

// jsonOpen is where a walk through an object or array is.
type jsonOpen uint8

const (
	none   jsonOpen = iota // there is no object or array
	begun                  // the opening bracket is consumed
	inside                 // a member is consumed
)

func (t *jsonText) fail() {
	t.bad, t.at = true, len(t.b)
}

// peek steps over white space and returns the byte that follows; 0 at the end, which no text may hold outside of a
// string.
func (t *jsonText) peek() byte {
	for t.at < len(t.b) {
		c := t.b[t.at]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return 0
		}
		t.at++
	}
	return 0
}

// take consumes the byte c, which must be next.
func (t *jsonText) take(c byte) bool {
	if t.peek() != c {
		t.fail()
		return false
	}
	t.at++
	return true
}

// more reports whether an object or array has another member; it consumes the comma before that, or the closing
// bracket.
//
//	for open := begun; t.more(open, '}'); open = inside { key := t.key(); ... }
func (t *jsonText) more(open jsonOpen, closing byte) bool {
	switch c := t.peek(); {
	case open == none || t.bad:
		return false
	case c == closing:
		t.at++
		return false
	case open == begun:
		return true
	default:
		return t.take(',')
	}
}

// key consumes the name of an object's member, and the colon.
func (t *jsonText) key() []byte {
	key := t.text()
	t.take(':')
	return key
}

func (t *jsonText) word(w string) {
	if len(t.b)-t.at < len(w) || string(t.b[t.at:t.at+len(w)]) != w {
		t.fail()
		return
	}
	t.at += len(w)
}

// end says whether nothing but white space is left, and nothing was wrong.
func (t *jsonText) end() bool {
	if t.peek() != 0 || t.at < len(t.b) {
		t.fail()
	}
	return !t.bad
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text consumes a string and returns its unescaped bytes.
func (t *jsonText) text() []byte {
	if !t.take('"') {
		return nil
	}
	b, from := t.b, t.at
	i := from
	// Fast path: eight bytes at a time up to the first quote, backslash or control character. Of a byte that is found by
	// borrowing from the one below only the lowest counts, which is right.
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		found := ((quote-ones)&^quote | (slash-ones)&^slash | (w-' '*ones)&^w) & highs
		if found == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(found) >> 3
		if b[i] == '"' {
			t.at = i + 1
			return b[from:i]
		}
		break
	}
	return t.slowText(from, i)
}

// slowText is text from byte i on, with escapes, or near the end.
func (t *jsonText) slowText(from, i int) []byte {
	b, to := t.b, i
	for i < len(b) {
		c := b[i]
		switch {
		case c == '"':
			t.at = i + 1
			return b[from:to]
		case c < ' ':
			t.fail()
			return nil
		case c == '\\':
			// What an escape stands for is never longer than the escape.
			r, n := unescape(b[i:])
			if n == 0 {
				t.fail()
				return nil
			}
			to = len(utf8.AppendRune(b[:to], r))
			i += n
		default:
			b[to] = c
			to++
			i++
		}
	}
	t.fail()
	return nil
}

// unescape reads the escape sequence that b begins with. It returns the rune and the length; 0 if there is none.
func unescape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(b)
		if r < 0 {
			return 0, 0
		}
		if utf16.IsSurrogate(r) {
			if pair := utf16.DecodeRune(r, hex4(b[6:])); pair != utf8.RuneError {
				return pair, 12
			}
			r = utf8.RuneError
		}
		return r, 6
	}
	return 0, 0
}

// hex4 reads \uXXXX, or returns -1.
func hex4(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	r, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(r)
}

// number consumes a number and returns its text.
func (t *jsonText) number() []byte {
	t.peek()
	n := numberLength(t.b[t.at:])
	if n == 0 {
		t.fail()
		return nil
	}
	text := t.b[t.at : t.at+n : t.at+n]
	t.at += n
	return text
}

// numberLength is the length of the JSON number that b begins with, or 0.
func numberLength(b []byte) int {
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := digits(b[i:])
	if whole == 0 || whole > 1 && b[i] == '0' {
		return 0
	}
	i += whole
	if i < len(b) && b[i] == '.' {
		fraction := digits(b[i+1:])
		if fraction == 0 {
			return 0
		}
		i += 1 + fraction
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exponent := digits(b[i:])
		if exponent == 0 {
			return 0
		}
		i += exponent
	}
	return i
}

func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}

// skip consumes a value of any kind.
func (t *jsonText) skip() { t.skipTo(maxJSONDepth) }

func (t *jsonText) skipTo(depth int) {
	if depth == 0 {
		t.fail()
		return
	}
	switch t.peek() {
	case '"':
		t.text()
	case '{':
		t.at++
		for open := begun; t.more(open, '}'); open = inside {
			t.key()
			t.skipTo(depth - 1)
		}
	case '[':
		t.at++
		for open := begun; t.more(open, ']'); open = inside {
			t.skipTo(depth - 1)
		}
	case 't':
		t.word("true")
	case 'f':
		t.word("false")
	case 'n':
		t.word("null")
	default:
		t.number()
	}
}
