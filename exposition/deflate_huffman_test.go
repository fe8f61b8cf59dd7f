package exposition

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCodeLengths(t *testing.T) {
	for _, c := range []struct {
		name        string
		frequencies []uint32
		limit       int
		want        []uint8
	}{
		{"nothing", []uint32{0, 0, 0}, 14, []uint8{0, 0, 0}},
		{"one symbol has a bit", []uint32{0, 9, 0}, 14, []uint8{0, 1, 0}},
		{"two symbols", []uint32{1, 0, 100}, 14, []uint8{1, 0, 1}},
		{"alike", []uint32{5, 5, 5, 5}, 14, []uint8{2, 2, 2, 2}},
		{"halves", []uint32{8, 4, 2, 1, 1}, 14, []uint8{1, 2, 3, 4, 4}},
		{"halves, cut", []uint32{8, 4, 2, 1, 1}, 3, []uint8{1, 3, 3, 3, 3}},
		{"Fibonacci", []uint32{1, 1, 2, 3, 5, 8, 13, 21}, 14, []uint8{7, 7, 6, 5, 4, 3, 2, 1}},
		{"no choice", []uint32{1, 1, 2, 3, 5, 8, 13, 21}, 3, []uint8{3, 3, 3, 3, 3, 3, 3, 3}},
	} {
		if got := new(codeBuilder).build(c.frequencies, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestCodesAreComplete has codes of all sizes; a code that is not complete is refused by readers, and one that is too long cannot
// be read.
func TestCodesAreComplete(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var h codeBuilder
	for symbols := 2; symbols <= literalSymbols; symbols++ {
		frequencies := make([]uint32, symbols)
		for i := range frequencies {
			frequencies[i] = 1 + uint32(random.ExpFloat64()*float64(random.IntN(20_000)))
		}
		for limit := 9; limit <= longestCode; limit++ {
			places := 0
			for _, length := range h.build(frequencies, limit) {
				if length < 1 || int(length) > limit {
					t.Fatalf("%d symbols: a word of %d bits of %d", symbols, length, limit)
				}
				places += 1 << (limit - int(length))
			}
			if places != 1<<limit {
				t.Fatalf("%d symbols, limit %d: %d places of %d", symbols, limit, places, 1<<limit)
			}
		}
	}
}

// TestCodeWords is the example of RFC 1951, section 3.2.2, with the bits in the order of writing.
func TestCodeWords(t *testing.T) {
	var words [8]uint32
	assign(words[:], []uint8{3, 3, 3, 3, 3, 2, 4, 4})
	want := [8]uint32{0b010<<8 | 3, 0b110<<8 | 3, 0b001<<8 | 3, 0b101<<8 | 3, 0b011<<8 | 3, 0b00<<8 | 2, 0b0111<<8 | 4, 0b1111<<8 | 4}
	if words != want {
		t.Errorf("%b", words)
	}
}

// TestSymbolsOfLengthsAndDistances compares with rows of the tables of RFC 1951, section 3.2.5.
func TestSymbolsOfLengthsAndDistances(t *testing.T) {
	for _, c := range []struct {
		length, symbol int
		extra          uint
	}{
		{3, 257, 0},
		{10, 264, 0},
		{11, 265, 1},
		{12, 265, 1},
		{13, 266, 1},
		{18, 268, 1},
		{19, 269, 2},
		{34, 272, 2},
		{35, 273, 3},
		{66, 276, 3},
		{67, 277, 4},
		{130, 280, 4},
		{131, 281, 5},
		{257, 284, 5},
		{258, 285, 0},
	} {
		if got := firstLength + lengthSymbol(c.length); got != c.symbol || lengthExtra(got-firstLength) != c.extra {
			t.Errorf("length %d has symbol %d with %d extra bits", c.length, got, lengthExtra(got-firstLength))
		}
	}
	for _, c := range []struct {
		distance      int
		symbol, extra uint32
	}{
		{1, 0, 0},
		{4, 3, 0},
		{5, 4, 1},
		{6, 4, 1},
		{7, 5, 1},
		{8, 5, 1},
		{9, 6, 2},
		{13, 7, 2},
		{24, 8, 3},
		{25, 9, 3},
		{256, 15, 6},
		{257, 16, 7},
		{24_576, 28, 13},
		{24_577, 29, 13},
		{32_768, 29, 13},
	} {
		if got := distanceSymbol(c.distance); got != c.symbol || distanceExtra(int(got)) != c.extra {
			t.Errorf("distance %d has symbol %d with %d extra bits", c.distance, got, distanceExtra(int(got)))
		}
	}
}
