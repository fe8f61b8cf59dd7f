package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/web/live"
)

func TestNear(t *testing.T) {
	f := newFixture(t)
	f.fill()
	for i := range 9 {
		f.gauge("shop", fmt.Sprintf("shop.cart%d.items", i))
	}
	s, err := f.snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		text           string
		names, metrics []string
	}{
		{"queue.mial.depth", []string{"queue.mail.depth", "queue.chat.depth"}, []string{"cf_queue_depth"}},
		{"cf_queue_dept", []string{"queue.chat.depth", "queue.mail.depth"}, []string{"cf_queue_depth"}},
		{"NUMBYTESALOCATED", nil, nil},
		{"num_bytes_alocated", []string{"memoryStats.numBytesAllocated", "rep.memoryStats.numBytesAllocated"}, []string{"cf_num_bytes_allocated"}},
		{
			"shop.carts.items",
			[]string{"shop.cart0.items", "shop.cart1.items", "shop.cart2.items", "shop.cart3.items", "shop.cart4.items"},
			[]string{"cf_cart0_items", "cf_cart1_items", "cf_cart2_items", "cf_cart3_items", "cf_cart4_items"},
		},
		{"nothing like it", nil, nil},
		{"...", nil, nil},
		{"", nil, nil},
	} {
		names, metrics, err := near(t.Context(), s, tc.text)
		if err != nil || !slices.Equal(names, tc.names) || !slices.Equal(metrics, tc.metrics) {
			t.Errorf("%s: %q, %q, %v; want %q, %q", tc.text, names, metrics, err, tc.names, tc.metrics)
		}
	}
}

// TestNearOnPage offers names only where nothing was found.
func TestNearOnPage(t *testing.T) {
	f := newFixture(t)
	f.fill()
	for _, tc := range []struct {
		q              NamesQuery
		names, metrics []string
	}{
		{NamesQuery{Search: "queue.mial.depth"}, []string{"queue.mail.depth", "queue.chat.depth"}, []string{"cf_queue_depth"}},
		{NamesQuery{Metric: "cf_queue_deptt"}, []string{"queue.chat.depth", "queue.mail.depth"}, []string{"cf_queue_depth"}},
		{NamesQuery{Search: "queue.mail.depth"}, nil, nil},
		{NamesQuery{State: StateRefused}, nil, nil},
		{NamesQuery{Search: "queue.mail.depth", State: StateRefused}, nil, nil},
		{NamesQuery{Search: "queue.mial.depth", Owner: "rep"}, nil, nil},
	} {
		page, err := f.Names(t.Context(), tc.q)
		if err != nil || !slices.Equal(page.NearNames, tc.names) || !slices.Equal(page.NearMetrics, tc.metrics) {
			t.Errorf("%+v: %q, %q, %v", tc.q, page.NearNames, page.NearMetrics, err)
		}
	}
}

// FuzzNear: no text takes long, and what is offered is there.
func FuzzNear(f *testing.F) {
	f.Add("queue.mail.depth", "queue.mial.depth")
	f.Add(strings.Repeat("w.", 500), "\xff\x00\u202e")
	f.Fuzz(func(t *testing.T, name, text string) {
		s := &live.Snapshot{Names: []live.Name{{Name: name}}}
		names, metrics, err := near(t.Context(), s, text)
		if err != nil || len(metrics) > 0 || len(names) > 1 || len(names) == 1 && names[0] != name {
			t.Errorf("%q, %q, %v", names, metrics, err)
		}
	})
}

// TestNearButCase: a name of which only the case differs is offered, though its capitals make other words of it.
func TestNearButCase(t *testing.T) {
	f := newFixture(t)
	f.fill()
	for name, first := range map[string]string{
		"REP.memorystats.numbytesallocated":       "rep.memoryStats.numBytesAllocated",
		"Rep.MEMORYSTATS.NUMBYTESALLOCATED":       "rep.memoryStats.numBytesAllocated",
		"ROUTER__1.memorystats.NumBytesALLocated": "memoryStats.numBytesAllocated",
	} {
		x, err := f.Explain(t.Context(), ExplainQuery{Name: name, Series: 1})
		if err != nil {
			t.Fatal(err)
		}
		if p := x.Presence; p.State != "unseen" || len(p.NearNames) == 0 || p.NearNames[0] != first {
			t.Errorf("%s: %+v, want %s first", name, p, first)
		} else if isSame := strings.EqualFold(name, first); isSame != strings.HasPrefix(p.Remedy, "Only the case") {
			t.Errorf("%s: %s", name, p.Remedy)
		}
	}
}

// TestUnseenWouldBeDropped: of a name that never came it is said that a rule would drop it.
func TestUnseenWouldBeDropped(t *testing.T) {
	x, err := newFixture(t).Explain(t.Context(), ExplainQuery{Name: "dropped.z", Series: 1})
	if err != nil || !strings.HasSuffix(x.Presence.Sentence, " If it came, rule user/dropped would drop it.") {
		t.Errorf("%+v, %v", x.Presence, err)
	}
}
