package store

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"loggregator_exporter/metric"
)

// Totals that come in any order, some of them twice, leave what their sender has counted last; deltas in order, some of
// them twice, leave their sum.
func TestDistributionsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		isDelta := rapid.Bool().Draw(rt, "delta")
		n := rapid.IntRange(1, 20).Draw(rt, "points")
		var total, sum uint64
		var points []*metric.Envelope
		began := start
		for i := range n {
			if i > 0 && rapid.IntRange(0, 4).Draw(rt, "restart") == 0 {
				total, began = 0, start+int64(i)
			}
			added := rapid.Uint64Range(0, 5).Draw(rt, "added")
			total, sum = total+added, sum+added
			e := sent("h", nil, []uint64{total})
			if isDelta {
				e = delta(sent("h", nil, []uint64{added}))
			}
			e.Timestamp, e.Began, e.Arrived = start+int64(i)+1, began, start+int64(n)+1
			points = append(points, e)
		}
		order := slices.Clone(points)
		if !isDelta {
			order = rapid.Permutation(points).Draw(rt, "order")
		}
		s := testStore(t)
		for _, e := range order {
			for range rapid.IntRange(1, 2).Draw(rt, "times") {
				write(s, e)
			}
		}
		pos := entryPos(1)
		x := s.distributions.at(s.entries.at(pos).distribution())
		want, wantStart := total, began
		if isDelta {
			want, wantStart = sum, start
		}
		if x.count != want || x.start != wantStart || s.entries.at(pos).stamp != start+int64(n) {
			rt.Fatalf("%d since %d, want %d since %d", x.count, x.start-start, want, wantStart-start)
		}
	})
}

// Whatever a sender counts in native buckets, each observation is in a bucket that holds what its own one held.
func TestNativeBucketsOfSenders(t *testing.T) {
	side := rapid.Custom(func(t *rapid.T) metric.NativeBuckets {
		return metric.NativeBuckets{
			First:  rapid.Int32Range(-300, 300).Draw(t, "first"),
			Counts: rapid.SliceOfN(rapid.Uint64Range(0, 3), 0, 400).Draw(t, "counts"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		n := newNative()
		n.reset(maxNativeSchema, 0)
		type key struct {
			negative bool
			i        int32
		}
		type point struct {
			schema int32
			key    key
			count  uint64
		}
		var all []point
		for range rapid.IntRange(1, 3).Draw(t, "points") {
			d := &metric.Distribution{
				Schema:   rapid.Int32Range(2, maxNativeSchema).Draw(t, "schema"),
				Positive: side.Draw(t, "positive"), Negative: side.Draw(t, "negative"),
			}
			n.addSent(d, &conversion{mul: 1, div: 1})
			for i, c := range d.Positive.Counts {
				all = append(all, point{d.Schema, key{false, d.Positive.First + int32(i)}, c})
			}
			for i, c := range d.Negative.Counts {
				all = append(all, point{d.Schema, key{true, d.Negative.First + int32(i)}, c})
			}
		}
		want, got := map[key]uint64{}, map[key]uint64{}
		for _, p := range all {
			upper := math.Exp2(float64(p.key.i) * math.Exp2(-float64(p.schema)))
			p.key.i = int32(math.Ceil(math.Log2(upper)*math.Exp2(float64(n.schema)) - 1e-6))
			if p.count > 0 {
				want[p.key] += p.count
			}
		}
		for negative, b := range map[bool]*buckets{false: &n.positive, true: &n.negative} {
			if len(b.Counts) > maxNativeBuckets {
				t.Fatalf("%d buckets", len(b.Counts))
			}
			for i, c := range b.Counts {
				if c > 0 {
					got[key{negative, b.First + int32(i)}] = c
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("schema %d: %s", n.schema, diff)
		}
	})
}

// Series of senders that report at regular intervals end soon after they fall silent, if that is switched on.
func TestDistributionsExpireByTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.AdaptiveExpiration = true })
		for i := range 8 {
			after := time.Duration(i) * 15 * time.Second
			write(s, at(after, sent("h", nil, []uint64{1})))
			write(s, at(after, sentSummary("s", 1)))
		}
		write(s, sent("once", nil, []uint64{1}))
		time.Sleep(7*15*time.Second + 55*time.Second)
		if got := dumpAll(s); len(got) != 3 {
			t.Error(got)
		}
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]string{"cf_once{} since ?: [] [1] 1 10"}, dumpAll(s)); diff != "" {
			t.Error(diff)
		}
	})
}
