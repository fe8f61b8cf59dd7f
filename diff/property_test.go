package diff

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/tools/txtar"

	"loggregator_exporter/compat"
	"loggregator_exporter/metric"
)

// randomNames makes names that often meet: few words, kinds and units.
func randomNames(r *rand.Rand, n int) []*Name {
	words := []string{"queue", "orders", "payments", "depth", "router__0", "memoryStats", "x_bucket", "x_sum", "http", "7"}
	kinds := []metric.Kind{
		metric.KindGauge, metric.KindGauge, metric.KindCounter, metric.KindTimer, metric.KindHistogram, metric.KindSummary,
	}
	names := make([]*Name, n)
	for i := range names {
		names[i] = &Name{
			Origin: words[r.IntN(3)], Name: words[r.IntN(len(words))], Kind: kinds[r.IntN(len(kinds))],
			Unit: []string{"", "ms", "bytes"}[r.IntN(3)], Series: r.IntN(3),
		}
		for range r.IntN(3) {
			names[i].Name += "." + words[r.IntN(len(words))]
		}
		if r.IntN(4) == 0 {
			names[i].Tags = []metric.Label{{Name: "le", Value: "1"}, {Name: "ip", Value: words[r.IntN(3)]}}
		}
	}
	return names
}

// randomSide takes some rules, and some settings.
func randomSide(tb testing.TB, r *rand.Rand) *Side {
	tb.Helper()
	rules := []string{
		`{pattern: "queue.{queue}.{leaf}", name: "queue.{leaf}"}`,
		`{pattern: "queue.{_}.{leaf}", name: "queue.{leaf}"}`,
		`{prefix: "{component:origin}"}`,
		`{pattern: "orders.{_}", drop: true}`,
		`{pattern: "payments.{leaf}", name: "{leaf}", kind: counter, unit: seconds}`,
		`{pattern: "depth", name: "queue.depth", help: "Depth."}`,
	}
	text := "version: 1\nrules:\n"
	for _, rule := range rules {
		if r.IntN(2) == 0 {
			text += "  - " + rule + "\n"
		}
	}
	side := ownSide(tb, txtar.File{Name: "rules.yaml", Data: []byte(text)})
	side.Own.Naming.Namespace = []string{"cf", "pcf"}[r.IntN(2)]
	if r.IntN(2) == 0 {
		side.Own.Labels.Drop = []string{"ip"}
	}
	if r.IntN(3) == 0 {
		side.Compat = &compat.Options{Namespace: "firehose"}
	}
	return side
}

// opposite is what a kind of change is the other way round.
var opposite = map[Kind]Kind{
	LabelGained: LabelLost, LabelLost: LabelGained, Merged: Split, Split: Merged, Accepted: "", Refused: "", Dropped: "",
}

// inventory counts names by their series and kinds of changes. Of a name without series on one side it is not looked at
// why: a rule drops it, or it is refused.
func inventory(r *Report, mirrored bool) map[string]int {
	all := map[string]int{}
	for _, g := range r.Groups {
		for _, c := range g.Changes {
			kinds := map[Kind]bool{}
			for _, k := range c.Kinds {
				if other, differs := opposite[k]; differs && (mirrored || other == "") {
					k = other
				}
				kinds[k] = true
			}
			before, after := c.Before, c.After
			if mirrored {
				before, after = after, before
			}
			text, _ := json.Marshal([]any{c.Name, before, after, slices.Sorted(maps.Keys(kinds))})
			all[string(text)]++
		}
	}
	return all
}

// TestProperties: a side does not differ from itself, the change back is the mirror image of the change, the same input
// gives the same report, and the series of a side are those that its names have against any other side.
func TestProperties(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			names := randomNames(r, 120)
			a, b := randomSide(t, r), randomSide(t, r)
			compare := func(before, after *Side) *Report {
				report, err := Compare(t.Context(), slices.Values(names), before, after, Options{})
				if err != nil {
					t.Fatal(err)
				}
				return report
			}
			if same := compare(a, a); len(same.Groups) > 0 || same.Changed > 0 || same.Breaks {
				t.Errorf("a side differs from itself: %+v", same.Groups)
			}
			there, back := compare(a, b), compare(b, a)
			if there.SeriesBefore != back.SeriesAfter || there.SeriesAfter != back.SeriesBefore ||
				there.ConflictsBefore != back.ConflictsAfter || there.Changed != back.Changed || there.Names != back.Names {
				t.Errorf("%+v is not the mirror image of %+v", there, back)
			}
			if there.Changed == 0 && seed < 3 {
				t.Error("nothing changes")
			}
			was, is := inventory(there, false), inventory(back, true)
			for text, n := range was {
				if is[text] != n {
					t.Errorf("there are %d of %s, and back %d", n, text, is[text])
				}
			}
			first, _ := json.Marshal(there)
			second, _ := json.Marshal(compare(a, b))
			if string(first) != string(second) {
				t.Error("the same input gives another report")
			}
		})
	}
}

// TestBounds: names beyond a bound are left out and told, changes beyond one are counted, and a done context ends it.
func TestBounds(t *testing.T) {
	names := manyNames(3000)
	before, after := catalogueSide(t, "cf"), catalogueSide(t, "pcf")
	r, err := Compare(t.Context(), slices.Values(names), before, after, Options{MaxNames: 2000, MaxChanges: 7})
	if err != nil || r.Names != 2000 || !r.Truncated || r.Changed != 2000 || len(r.Groups) != 1 {
		t.Fatalf("%v: %+v", err, r)
	}
	if g := r.Groups[0]; len(g.Changes) != 7 || g.Omitted != 1993 || g.Names != 2000 || g.Series != 2000 {
		t.Errorf("%d changes, %d omitted, %d names, %d series", len(g.Changes), g.Omitted, g.Names, g.Series)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Compare(ctx, slices.Values(names), before, after, Options{}); err == nil {
		t.Error("it did not end")
	}
}
