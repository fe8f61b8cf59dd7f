package exposition

import (
	"encoding/binary"
	"io"
)

const (
	// shortestMatch is what is worth a match; the format would allow 3 bytes.
	shortestMatch = 4
	// longestMatch is the most that one match of the format repeats.
	longestMatch = 258
	endOfBlock   = 256
	firstLength  = 257
	// storedBytes is the most that one stored block holds.
	storedBytes = 1<<16 - 1
	// longestRun is the most literals that one token holds.
	longestRun = 255
	// tokenSpace is for the tokens of a block.
	tokenSpace = 12 << 10
)

// token is a number of literals, then a match: so many bytes once more that stood so far before.
type token struct {
	literals uint8
	symbol   uint8  // of the distance, or noMatch
	length   uint16 // 0 where there is no match
	distance uint16 // less 1
}

// noMatch is a symbol whose word has no bits.
const noMatch = distanceSymbols

// blockWriter gathers tokens and writes them as blocks of DEFLATE (RFC 1951, section 3.2.3): with codes made for the block, or
// stored as they are where that is shorter.
type blockWriter struct {
	bitWriter
	tokens [tokenSpace]token
	count  int // of tokens

	// How often there is what the tokens say. Lengths are counted as such, and by their symbols at the end of the block.
	literals  [literalSymbols]uint32
	lengths   [longestMatch + 1]uint32
	distances [distanceSymbols]uint32

	literalCode, distanceCode codeBuilder
	tree                      tree
	literalWords              [literalSymbols]uint32
	lengthWords               [longestMatch + 1]uint32 // with the extra bits
	distanceWords             [32]uint32               // the word's bits<<16 | extra bits<<8 | bits of the word
}

func (b *blockWriter) reset(w io.Writer) {
	b.bitWriter.reset(w)
	b.clear()
}

func (b *blockWriter) clear() {
	b.count = 0
	clear(b.literals[:])
	clear(b.lengths[:])
	clear(b.distances[:])
}

// rest adds literals that no match follows. The caller has counted them.
func (b *blockWriter) rest(literals int) {
	for ; literals > 0; literals -= longestRun {
		b.tokens[b.count] = token{literals: uint8(min(literals, longestRun)), symbol: noMatch}
		b.count++
	}
}

// match adds literals, which the caller has counted, and a match of any length.
func (b *blockWriter) match(literals, length, distance int) {
	if literals > longestRun {
		b.rest(literals - longestRun)
		literals = longestRun
	}
	for length > longestMatch {
		part := min(longestMatch, length-3) // what is left has to be a match too
		b.add(literals, part, distance)
		length -= part
		literals = 0
	}
	b.add(literals, length, distance)
}

func (b *blockWriter) add(literals, length, distance int) {
	symbol := distanceSymbol(distance)
	b.tokens[b.count] = token{uint8(literals), uint8(symbol), uint16(length), uint16(distance - 1)}
	b.count++
	b.lengths[length]++
	b.distances[symbol]++
}

// end writes a block: the first size bytes of data, behind which there are a few more, of any value.
func (b *blockWriter) end(data []byte, size int, final bool) {
	bits := b.codes()
	pieces := max(1, (size+storedBytes-1)/storedBytes)
	if stored := 8*size + pieces*(8+8*4); bits < stored {
		b.coded(data, final)
	} else {
		b.stored(data[:size], final)
	}
	b.clear()
}

// codes makes the codes of the block and says how many bits it takes with them.
func (b *blockWriter) codes() (bits int) {
	b.literals[endOfBlock] = 1
	for length := 3; length <= longestMatch; length++ {
		symbol := lengthSymbol(length)
		b.literals[firstLength+symbol] += b.lengths[length]
		bits += int(b.lengths[length]) * int(lengthExtra(symbol))
	}
	literals := b.literalCode.build(b.literals[:], longestCode)
	for symbol, length := range literals {
		bits += int(b.literals[symbol]) * int(length)
	}
	distances := b.distanceCode.build(b.distances[:], longestCode)
	for symbol, length := range distances {
		bits += int(b.distances[symbol]) * int(uint32(length)+distanceExtra(symbol))
	}
	b.tree.set(literals, distances)
	return bits + b.tree.size() + 3
}

// words sets what is written for each literal, length and distance.
func (b *blockWriter) words() {
	assign(b.literalWords[:], b.literalCode.lengths[:])
	for length := 3; length <= longestMatch; length++ {
		symbol := lengthSymbol(length)
		word := b.literalWords[firstLength+symbol]
		extra := lengthExtra(symbol)
		bits := word>>8 | uint32(length-3)&(1<<extra-1)<<(word&255)
		b.lengthWords[length] = bits<<8 | (word&255 + uint32(extra))
	}
	assign(b.distanceWords[:], b.distanceCode.lengths[:distanceSymbols])
	for symbol := range distanceSymbols {
		word := b.distanceWords[symbol]
		b.distanceWords[symbol] = word>>8<<16 | distanceExtra(symbol)<<8 | word&255
	}
}

// coded writes the block with codes of its own.
func (b *blockWriter) coded(data []byte, final bool) {
	b.words()
	b.header(2, final)
	b.tree.write(&b.bitWriter)
	b.body(data)
	b.word(b.literalWords[endOfBlock])
}

func (b *blockWriter) header(kind uint32, final bool) {
	if final {
		b.write(1, 1)
	} else {
		b.write(0, 1)
	}
	b.write(kind, 2)
}

// stored writes the block as it is (section 3.2.4).
func (b *blockWriter) stored(data []byte, final bool) {
	for {
		n := min(len(data), storedBytes)
		b.header(0, final && n == len(data))
		b.align()
		b.write(uint32(n), 16)
		b.write(uint32(^uint16(n)), 16)
		b.align()
		b.bytes(data[:n])
		data = data[n:]
		if len(data) == 0 {
			return
		}
	}
}

// body writes the tokens. A third of all time is spent here: bits go to the buffer after every fourth literal and every match, as
// many whole bytes as there are, and the literals that are left before a match go without a branch.
func (b *blockWriter) body(data []byte) {
	bits, count, used, at := b.bits, b.bitCount, b.used, 0
	out, words := &b.out, &b.literalWords
	binary.LittleEndian.PutUint64(out[used:], bits)
	used += int(count >> 3)
	bits >>= count & 56
	count &= 7
	for i := range b.tokens[:b.count] {
		t := &b.tokens[i]
		left := int(t.literals)
		for ; left >= 4; left -= 4 {
			four := binary.LittleEndian.Uint32(data[at:])
			at += 4
			v, w, x, y := words[four&255], words[four>>8&255], words[four>>16&255], words[four>>24]
			vw := uint64(v>>8) | uint64(w>>8)<<(v&63)
			xy := uint64(x>>8) | uint64(y>>8)<<(x&63)
			bits |= (vw | xy<<((v+w)&63)) << (count & 63)
			count += uint((v + w + x + y) & 255)
			binary.LittleEndian.PutUint64(out[used:], bits)
			used += int(count >> 3)
			bits >>= count & 56
			count &= 7
		}
		three := binary.LittleEndian.Uint32(data[at:])
		v := words[three&255] & uint32(-left>>2)       // all ones if there is one
		w := words[three>>8&255] & uint32((1-left)>>2) // or two, and so on
		x := words[three>>16&255] & uint32((2-left)>>2)
		vw := uint64(v>>8) | uint64(w>>8)<<(v&63)
		bits |= (vw | uint64(x>>8)<<((v+w)&63)) << (count & 63)
		count += uint((v + w + x) & 255)
		binary.LittleEndian.PutUint64(out[used:], bits)
		used += int(count >> 3)
		bits >>= count & 56
		count &= 7
		at += left + int(t.length)

		length, distance := b.lengthWords[t.length], b.distanceWords[t.symbol]
		bits |= uint64(length>>8) << (count & 63)
		count += uint(length & 255)
		bits |= uint64(distance>>16) << (count & 63)
		count += uint(distance & 255)
		extra := distance >> 8 & 255
		bits |= uint64(uint32(t.distance)&(1<<extra-1)) << (count & 63)
		count += uint(extra)
		binary.LittleEndian.PutUint64(out[used:], bits)
		used += int(count >> 3)
		bits >>= count & 56
		count &= 7
		if used >= outBytes {
			b.used = used
			b.flush()
			used = 0
		}
	}
	b.bits, b.bitCount, b.used = bits, count, used
}
