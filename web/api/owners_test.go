package api

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// The limit on owners holds for requests of no app as well: they are the router's, of whom the page counts no more series
// than the limit allows.
func TestOwnersAtLimit(t *testing.T) {
	limits := store.LimitOptions{PerOwner: 3, Owner: store.OwnerSourceID}
	f := newFixture(t, func(o *store.Options) { o.Limits = limits })
	for i := range 5 {
		f.gauge("gorouter", "queue."+strconv.Itoa(i)+".depth")
	}
	now := time.Now().UnixNano()
	f.send(&metric.Envelope{
		Kind: metric.KindTimer, Name: []byte("http"), Start: now - 1, Stop: now, Arrived: now,
	}, "gorouter", "peer_type", "Server", "method", "GET", "status_code", "200")
	c, err := f.Cardinality(t.Context(), CardinalityQuery{})
	if err != nil {
		t.Fatal(err)
	}
	limit := c.Limits[2]
	if limit.Highest != 3 || limit.Of != "gorouter" || limit.Full != 1 || f.store.LimitState().LargestOwnerSeries != 3 {
		t.Errorf("%+v, %+v", limit, f.store.LimitState())
	}
}

// The list of owners can be kept to apps or components; a cursor holds for one of these lists only.
func TestOwners(t *testing.T) {
	const app = "0e98fd00-47b2-4589-94f0-385f78b3a04d"
	all := []OwnerSize{{Owner: "rep"}, {Owner: app}, {Owner: "space", App: "checkout"}, {Owner: "bbs"}}
	for kind, want := range map[string][]string{
		"": {"rep", app, "space", "bbs"}, OwnersApps: {app, "space"}, OwnersComponents: {"rep", "bbs"},
	} {
		var got []string
		for _, o := range ownersOf(all, kind) {
			got = append(got, o.Owner)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", kind, got, want)
		}
	}
	out := &Cardinality{Totals: map[string]int{}}
	if _, err := ownerList.show(all, &CardinalityQuery{List: "owners", Limit: 1}, out); err != nil || out.Next == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	q := CardinalityQuery{List: "owners", Owners: OwnersApps, Limit: 1, Cursor: out.Next}
	if _, err := ownerList.show(ownersOf(all, q.Owners), &q, out); err == nil {
		t.Error("the cursor of another list is taken")
	}
}

// A rule's examples name no name twice, whatever its kinds and units, and each row is counted once.
func TestRuleExamples(t *testing.T) {
	var u ruleUsage
	for i, name := range []string{"a", "a", "b", "c", "d"} {
		u.add(i+1, 2)
		u.add(i+1, 2)
		u.examples = addExample(u.examples, name)
	}
	if want := []string{"a", "b", "c"}; u.names != 5 || u.series != 10 || !slices.Equal(u.examples, want) {
		t.Errorf("%d names, %d series, %q", u.names, u.series, u.examples)
	}
}

// TestOwnerLabels: the series of an owner are found by a label.
func TestOwnerLabels(t *testing.T) {
	f := newFixture(t)
	f.gauge("rep", "queue.mail.depth")
	f.gauge("cell", "queue.post.depth", "app_id", "an-app")
	now := time.Now().UnixNano()
	f.send(&metric.Envelope{
		Kind: metric.KindTimer, Name: []byte("http"), Start: now - 1, Stop: now, Arrived: now,
	}, "gorouter", "app_id", "an-app", "peer_type", "Server", "method", "GET", "status_code", "200")
	c, err := f.Cardinality(t.Context(), CardinalityQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range c.Owners {
		of, err := f.Cardinality(t.Context(), CardinalityQuery{Label: o.Label, Value: o.Owner})
		if err != nil || of.Series != o.Series {
			t.Errorf("%+v: %d series, %v", o, of.Series, err)
		}
		got = append(got, o.Label+" "+o.Owner)
	}
	if slices.Sort(got); !slices.Equal(got, []string{"app_id an-app", "origin rep"}) {
		t.Errorf("%q", got)
	}
}
