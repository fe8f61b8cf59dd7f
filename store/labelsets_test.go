package store

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"

	"pgregory.net/rapid"
)

// labelModel is what labelSets must be: texts with their references.
type labelModel struct {
	labelSets

	refs  map[string]int
	at    map[string]labelsPos
	given []givenText
}

// givenText is a text that a reader holds.
type givenText struct {
	got  metric.Labels
	want string
}

func (m *labelModel) intern(t *rapid.T) {
	name := rapid.StringMatching(`[a-c]`).Draw(t, "name")
	size := rapid.SampledFrom([]int{-1, 0, 9, shelfBytes / 3, 2 * shelfBytes}).Draw(t, "size")
	text := ""
	if size >= 0 {
		text = name + `="` + strings.Repeat("v", size) + `"`
	}
	pos := m.labelSets.intern([]byte(text))
	if m.refs[text]++; m.refs[text] > 1 && m.at[text] != pos {
		t.Fatalf("%.20s is at %d and %d", text, m.at[text], pos)
	}
	m.at[text] = pos
}

// one draws a text that is there.
func (m *labelModel) one(t *rapid.T) (text string, pos labelsPos) {
	if len(m.refs) == 0 {
		t.Skip("there is none")
	}
	text = rapid.SampledFrom(slices.Sorted(maps.Keys(m.refs))).Draw(t, "text")
	return text, m.at[text]
}

func (m *labelModel) release(t *rapid.T) {
	text, pos := m.one(t)
	m.labelSets.release(pos)
	if m.refs[text]--; m.refs[text] == 0 {
		delete(m.refs, text)
	}
}

func (m *labelModel) pack(t *rapid.T) {
	text, pos := m.one(t)
	m.given = append(m.given, givenText{m.labelSets.pack(pos), text})
}

func (m *labelModel) compact(t *rapid.T) {
	const sets = 2
	for from := labelsPos(0); m.labelSets.compact(from, sets); from += sets {
	}
}

// check compares the sets with the model, and what the shelf knows of its blocks with the sets.
func (m *labelModel) check(t *rapid.T) {
	live := map[uint32]int{}
	all := 0
	for text, refs := range m.refs {
		set := m.labelSets.at(m.at[text])
		if got := m.text(m.at[text]); string(got) != text || int(set.refs) != refs {
			t.Fatalf("%.20s became %.20s, %d references are %d", text, got, refs, set.refs)
		}
		live[set.at.block] += len(text)
		all += len(text)
	}
	for _, given := range m.given {
		if string(given.got) != given.want {
			t.Fatalf("a reader has %.20s in the place of %.20s", given.got, given.want)
		}
	}
	size := 0
	for i, b := range m.texts.blocks {
		size += b.size
		if b.live != live[uint32(i)] || b.live == 0 && b.size > 0 && uint32(i) != m.texts.filled {
			t.Fatalf("block %d of %d bytes: %d live, want %d", i, b.size, b.live, live[uint32(i)])
		}
	}
	if m.texts.live != all || m.texts.bytes != size || m.index.live != len(m.refs) || m.inUse() != len(m.refs) {
		t.Fatalf("%d of %d bytes, want %d of %d; %d slots for %d sets", m.texts.live, m.texts.bytes, all, size, m.index.live,
			len(m.refs))
	}
}

// Whatever comes, goes and is moved: label sets and those who read them keep their texts, even if all hashes are equal.
func TestLabelSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mask := rapid.SampledFrom([]uint64{0, 1, ^uint64(0)}).Draw(t, "mask")
		m := labelModel{refs: map[string]int{}, at: map[string]labelsPos{}}
		m.identities = &identities{seed: maphash.MakeSeed(), mask: mask}
		t.Repeat(map[string]func(*rapid.T){
			"intern": m.intern, "release": m.release, "pack": m.pack, "compact": m.compact, "": m.check,
		})
	})
}

// A series without labels outlives those whose labels were kept beside its own.
func TestSeriesWithoutLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		write(s, gauge("others", 1, "a", strings.Repeat("v", 100)))
		write(s, gauge("bare", 1))
		for i := range shelfBytes / 100 {
			write(s, gauge("others", 1, "a", fmt.Sprintf("%0100d", i)))
		}
		dump(s)
		<-time.After(10 * time.Minute)
		write(s, at(10*time.Minute, gauge("bare", 2)))
		s.sweep(time.Now())
		if got := dump(s); got != "gauge cf_bare{} 2\n" {
			t.Errorf("got\n%s", got)
		}
		<-time.After(10 * time.Minute)
		s.sweep(time.Now())
		if got := dump(s); got != "" {
			t.Errorf("got\n%s", got)
		}
	})
}
