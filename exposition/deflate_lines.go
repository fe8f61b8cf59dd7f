package exposition

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
)

const (
	// window is the farthest that a match may reach back (RFC 1951, section 2).
	window = 32 << 10
	// bufferBytes is the window and what is compressed as one block: enough to make the description of its codes cheap, and
	// little enough to stay in the processor's cache.
	bufferBytes = 256 << 10
	// slack is for reading eight bytes at a time past the end.
	slack = 64
	// recentBits is the size of the table of recent values, few hundred of which there are in a window.
	recentBits = 11
	// nearBytes bounds how far the search looks in one place, so that no input makes it slow.
	nearBytes = 1024
	// blockTokens end a block before it is full. There is space for those of the longest match and the longest run besides.
	blockTokens = tokenSpace - 2*(bufferBytes/longestRun+1) - bufferBytes/longestMatch - 1
)

// lineMatcher finds what repeats on a page whose lines are sorted, so that each says nearly what the one before says. Where klauspost/compress
// and others look every few bytes up in a table, it compares a line with an earlier one, a word at a time, and looks for nothing before they
// differ. That is the value of a label, as a rule. Where it stands in a recent line under the same name, the search goes on from
// there, as what comes next is more likely to be the same; else both lines go on where the value ends.
//
// All of this is a guess at what lines look like. Whatever they do, matches are of bytes that were compared.
type lineMatcher struct {
	blockWriter
	buffer [bufferBytes + slack]byte
	filled int // of buffer
	begun  int // where the block begins
	taken  int // up to where tokens say what it holds
	sample int // the line of a sample before this one, or below 0
	meta   int // the same for a comment

	// recent says where values end: after its hash, how many bytes of the page came before modulo 1<<32. Nothing is removed,
	// so that an entry may be of any place; before is what came before the buffer.
	recent [1 << recentBits]uint32
	before uint32
}

func (m *lineMatcher) reset(w io.Writer) {
	m.blockWriter.reset(w)
	m.filled, m.begun, m.taken, m.before = 0, 0, 0, 0
	m.sample, m.meta = -1, -1
	clear(m.recent[:])
}

// forget takes the first bytes of the buffer to be gone, and all others to be moved to its beginning.
func (m *lineMatcher) forget(bytes int) {
	m.begun -= bytes
	m.taken -= bytes
	m.sample = max(-1, m.sample-bytes)
	m.meta = max(-1, m.meta-bytes)
	m.before += uint32(bytes)
}

// line finds the matches of buffer[s:e]: a line with the line break before it, but without its own, which the next match then
// holds too.
func (m *lineMatcher) line(s, e int) {
	b := m.buffer[:]
	i, j := s, m.reference(s)
	for {
		if j < 0 || j >= i || i-j > window {
			return
		}
		n := matchLength(b, i, j, e)
		if n >= shortestMatch {
			m.match(i, n, i-j)
		}
		i += n
		j += n
		if i >= e {
			return
		}
		near := min(e, i+nearBytes)
		q := nextQuote(b, i, near)
		if q == near {
			i, j = m.afterSpace(i, j, near)
			continue
		}
		if b[q-1] == '=' {
			i, j = m.afterName(s, i, j, q, near)
			continue
		}
		if q-i > 1 && q >= 16 {
			// The last 16 bytes include the name where the value is short.
			c := m.recall(q, load64(b, q-8)^load64(b, q-16)*0x85EBCA77C2B2AE63) - (q - i)
			if c >= 0 && load32(b, c) == load32(b, i) {
				if c < s {
					j = c
					continue
				}
				// A value of the same line, such as an id that two labels have, is all that the line repeats of itself.
				if n := matchLength(b, i, c, q); n >= shortestMatch {
					m.match(i, n, i-c)
				}
			}
		}
		j = valueEnd(b, i, j, q)
		i = q
	}
}

// reference is the line to compare the one at s with.
func (m *lineMatcher) reference(s int) int {
	kind := &m.sample
	if m.buffer[s+1] == '#' {
		kind = &m.meta
	}
	before := *kind
	*kind = s
	return before
}

// valueEnd is where the value at j ends, if the one at i ends at q, or below 0.
func valueEnd(b []byte, i, j, q int) int {
	if r := j + q - i; b[r] == '"' && load32(b, r+1) == load32(b, q+1) { // they are of one length
		return r
	}
	limit := min(i, j+nearBytes)
	if r := nextQuote(b, j, limit); r < limit {
		return r
	}
	return -1
}

// afterName goes on where the name of a label differs, or of a family; the label's value begins at q.
func (m *lineMatcher) afterName(s, i, j, q, near int) (int, int) {
	b := m.buffer[:]
	k := bytes.LastIndexByte(b[max(s, i-nearBytes):i], '"')
	limit := min(i, j+nearBytes)
	if k < 0 {
		x, y := bytes.IndexByte(b[i:q], '{'), bytes.IndexByte(b[j:limit], '{')
		if x < 0 || y < 0 {
			return i, -1
		}
		return i + x, j + y
	}
	k += max(s, i-nearBytes)
	if b[k+1] == '}' { // the line's value, before an exemplar
		return m.afterSpace(i, j, near)
	}
	r := j - (i - k)
	if r < 0 {
		return i, -1
	}
	if same := sameLabel(b, r, k, i-k, limit); same >= 0 {
		return i, same + i - k
	}
	if c := m.recall(k, load64(b, k)) - k + i; c >= 0 && load32(b, c) == load32(b, i) {
		return i, c
	}
	end := nextQuote(b, q+1, near)
	if end >= near {
		return i, -1
	}
	return end, r
}

// sameLabel is where the line has the label whose name begins at k, of which it may have n bytes only where it is looked at, or below
// 0. Both k and r are at quotes before names. Names are sorted, so that the search ends early.
func sameLabel(b []byte, r, k, n, limit int) int {
	want := bits.ReverseBytes64(load64(b, k))
	for r < limit {
		got := bits.ReverseBytes64(load64(b, r))
		if got > want {
			return -1
		}
		if got == want && b[r+n] == b[k+n] {
			return r
		}
		r = nextQuote(b, nextQuote(b, r+1, limit)+1, limit)
	}
	return -1
}

// afterSpace goes on after a word.
func (m *lineMatcher) afterSpace(i, j, near int) (int, int) {
	x, y := bytes.IndexByte(m.buffer[i:near], ' '), bytes.IndexByte(m.buffer[j:min(i, j+nearBytes)], ' ')
	if x < 0 || y < 0 {
		return i, -1
	}
	return i + x, j + y
}

// recall gives where something with this key was seen last, and notes that it is here now.
func (m *lineMatcher) recall(here int, key uint64) int {
	entry := &m.recent[key*0x9E3779B97F4A7C15>>(64-recentBits)]
	now := m.before + uint32(here)
	distance := now - *entry
	*entry = now
	if distance == 0 || distance > window {
		return -1
	}
	return here - int(distance)
}

// match adds the literals since the match before, and a match of n bytes at i.
func (m *lineMatcher) match(i, n, distance int) {
	if m.count >= blockTokens {
		m.endBlock(m.taken, false)
	}
	literals := m.buffer[m.taken:i]
	for _, c := range literals {
		m.literals[c]++
	}
	if len(literals) <= longestRun && n <= longestMatch {
		symbol := distanceSymbol(distance)
		m.tokens[m.count] = token{uint8(len(literals)), uint8(symbol), uint16(n), uint16(distance - 1)}
		m.count++
		m.lengths[n]++
		m.distances[symbol]++
	} else {
		m.blockWriter.match(len(literals), n, distance)
	}
	m.taken = i + n
}

// endBlock writes the block up to at.
func (m *lineMatcher) endBlock(at int, final bool) {
	literals := m.buffer[m.taken:at]
	for _, c := range literals {
		m.literals[c]++
	}
	m.rest(len(literals))
	m.end(m.buffer[m.begun:], at-m.begun, final)
	m.begun, m.taken = at, at
}

func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// matchLength is how many bytes are equal from i, which is below e, and from j, which is below i. It reads less than 16 beyond e.
func matchLength(b []byte, i, j, e int) int {
	s := i
	for i < e {
		if x := load64(b, i) ^ load64(b, j); x != 0 {
			return min(i+bits.TrailingZeros64(x)>>3, e) - s
		}
		if x := load64(b, i+8) ^ load64(b, j+8); x != 0 {
			return min(i+8+bits.TrailingZeros64(x)>>3, e) - s
		}
		i += 16
		j += 16
	}
	return e - s
}

// nextQuote is where the first quote of b[i:e] is, or e. It reads less than 8 bytes beyond e, and is faster than bytes.IndexByte where
// it is called: at values of few bytes.
func nextQuote(b []byte, i, e int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i < e; i += 8 {
		x := load64(b, i) ^ '"'*ones
		if zero := (x - ones) &^ x & highs; zero != 0 {
			return min(i+bits.TrailingZeros64(zero)>>3, e)
		}
	}
	return e
}
