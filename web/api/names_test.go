package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/store"
)

// row is a name as tests write it.
func row(n *Name) string {
	return strings.TrimSpace(fmt.Sprintf("%s|%s|%s|%s|%s|%d/%d|%s", n.Name, n.Kind, strings.Join(n.Origins, ","),
		strings.Join(n.Metrics, ","), n.Rule, n.Series, n.Refused, n.State))
}

func rows(t *testing.T, a *API, q NamesQuery) (got []string, page *NamesPage) {
	t.Helper()
	page, err := a.Names(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for i := range page.Names {
		got = append(got, row(&page.Names[i]))
	}
	return got, page
}

const (
	rowMemory = "memoryStats.numBytesAllocated|gauge|rep,router__0,router__1|cf_num_bytes_allocated|runtime/memory-stats|3/0|tagged"
	// rowMemoryOfOne is what one of the three senders has.
	rowMemoryOfOne = "memoryStats.numBytesAllocated|gauge|rep,router__0,router__1|cf_num_bytes_allocated|runtime/memory-stats|1/0|tagged"

	rowConflict = "rep.memoryStats.numBytesAllocated|gauge|rep|cf_num_bytes_allocated|runtime/memory-stats|0/1|conflict"
	rowDropped  = "dropped.a|gauge|rep|cf_dropped_a|user/dropped|0/1|dropped"
	rowMail     = "queue.mail.depth|gauge|rep|cf_queue_depth|user/queue|1/0|tagged"
	rowChat     = "queue.chat.depth|gauge|rep|cf_queue_depth|user/queue|1/0|tagged"
	rowUntagged = "Untagged Name|counter|app|cf_untagged_name_total||1/0|untagged"
)

func TestNames(t *testing.T) {
	f := newFixture(t)
	f.fill()
	for _, tc := range []struct {
		name string
		q    NamesQuery
		want []string
	}{
		{"all", NamesQuery{}, []string{rowUntagged, rowDropped, rowMemory, rowChat, rowMail, rowConflict}},
		{"words in any order and case", NamesQuery{Search: "ALLOCATED router__1"}, []string{rowMemory}},
		{"by metric's name", NamesQuery{Search: "queue_depth"}, []string{rowChat, rowMail}},
		{"by origin and name", NamesQuery{Search: "REP.queue.mail"}, []string{rowMail}},
		{"by another origin and name", NamesQuery{Search: "app.queue.mail"}, nil},
		{"nothing", NamesQuery{Search: "queue router"}, nil},
		{"state", NamesQuery{State: StateConflict}, []string{rowConflict}},
		{"metric", NamesQuery{Metric: "cf_num_bytes_allocated"}, []string{rowMemory, rowConflict}},
		{"no such metric", NamesQuery{Metric: "cf_num"}, nil},
		{"metric of a dropped name", NamesQuery{Metric: "cf_dropped_a"}, []string{rowDropped}},
		{"expression", NamesQuery{Search: `sum(rate(cf_queue_depth_count{queue="a"}[5m]))`}, []string{rowChat, rowMail}},
		{"expression of a dropped name", NamesQuery{Search: "max(cf_dropped_a)"}, []string{rowDropped}},
		{"rule", NamesQuery{Rule: "user/queue"}, []string{rowChat, rowMail}},
		{"rule and owner", NamesQuery{Rule: "runtime/memory-stats", Owner: "router__0"}, []string{rowMemoryOfOne}},
		{"owner", NamesQuery{Owner: "app"}, []string{rowUntagged}},
		{"by series", NamesQuery{Sort: "series", Descending: true, Limit: 2}, []string{rowMemory, rowUntagged}},
		{"by state", NamesQuery{Sort: "state", Limit: 2}, []string{rowConflict, rowDropped}},
		{"backwards", NamesQuery{Descending: true, Limit: 1}, []string{rowConflict}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, _ := rows(t, f.API, tc.q); !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
	_, page := rows(t, f.API, NamesQuery{State: StateTagged, Search: "depth"})
	if page.Total != 2 || page.All != 6 || page.States[StateTagged] != 2 || page.States[StateConflict] != 0 {
		t.Errorf("%+v", page)
	}
	if _, err := f.Names(t.Context(), NamesQuery{Rule: "none"}); !isType(err, ErrorNotFound) {
		t.Error(err)
	}
}

func isType(err error, want ErrorType) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Type == want
}

// TestNamesPages reads all pages in every order, forwards and backwards: together they are the whole list, once.
func TestNamesPages(t *testing.T) {
	f := newFixture(t)
	f.fill()
	for i := range 25 {
		for range i % 3 {
			f.gauge(fmt.Sprintf("o%d", i%4), fmt.Sprintf("name\xff%d", i), "index", fmt.Sprint(i))
		}
	}
	for by := range nameKeys {
		for _, descending := range []bool{false, true} {
			q := NamesQuery{Sort: by, Descending: descending, Limit: 1000}
			whole, _ := rows(t, f.API, q)
			q.Limit = 4
			var pages, back []string
			last := ""
			for q.Cursor = "first"; q.Cursor != ""; {
				q.Cursor = strings.TrimPrefix(q.Cursor, "first")
				got, page := rows(t, f.API, q)
				pages, back, last = append(pages, got...), got, page.Previous
				q.Cursor = page.Next
			}
			for q.Cursor = last; q.Cursor != ""; {
				got, page := rows(t, f.API, q)
				back = append(got, back...)
				q.Cursor = page.Previous
			}
			if !slices.Equal(whole, pages) || !slices.Equal(whole, back) || len(whole) != 22 {
				t.Errorf("%s %v: %d names, and by pages\n%s\nand backwards\n%s\nwant\n%s", by, descending, len(pages),
					strings.Join(pages, "\n"), strings.Join(back, "\n"), strings.Join(whole, "\n"))
			}
		}
	}
}

// TestNamesWithoutRoom shows names that the store has no room to remember.
func TestNamesWithoutRoom(t *testing.T) {
	f := newFixture(t, func(o *store.Options) { o.MaxSeries = 1 })
	f.gauge("rep", "first")
	f.gauge("rep", "second")
	got, _ := rows(t, f.API, NamesQuery{State: StateRefused})
	if want := []string{"second|gauge|rep|cf_second||0/1|refused"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
