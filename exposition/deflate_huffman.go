package exposition

import (
	"math/bits"
	"slices"
)

const (
	// literalSymbols is how many symbols the code of literals and lengths has, and distanceSymbols that of distances (RFC 1951,
	// section 3.2.5).
	literalSymbols  = 286
	distanceSymbols = 30
	// longestCode bounds the code words. The format allows 15 bits; with 14 four literals fit into the accumulator beside the
	// seven bits that a byte written before can leave there.
	longestCode = 14
)

// codeBuilder finds the lengths of prefix codes. It is memory to work in, reused from one code to the next.
type codeBuilder struct {
	lengths [literalSymbols]uint8
	ranked  [literalSymbols]uint32 // frequency<<symbolBits | symbol, of the symbols that occur
	nodes   [literalSymbols]uint32 // inner nodes: their weight, then their parent, then their depth
}

const symbolBits = 9

// build returns the lengths in bits, at most limit, of the words of a prefix code for symbols that occur so often: 0 for those that
// do not. No code of whole bits is shorter, unless the limit took hold. A frequency is below 1<<23. The result is
// overwritten by the next call.
func (h *codeBuilder) build(frequencies []uint32, limit int) []uint8 {
	lengths := h.lengths[:len(frequencies)]
	clear(lengths)
	n := 0
	for symbol, f := range frequencies {
		if f != 0 {
			h.ranked[n] = f<<symbolBits | uint32(symbol)
			n++
		}
	}
	ranked := h.ranked[:n]
	switch n {
	case 0:
		return lengths
	case 1:
		lengths[ranked[0]&(1<<symbolBits-1)] = 1 // section 3.2.7: a bit, not none
		return lengths
	}
	slices.Sort(ranked)
	var counts [longestCode + 1]int
	h.count(ranked, limit, &counts)
	for length, at := limit, 0; length > 0; length-- {
		for range counts[length] {
			lengths[ranked[at]&(1<<symbolBits-1)] = uint8(length)
			at++
		}
	}
	return lengths
}

// count says how many words there are of each length. It joins the two lightest nodes until one is left; leaves and inner nodes
// both come in the order of their weight, so that two positions say which are next.
func (h *codeBuilder) count(ranked []uint32, limit int, counts *[longestCode + 1]int) {
	nodes := h.nodes[:len(ranked)-1]
	leaf, inner := 0, 0
	for next := range nodes {
		weight := uint32(0)
		for range 2 {
			if leaf < len(ranked) && (inner >= next || ranked[leaf]>>symbolBits <= nodes[inner]) {
				weight += ranked[leaf] >> symbolBits
				leaf++
			} else {
				weight += nodes[inner]
				nodes[inner] = uint32(next)
				inner++
			}
		}
		nodes[next] = weight
	}
	root := len(nodes) - 1
	nodes[root] = 0
	for i := root - 1; i >= 0; i-- {
		nodes[i] = nodes[nodes[i]] + 1
	}
	for depth, places := 0, 1; places > 0; depth++ {
		taken := 0
		for root >= 0 && int(nodes[root]) == depth {
			taken++
			root--
		}
		counts[min(depth, limit)] += places - taken
		places = 2 * taken
	}
	shorten(counts, limit)
}

// shorten makes room for words that were cut to the limit. A word of length l takes 1<<(limit-l) places of 1<<limit; where they take
// more, one at the limit moves next to a shorter one, which becomes a bit longer, and that frees one place.
func shorten(counts *[longestCode + 1]int, limit int) {
	places := 0
	for length := 1; length <= limit; length++ {
		places += counts[length] << (limit - length)
	}
	for ; places > 1<<limit; places-- {
		length := limit - 1
		for counts[length] == 0 {
			length--
		}
		counts[length]--
		counts[length+1] += 2
		counts[limit]--
	}
}

// assign sets the words of the code with these lengths (RFC 1951, section 3.2.2): the bits, in the order in which they are
// written, above eight bits that say how many they are.
func assign(words []uint32, lengths []uint8) {
	var counts, next [longestCode + 1]uint32
	for _, length := range lengths {
		counts[length]++
	}
	counts[0] = 0
	word := uint32(0)
	for length := 1; length < len(next); length++ {
		word = (word + counts[length-1]) << 1
		next[length] = word
	}
	for symbol, length := range lengths {
		words[symbol] = 0
		if length != 0 {
			words[symbol] = uint32(bits.Reverse16(uint16(next[length])))>>(16-length)<<8 | uint32(length)
			next[length]++
		}
	}
}
