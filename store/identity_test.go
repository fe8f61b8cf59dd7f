package store

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"loggregator_exporter/metric"

	"pgregory.net/rapid"
)

func TestIdentityIsExact(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", "b", "ab", "aaaaaaaa", "aaaaaaaab", "aaaaaaaac", "a\x00", "\x01a"})
	type identity struct {
		source, instance string
		tags             []metric.Tag
	}
	draw := rapid.Custom(func(t *rapid.T) identity {
		id := identity{source: word.Draw(t, "source"), instance: word.Draw(t, "instance")}
		for range rapid.IntRange(0, 5).Draw(t, "tags") {
			// Keys are part of a message, or not: bytes behind them must make no difference.
			key := []byte(word.Draw(t, "key") + "next bytes")
			key = key[:len(key)-len("next bytes")]
			if rapid.Bool().Draw(t, "alone") {
				key = slices.Clip(key)
			}
			id.tags = append(id.tags, metric.Tag{Key: key, Value: []byte(word.Draw(t, "value"))})
		}
		return id
	})
	var sorter tagOrder // keeps what it saw last, which must make no difference
	canonical := func(id identity) string {
		order := sorter.sort(id.tags)
		return string(appendIdentity(make([]byte, 0, 64), []byte(id.source), []byte(id.instance), id.tags, order))
	}
	meaning := func(id identity) map[string]string {
		m := map[string]string{}
		for _, tag := range id.tags {
			m[string(tag.Key)] = string(tag.Value)
		}
		maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
		return m
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if rapid.Bool().Draw(t, "same tags") {
			b.tags = rapid.Permutation(a.tags).Draw(t, "order")
		}
		same := a.source == b.source && a.instance == b.instance && maps.Equal(meaning(a), meaning(b))
		if got := canonical(a) == canonical(b); got != same {
			t.Fatalf("equal keys: %v, equal identities: %v", got, same)
		}
		source, instance, parsed := parseIdentity(canonical(a))
		back := map[string]string{}
		for i, l := range parsed {
			back[l.Name] = l.Value
			if i > 0 && parsed[i-1].Name >= l.Name {
				t.Fatalf("tags out of order: %v", parsed)
			}
		}
		if source != a.source || instance != a.instance || !maps.Equal(back, meaning(a)) {
			t.Fatalf("%q %q %v came back of %+v", source, instance, back, a)
		}
	})
}

// With a hash that is always the same every look-up has to compare everything.
func TestConstantHash(t *testing.T) { synctest.Test(t, testConstantHash) }

func testConstantHash(t *testing.T) {
	normal, constant := testStore(t), testStore(t)
	constant.entries.mask = 0
	for _, s := range []*Store{normal, constant} {
		for _, name := range []string{"a", "b", "ab"} {
			for _, origin := range []string{"x", "y", "xy"} {
				for _, value := range []float64{1, 2} {
					if got := write(s, gauge(name, value, "origin", origin)); got != "stored" {
						t.Errorf("%s of %s: %s", name, origin, got)
					}
				}
			}
		}
		s.sweep(timeOf(start).Add(10*time.Minute - 1))
	}
	want := `gauge cf_a{component="x",origin="x"} 2
gauge cf_a{component="xy",origin="xy"} 2
gauge cf_a{component="y",origin="y"} 2
gauge cf_ab{component="x",origin="x"} 2
gauge cf_ab{component="xy",origin="xy"} 2
gauge cf_ab{component="y",origin="y"} 2
gauge cf_b{component="x",origin="x"} 2
gauge cf_b{component="xy",origin="xy"} 2
gauge cf_b{component="y",origin="y"} 2
`
	if got := dump(normal); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := dump(constant); got != want {
		t.Errorf("with a constant hash: got\n%swant\n%s", got, want)
	}
	constant.sweep(timeOf(start).Add(10 * time.Minute))
	if got := constant.Stats(); got != (Stats{}) {
		t.Errorf("left after everything expired: %+v", got)
	}
}

// taken is how many slots hold a position, or did.
func taken(slots []slot[uint32], deleted bool) (n int) {
	for _, s := range slots {
		if s.pos != 0 && (deleted || s.pos != slotDeleted) {
			n++
		}
	}
	return n
}

func TestIndexGrowsAndShrinks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index[uint32]
		hash := func(pos uint32) uint64 { return uint64(pos % 7) } // many collisions
		live := map[uint32]bool{}
		for range rapid.IntRange(0, 1000).Draw(t, "operations") {
			pos := rapid.Uint32Range(1, 200).Draw(t, "position")
			if live[pos] {
				x.remove(hash(pos), pos)
				delete(live, pos)
			} else {
				x.insert(hash(pos), pos)
				live[pos] = true
			}
			x.move(rapid.SampledFrom([]int{0, 0, 0, 50}).Draw(t, "moved"))
			if used := taken(x.slots, true) + taken(x.old, false); x.used != used || 4*used > 3*len(x.slots) || x.live != len(live) {
				t.Fatalf("%d of %d slots are used, it says %d; %d positions, it says %d", used, len(x.slots), x.used, len(live), x.live)
			}
		}
		for pos := uint32(1); pos <= 200; pos++ {
			got := x.find(hash(pos), func(p uint32) bool { return p == pos })
			if (got != 0) != live[pos] || got != 0 && got != pos {
				t.Fatalf("find(%d) = %d, want %v", pos, got, live[pos])
			}
		}
	})
}

func TestSeriesFillsOneCacheLine(t *testing.T) {
	if size := unsafe.Sizeof(entry{}); size != 64 {
		t.Errorf("%d bytes", size)
	}
}

// What is not legal in a classic name becomes an underscore there, and so may be a name of the exporter's own.
func TestReservedNamesEscaped(t *testing.T) {
	s := testStore(t, func(o *Settings) { o.Naming.Verbatim, o.Reserved = true, []string{"firehose_"} })
	for _, name := range []string{"go.goroutines", "loggregator_exporter.series", "firehose.http_total", "go_goroutines"} {
		if got := write(s, gauge(name, 1)); got != "conflict" {
			t.Errorf("%s: %s", name, got)
		}
	}
}
