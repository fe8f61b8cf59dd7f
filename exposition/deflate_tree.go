package exposition

import "math/bits"

// lengthSymbols is how many symbols there are for lengths of code words (RFC 1951, section 3.2.7): 0 to 15 are lengths, the others
// repeat.
const lengthSymbols = 19

const (
	repeatBefore   = 16 // the length before 3 to 6 times, in 2 extra bits
	repeatZero     = 17 // 0 for 3 to 10 times, in 3 extra bits
	repeatZeroLong = 18 // 0 for 11 to 138 times, in 7 extra bits
)

// treeSymbol is a length of a code word, or a repetition with its extra bits.
type treeSymbol struct {
	symbol, extra, extraBits uint8
}

// tree is the description of a block's two codes, as it stands before the block's data.
type tree struct {
	literals, distances int // how many lengths of each are given
	symbols             [literalSymbols + distanceSymbols]treeSymbol
	count               int // of symbols
	frequencies         [lengthSymbols]uint32
	lengths             []uint8 // of the words for the symbols
	words               [lengthSymbols]uint32
	code                codeBuilder
	given               int // how many of the lengths are given, in treeOrder
}

// treeOrder is the order in which the lengths of the words for lengths stand: those at the end are often 0 and left out.
var treeOrder = [lengthSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// set describes codes with words of these lengths.
func (t *tree) set(literals, distances []uint8) {
	var all [literalSymbols + distanceSymbols]uint8
	t.literals = used(literals, 257)
	t.distances = used(distances, 1)
	n := copy(all[:], literals[:t.literals])
	n += copy(all[n:], distances[:t.distances])
	t.count = 0
	clear(t.frequencies[:])
	for at := 0; at < n; {
		run := 1
		for at+run < n && all[at+run] == all[at] {
			run++
		}
		t.repeat(all[at], run)
		at += run
	}
	t.lengths = t.code.build(t.frequencies[:], 7)
	assign(t.words[:], t.lengths)
	t.given = lengthSymbols
	for t.given > 4 && t.lengths[treeOrder[t.given-1]] == 0 {
		t.given--
	}
}

// used is how many lengths there are without zeros at the end, but at least so many.
func used(lengths []uint8, least int) int {
	n := len(lengths)
	for n > least && lengths[n-1] == 0 {
		n--
	}
	return n
}

// repeat appends a run of equal lengths.
func (t *tree) repeat(length uint8, run int) {
	if length != 0 {
		t.add(length, 0, 0)
		run--
	}
	for run > 0 {
		n := run
		switch {
		case run < 3:
			t.add(length, 0, 0)
			n = 1
		case length != 0:
			n = min(run, 6)
			t.add(repeatBefore, n-3, 2)
		case run <= 10:
			t.add(repeatZero, n-3, 3)
		default:
			n = min(run, 138)
			t.add(repeatZeroLong, n-11, 7)
		}
		run -= n
	}
}

func (t *tree) add(symbol uint8, extra int, extraBits uint8) {
	t.symbols[t.count] = treeSymbol{symbol, uint8(extra), extraBits}
	t.count++
	t.frequencies[symbol]++
}

// size is how many bits write takes.
func (t *tree) size() int {
	n := 5 + 5 + 4 + 3*t.given
	for _, s := range t.symbols[:t.count] {
		n += int(t.lengths[s.symbol] + s.extraBits)
	}
	return n
}

func (t *tree) write(b *bitWriter) {
	b.write(uint32(t.literals-257), 5)
	b.write(uint32(t.distances-1), 5)
	b.write(uint32(t.given-4), 4)
	for _, symbol := range treeOrder[:t.given] {
		b.write(uint32(t.lengths[symbol]), 3)
	}
	for _, s := range t.symbols[:t.count] {
		b.word(t.words[s.symbol])
		b.write(uint32(s.extra), uint(s.extraBits))
	}
}

// lengthSymbol is the symbol of a match of 3 to 258 bytes, counted from the first (section 3.2.5): lengths less 3 are symbols of their
// own up to 7, then four symbols share each power of two, and the longest has one for itself.
func lengthSymbol(length int) int {
	switch x := uint(length - 3); {
	case x < 8:
		return int(x)
	case length == longestMatch:
		return 28
	default:
		extra := uint(bits.Len(x)) - 3
		return int(extra<<2 + x>>extra)
	}
}

// lengthExtra is how many of the lowest bits of the length less 3 stand beside the symbol.
func lengthExtra(symbol int) uint {
	if symbol < 8 || symbol == 28 {
		return 0
	}
	return uint(symbol>>2 - 1)
}

// distanceSymbol is the symbol of a distance of 1 to 32,768: distances less 1 are symbols of their own up to 3, then two symbols
// share each power of two.
func distanceSymbol(distance int) uint32 {
	x := uint32(distance - 1)
	if x < 4 {
		return x
	}
	extra := uint32(bits.Len32(x)) - 2
	return extra<<1 + x>>extra
}

// distanceExtra is how many of the lowest bits of the distance less 1 stand beside the symbol.
func distanceExtra(symbol int) uint32 { return uint32(max(0, symbol>>1-1)) }
