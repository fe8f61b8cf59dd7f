package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/overview"
)

// presence is what a name's is, in one text.
func presence(t *testing.T, f *fixture, q ExplainQuery) string {
	t.Helper()
	q.Series = 1
	x, err := f.Explain(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	p := *x.Presence
	return strings.Join([]string{p.State, p.Sentence, p.Remedy, p.Link, strings.Join(append(p.NearNames, p.NearMetrics...), " ")}, "|")
}

func TestPresence(t *testing.T) {
	f := newFixture(t)
	f.fill()
	f.gauge("shop", "orders.0e98fd00-47b2-4589-94f0-385f78b3a04d")
	f.send(&metric.Envelope{Kind: metric.KindTimer, Name: []byte("wait"), Start: 1, Stop: 2, Arrived: time.Now().UnixNano()}, "rep")
	f.options.Filtered = func(e *metric.Envelope) string {
		if string(e.Name) == "filtered.name" && e.Kind != metric.KindTimer {
			return "nozzle.filters[2]"
		}
		return ""
	}
	conflict := "|Two senders lead to one series, and the first one has it. Write a rule that gives them different labels or " +
		"metrics, or drop one of them.|/rules?name=rep.memoryStats.numBytesAllocated&view=workbench|"
	unseen := "unseen|No component has sent this name since the start, or not lately: after metrics.expiration, 1h, a series ends. No " +
		"metric is called so.|"
	for _, tc := range []struct {
		q    ExplainQuery
		want string
	}{
		{ExplainQuery{Name: "queue.mail.depth"}, "exposed|The name arrives, and is exposed: one sender.|||"},
		{ExplainQuery{Name: "memoryStats.numBytesAllocated"}, "exposed|The name arrives, and is exposed: 3 senders.|||"},
		{
			ExplainQuery{Name: "rep.memoryStats.numBytesAllocated"},
			"conflict|The name arrives, but has no series: its series belongs to raw name \"memoryStats.numBytesAllocated\"." + conflict,
		},
		{
			ExplainQuery{Name: "dropped.a"},
			"dropped|The name arrives, but rule user/dropped drops it.|If it is wanted, write a rule that takes it before this one, or " +
				"take this one out.|/rules?search=user%2Fdropped|",
		},
		{
			ExplainQuery{Name: "orders.0e98fd00-47b2-4589-94f0-385f78b3a04d"},
			"quarantined|No rule takes the name. The quarantine made labels of the ids and numbers in it, so that their series have one " +
				"metric.|Write a rule that says what they are.|/rules?name=orders.0e98fd00-47b2-4589-94f0-385f78b3a04d&view=workbench|",
		},
		{
			ExplainQuery{Name: "queue.mail.depth", Kind: "counter"},
			"elsewhere|The name arrives, but not as it is asked for. It is sent as gauge of rep.|Leave origin, kind and unit empty to see " +
				"what becomes of it.|/explain?name=queue.mail.depth|",
		},
		{
			ExplainQuery{Name: "memoryStats.numBytesAllocated", Origin: "bbs"},
			"elsewhere|The name arrives, but not as it is asked for. It is sent as gauge of rep, router__0, router__1.|Leave origin, kind " +
				"and unit empty to see what becomes of it.|/explain?name=memoryStats.numBytesAllocated|",
		},
		{
			ExplainQuery{Name: "filtered.name", Kind: "gauge"},
			"filtered|nozzle.filters[2] leaves the name out before it becomes a sample; whether it arrives is not known.|If it is wanted, " +
				"change nozzle.filters[2].|/config?search=nozzle.filters|",
		},
		{ExplainQuery{Name: "filtered.name"}, unseen + "See whether the component runs and sends it, by this spelling.||"},
		{
			ExplainQuery{Name: "cf_queue_depth"},
			"metric|This is the name of a metric, not one that a component sends. Raw names that lead to it: 2.|Explain one of " +
				"those.|/names?metric=cf_queue_depth|queue.chat.depth queue.mail.depth",
		},
		{
			ExplainQuery{Name: "cf_dropped_a"},
			"no_series|The metric cf_dropped_a has no series, though raw names arrive that would lead to it: 1 dropped.|" +
				"Explain one of those: that says why, and what to do.|/names?metric=cf_dropped_a|dropped.a",
		},
		{
			ExplainQuery{Name: "cf_num_bytes_allocated"},
			"metric|This is the name of a metric, not one that a component sends. Raw names that lead to it: 1. More would, but are not " +
				"exposed: 1 in conflict.|Explain one of those.|/names?metric=cf_num_bytes_allocated|" +
				"rep.memoryStats.numBytesAllocated memoryStats.numBytesAllocated",
		},
		{
			ExplainQuery{Name: `rate(cf_queue_depth{queue="mail"}[5m])`},
			"metric|This is the name of a metric, not one that a component sends. Raw names that lead to it: 2. Of its 2 series 1 " +
				"matches the selector.|Explain one of those.|/names?metric=cf_queue_depth|queue.chat.depth queue.mail.depth",
		},
		{
			ExplainQuery{Name: "loggregator_exporter_series"},
			"no_metric|The exporter has no metric of this name now.|Some of its metrics are there only where what they count is switched " +
				"on, or has happened. The documentation has all of them.|/docs?page=metrics|",
		},
		{
			ExplainQuery{Name: "nothing.like.it", Origin: "rep"},
			unseen + "See whether the component runs and sends it, by this spelling. These are the names of the origin:|/names?search=rep|",
		},
		{
			ExplainQuery{Name: "cf_none"},
			"no_metric|No metric of this name is exposed, and no component sends a name like this.|A metric is there from the first " +
				"sample of a raw name that leads to it until metrics.expiration, 1h, after the last: search Names for a word of it.|/names|",
		},
		{
			ExplainQuery{Name: "cf_wait_seconds_bucket"},
			"metric|This is a series of the histogram or summary cf_wait_seconds, not a name that a component sends. Raw names that lead " +
				"to it: 1.|Explain one of those.|/names?metric=cf_wait_seconds|wait",
		},
		{
			ExplainQuery{Name: "router__0.memoryStats.numBytesAlocated"},
			unseen + "Look at the names that resemble it. If it is none of them, see whether the component runs and sends it.||" +
				"memoryStats.numBytesAllocated rep.memoryStats.numBytesAllocated",
		},
		{
			ExplainQuery{Name: "queue.mial.depth"},
			unseen + "Look at the names that resemble it. If it is none of them, see whether the component runs and sends it.||" +
				"queue.mail.depth queue.chat.depth cf_queue_depth",
		},
		{
			ExplainQuery{Name: strings.Repeat("a", 1025)},
			"invalid|Samples of this name are refused: its name has 1025 bytes, the limit is 1024.|It must be mended where it is sent, or " +
				"renamed by a rule.||",
		},
	} {
		if got := presence(t, f, tc.q); got != tc.want {
			t.Errorf("%.40s %s: %q, want %q", tc.q.Name, tc.q.Kind, got, tc.want)
		}
	}
	f.options.Sources = func() []overview.Source { return []overview.Source{{Name: "rlp"}, {Name: "udp", Up: true}} }
	want := unseen + "What only rlp would bring cannot arrive: that is not connected. See whether the component runs and sends it, " +
		"by this spelling.|/#sources|"
	if got := presence(t, f, ExplainQuery{Name: "nothing.like.it"}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestPresenceOfRefused tells limits from conflicts, and some senders from all.
func TestPresenceOfRefused(t *testing.T) {
	f := newFixture(t, func(o *store.Options) { o.Limits.PerMetric = 2 })
	for i := range 3 {
		f.gauge("rep", "queue.mail.depth", "index", fmt.Sprint(i))
	}
	f.gauge("rep", "queue.chat.depth")
	for name, want := range map[string]string{
		"queue.mail.depth": "partly|The name is exposed for 2 senders, but refused for 1 more: ",
		"queue.chat.depth": "over_limit|The name arrives, but has no series: ",
	} {
		got := presence(t, f, ExplainQuery{Name: name})
		if !strings.HasPrefix(got, want) || !strings.Contains(got, "metrics.max_series_per_metric") || !strings.HasSuffix(got, "|/cardinality?metric=cf_queue_depth|") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestExplainAsSent: a live name is explained with the envelope of one of its senders, unless the query has one.
func TestExplainAsSent(t *testing.T) {
	f := newFixture(t)
	f.gauge("rep", "queue.mail.depth", "deployment", "cf")
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "queue.mail.depth", Series: 1})
	if err != nil || x.Series != `cf_queue_depth{bosh_deployment="cf",component="rep",origin="rep",queue="mail"}` ||
		x.Sender == nil || x.Sender.Tags["deployment"] != "cf" {
		t.Errorf("%+v, %v", x, err)
	}
	x, err = f.Explain(t.Context(), ExplainQuery{
		Name: "queue.mail.depth", Tags: []metric.Label{{Name: "deployment", Value: "other"}}, Series: 1,
	})
	if err != nil || x.Series != `cf_queue_depth{bosh_deployment="other",queue="mail"}` || x.Sender != nil {
		t.Errorf("%+v, %v", x, err)
	}
	// Who asks for no series asks for the name as the query has it, whatever is live.
	x, err = f.Explain(t.Context(), ExplainQuery{Name: "queue.mail.depth"})
	if err != nil || x.Series != `cf_queue_depth{queue="mail"}` || x.Sender != nil || x.Presence != nil {
		t.Errorf("%+v, %v", x, err)
	}
}

// TestExplainPagesBackwards reads the live series of one state page by page, there and back.
func TestExplainPagesBackwards(t *testing.T) {
	f := newFixture(t, func(o *store.Options) { o.Limits.PerMetric = 7 })
	for i := range 9 {
		f.gauge("rep", "queue.mail.depth", "index", fmt.Sprint(i))
	}
	q := ExplainQuery{Name: "queue.mail.depth", Series: 3, State: "live"}
	page := func() []string {
		x, err := f.Explain(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		seen := []string{x.SeriesPrevious, x.SeriesNext}
		for _, l := range x.Live {
			seen = append(seen, l.Tags["index"])
		}
		if x.States["live"] != 7 || x.States["refused"] != 2 {
			t.Errorf("%v", x.States)
		}
		return seen
	}
	var pages [][]string
	for range 3 {
		seen := page()
		pages = append(pages, seen[2:])
		if first := len(pages) == 1; first != (seen[0] == "") || (len(pages) == 3) != (seen[1] == "") {
			t.Errorf("page %d: %q", len(pages), seen)
		}
		q.Cursor = seen[1]
		if seen[1] == "" {
			q.Cursor = seen[0]
		}
	}
	if got := fmt.Sprint(pages); got != "[[0 1 2] [3 4 5] [6]]" {
		t.Error(got)
	}
	for i := 1; i >= 0; i-- {
		seen := page()
		if !slices.Equal(seen[2:], pages[i]) || (i == 0) != (seen[0] == "") || seen[1] == "" {
			t.Errorf("back to page %d: %q", i+1, seen)
		}
		q.Cursor = seen[0]
	}
}

// TestNearBehindOrigin: a name written behind its origin is looked for without it.
func TestNearBehindOrigin(t *testing.T) {
	f := newFixture(t)
	f.gauge("longwindedcomponent", "hits")
	x, err := f.Explain(t.Context(), ExplainQuery{Name: "longwindedcomponent.hit", Series: 1})
	if err != nil || !slices.Equal(x.Presence.NearNames, []string{"hits"}) {
		t.Errorf("%+v, %v", x.Presence, err)
	}
	f = newFixture(t)
	f.gauge("shop", "longwindedcomponent.sumtotal0")
	f.gauge("other", "sumtotal")
	f.gauge("longwindedcomponent", "sumtotals")
	x, err = f.Explain(t.Context(), ExplainQuery{Name: "longwindedcomponent.sumtotal", Series: 1})
	if err != nil || len(x.Presence.NearNames) < 2 || x.Presence.NearNames[0] != "sumtotals" {
		t.Errorf("the names of the origin come first: %+v, %v", x.Presence, err)
	}
}

// TestMetricNames: of a long expression the first words are looked up.
func TestMetricNames(t *testing.T) {
	long := "sum(" + strings.Repeat("a ", 1000) + ")"
	for text, want := range map[string][]string{
		"a b":                {"a b"},
		`rate(a_b:c{d="e"})`: {"rate", "a_b:c", "d", "e"},
		long:                 append([]string{"sum"}, slices.Repeat([]string{"a"}, maxWords-1)...),
	} {
		if got := metricNames(text); !slices.Equal(got, want) {
			t.Errorf("%.30q: %q", text, got)
		}
	}
}
