package store

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
)

func TestPlainPairs(t *testing.T) {
	long := strings.Repeat("v", PairBytes)
	for _, c := range []struct {
		text metric.Labels
		want int16
	}{
		{"", 0},
		{`a="1"`, 1},
		{`a="1",b="é,=",c="3"`, 3},
		{`a="1",b="\""`, 0},
		{metric.Labels(`a="` + long[1:] + `",b="1"`), 2},
		{metric.Labels(`a="` + long + `",b="1"`), 0},
	} {
		if got := plainPairs(c.text); got != c.want {
			t.Errorf("%.20s: %d, want %d", c.text, got, c.want)
		}
	}
}

// TestPack checks that packed sets lie side by side, are moved once, and are found and released as before.
func TestPack(t *testing.T) {
	ls := labelSets{identities: &identities{seed: maphash.MakeSeed(), mask: ^uint64(0)}}
	positions := make([]labelsPos, 1000)
	for i := range positions {
		positions[i] = ls.intern(fmt.Appendf(nil, `a="%0*d"`, 1+i%200, i))
	}
	huge := ls.intern([]byte(`a="` + strings.Repeat("v", 2*shelfBytes) + `"`))
	apart := 0
	var before shelfAt
	for _, pos := range slices.Concat(positions, []labelsPos{huge}) {
		text := ls.text(pos)
		ls.pack(pos)
		at := ls.at(pos).at
		if ls.pack(pos); ls.text(pos) != text || ls.at(pos).at != at {
			t.Fatalf("%.40s is packed as %.40s, or twice", text, ls.text(pos))
		}
		if again := ls.intern([]byte(text)); again != pos || ls.at(pos).refs != 2 {
			t.Fatalf("%.40s is no longer found", text)
		}
		if at.block != before.block || at.from != before.from+before.size {
			apart++
		}
		before = at
		ls.release(pos)
	}
	if most := 1000*107/shelfBytes + 3; apart > most {
		t.Errorf("%d sets do not follow the one before, want at most %d", apart, most)
	}
	for _, pos := range slices.Concat(positions, []labelsPos{huge}) {
		ls.release(pos)
	}
	if ls.index.live != 0 || ls.inUse() != 0 || ls.texts.live != 0 {
		t.Errorf("%d sets are left, %d are in use, of %d bytes", ls.index.live, ls.inUse(), ls.texts.live)
	}
}

// Label sets come and go, and some stay: what they hold of a shelf is bounded, and texts stay what they are.
func TestShelfStaysSmall(t *testing.T) {
	ls := labelSets{identities: &identities{seed: maphash.MakeSeed(), mask: ^uint64(0)}}
	text := func(i int) string { return fmt.Sprintf(`a="%0100d"`, i) }
	const sets = 20_000
	kept := map[labelsPos]metric.Labels{}
	for round := range 10 {
		var gone []labelsPos
		for i := range sets {
			pos := ls.intern([]byte(text(round*sets + i)))
			if i%400 == 0 {
				kept[pos] = ls.text(pos)
			} else {
				gone = append(gone, pos)
			}
		}
		for _, pos := range gone {
			ls.release(pos)
		}
		for from := labelsPos(0); ls.texts.wasteful() && ls.compact(from, 1000); from += 1000 {
		}
		if ls.texts.wasteful() {
			t.Fatalf("round %d: %d bytes for %d", round, ls.texts.bytes, ls.texts.live)
		}
	}
	for pos, want := range kept {
		if got := ls.text(pos); got != want || ls.intern([]byte(want)) != pos {
			t.Fatalf("%s became %s, or is not found", want, got)
		}
	}
	if most := 4*shelfBytes + 2*ls.texts.live; ls.texts.bytes > most || len(ls.texts.blocks) > 2*sets*107/shelfBytes {
		t.Errorf("%d bytes for %d, %d blocks", ls.texts.bytes, ls.texts.live, len(ls.texts.blocks))
	}
}
