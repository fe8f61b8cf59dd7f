package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

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
	ls := labelSets{by: map[metric.Labels]labelsPos{}}
	positions := make([]labelsPos, 1000)
	for i := range positions {
		positions[i] = ls.intern(metric.Labels(fmt.Sprintf(`a="%0*d"`, 1+i%200, i)))
	}
	huge := ls.intern(metric.Labels(`a="` + strings.Repeat("v", 2*shelfBytes) + `"`))
	apart := 0
	var before metric.Labels
	for _, pos := range slices.Concat(positions, []labelsPos{huge}) {
		text := ls.all[pos].text
		packed := ls.pack(pos)
		if packed != text || unsafe.StringData(string(ls.pack(pos))) != unsafe.StringData(string(packed)) {
			t.Fatalf("%.40s is packed as %.40s, or twice", text, packed)
		}
		if again := ls.intern(text); again != pos || ls.all[pos].refs != 2 {
			t.Fatalf("%.40s is no longer found", text)
		}
		if before != "" &&
			uintptr(unsafe.Pointer(unsafe.StringData(string(packed))))-uintptr(unsafe.Pointer(unsafe.StringData(string(before)))) != uintptr(len(before)) {
			apart++
		}
		before = packed
		ls.release(pos)
	}
	if most := 1000*107/shelfBytes + 2; apart > most {
		t.Errorf("%d sets do not follow the one before, want at most %d", apart, most)
	}
	for _, pos := range slices.Concat(positions, []labelsPos{huge}) {
		ls.release(pos)
	}
	if len(ls.by) != 0 || ls.inUse() != 0 {
		t.Errorf("%d sets are left, %d are in use", len(ls.by), ls.inUse())
	}
}
