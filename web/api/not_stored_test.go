package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// filteredNames is what a nozzle has left out.
func filteredNames() []live.LeftOut {
	of := func(name, origin string, samples, envelopes uint64, age time.Duration) live.LeftOut {
		return live.LeftOut{
			Outcome: metric.Filtered, Name: name, Kind: metric.KindGauge, Samples: samples, Envelopes: envelopes, InEnvelopes: envelopes,
			Last: time.Now().Add(-age), Setting: "nozzle.filters[0]",
			Sender: store.NewSender(metric.KindGauge, "source", metric.Label{Name: "origin", Value: origin}),
		}
	}
	return []live.LeftOut{
		of("debug.noise", "rep", 7, 5, time.Second), of("debug.long.ago", "rep", 3, 3, time.Hour), of("late", "bbs", 2, 0, 0),
		of("", "", 4, 1, 0),
	}
}

// fillNotStored sends names of which samples are not stored, for each reason.
func fillNotStored(f *fixture) {
	f.fill()
	f.gauge("rep", "late")
	for _, by := range []time.Duration{90 * time.Second, 2 * time.Second} {
		f.send(&metric.Envelope{
			Kind: metric.KindGauge, Arrived: time.Now().UnixNano(), Timestamp: time.Now().Add(-by).UnixNano(),
			Points: []metric.Point{{Name: []byte("late")}},
		}, "rep")
	}
	for range 3 {
		f.send(&metric.Envelope{Kind: metric.KindTimer, Arrived: time.Now().UnixNano(), Name: []byte("http"), Stop: 1}, "gorouter",
			"peer_type", "Client")
	}
	f.gauge("rep", "dropped.a")
}

func notStoredFixture(t *testing.T, change ...func(*store.Options)) *fixture {
	t.Helper()
	f := newFixture(t, change...)
	f.options.LeftOut = filteredNames
	f.index = live.NewIndex(f.store, filteredNames)
	fillNotStored(f)
	return f
}

// TestNamesByReason: each reason finds the names of which samples were not stored, with their numbers, and these and
// those at no name add up to all.
func TestNamesByReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := notStoredFixture(t)
		f.options.Sources = func() []overview.Source { // which does not know of the samples in filtered envelopes
			return []overview.Source{{Name: "udp", Samples: map[string]uint64{"filtered": 7}}}
		}
		for _, tc := range []struct {
			q     NamesQuery
			want  []string
			total ReasonTotal
		}{
			{
				NamesQuery{Reason: "conflict"},
				[]string{"rep.memoryStats.numBytesAllocated|rep|conflict|1 0"},
				ReasonTotal{Samples: 1},
			},
			{NamesQuery{Reason: "invalid"}, nil, ReasonTotal{Samples: 1, Others: 1}},
			{NamesQuery{Reason: "over_limit"}, nil, ReasonTotal{}},
			{NamesQuery{Reason: "dropped_by_rule"}, []string{"dropped.a|rep|dropped|2 0"}, ReasonTotal{Samples: 2}},
			{NamesQuery{Reason: "outdated"}, []string{"late|rep|untagged|2 0"}, ReasonTotal{Samples: 2}},
			{NamesQuery{Reason: "duplicate"}, []string{"http|||3 0"}, ReasonTotal{Samples: 3}},
			{
				NamesQuery{Reason: "filtered"},
				[]string{"debug.long.ago|rep||3 3", "debug.noise|rep|filtered|7 5", "late|rep|untagged|2 0"},
				ReasonTotal{Samples: 16, Others: 4, Envelopes: 9, EnvelopeSamples: 9, OtherEnvelopes: 1},
			},
			{
				NamesQuery{Reason: "filtered", Sort: "samples", Descending: true, Search: "E"},
				[]string{"debug.noise|rep|filtered|7 5", "debug.long.ago|rep||3 3", "late|rep|untagged|2 0"},
				ReasonTotal{Samples: 16, Others: 4, Envelopes: 9, EnvelopeSamples: 9, OtherEnvelopes: 1},
			},
			{
				NamesQuery{Reason: "filtered", State: StateFiltered},
				[]string{"debug.noise|rep|filtered|7 5"},
				ReasonTotal{Samples: 16, Others: 4, Envelopes: 9, EnvelopeSamples: 9, OtherEnvelopes: 1},
			},
		} {
			page, err := f.Names(t.Context(), tc.q)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			listed := page.NotStored.Others
			for i := range page.Names {
				n := &page.Names[i]
				at := slices.IndexFunc(n.NotStored, func(n NotStored) bool { return n.Reason == tc.q.Reason })
				got = append(got, fmt.Sprintf("%s|%s|%s|%d %d", n.Name, strings.Join(n.Origins, ","), n.State,
					n.NotStored[at].Samples, n.NotStored[at].Envelopes))
				listed += n.NotStored[at].Samples
			}
			tc.total.Sources = map[string]uint64{}
			if !slices.Equal(got, tc.want) || !reflect.DeepEqual(*page.NotStored, tc.total) {
				t.Errorf("%+v: %q, %+v", tc.q, got, page.NotStored)
			}
			if tc.q.State == "" && listed != page.NotStored.Samples {
				t.Errorf("%+v: %d samples are listed, of %d", tc.q, listed, page.NotStored.Samples)
			}
		}
	})
}

// TestReasonsBeside: without a reason names that no longer arrive are not listed, filtered ones are; the reasons say how
// many names each would find.
func TestReasonsBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := notStoredFixture(t)
		got, page := rows(t, f.API, NamesQuery{Search: "debug"})
		if want := []string{"debug.noise|gauge|rep|cf_debug_noise||0/0|filtered"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if page.NotStored != nil || fmt.Sprint(page.Reasons) != "map[filtered:2]" || page.States[StateFiltered] != 1 {
			t.Errorf("%+v", page)
		}
		_, page = rows(t, f.API, NamesQuery{})
		if want := "map[conflict:1 dropped_by_rule:1 duplicate:1 filtered:3 outdated:1]"; fmt.Sprint(page.Reasons) != want ||
			page.All != page.Matching || page.All != 8 {
			t.Errorf("%+v", page)
		}
		// Pages of one name each, by the number of samples, there and back.
		q := NamesQuery{Reason: "filtered", Sort: "samples", Limit: 1}
		var names []string
		for {
			page, err := f.Names(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, page.Names[0].Name)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if want := []string{"late", "debug.long.ago", "debug.noise"}; !slices.Equal(names, want) {
			t.Errorf("%q, want %q", names, want)
		}
		if _, err := f.Names(t.Context(), NamesQuery{Reason: "outdated", Cursor: page.Next}); page.Next != "" && err == nil {
			t.Error("a cursor of another reason was taken")
		}
	})
}

// TestExplainNotStored: a name says in words how many of its samples were not stored, why, and what to do.
func TestExplainNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := notStoredFixture(t)
		want := "no_series|The metric cf_debug_noise has no series, though raw names arrive that would lead to it: 1 filtered."
		if got := presence(t, f, ExplainQuery{Name: "cf_debug_noise"}); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
		for _, tc := range []struct {
			q    ExplainQuery
			want []string
		}{
			{ExplainQuery{Name: "queue.mail.depth"}, nil},
			{ExplainQuery{Name: "late"}, []string{
				"outdated|2 samples were older than the value that the series had: the last by 2s, one by 1m30s.|Clocks of senders are " +
					"apart: synchronize them. Or envelopes come by two ways, as by two sources: enable one of them.||rep",
				"filtered|2 samples were left out by nozzle.filters[0].|If they are wanted, change that setting.|" +
					"/config?search=nozzle.filters|bbs",
			}},
			{ExplainQuery{Name: "late", Kind: "counter"}, nil},
			{ExplainQuery{Name: "http"}, []string{
				"duplicate|3 samples were there already: the gorouter sends each request twice, as client and as server, of which the " +
					"second counts.|Nothing is lost: each request counts once.||",
			}},
			{ExplainQuery{Name: "dropped.a"}, []string{
				"dropped_by_rule|2 samples were dropped by a rule.|If they are wanted, write a rule that takes them before that one, or " +
					"take that one out.|/rules?search=user%2Fdropped|rep",
			}},
			{ExplainQuery{Name: "rep.memoryStats.numBytesAllocated"}, []string{
				"conflict|1 sample was refused: its series belongs to raw name \"memoryStats.numBytesAllocated\".|" +
					remedies[metric.Conflict].Remedy + "|/rules?name=rep.memoryStats.numBytesAllocated&view=workbench|rep",
			}},
		} {
			x, err := f.Explain(t.Context(), withSeries(tc.q))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range x.NotStored {
				origin := ""
				if n.Sender != nil {
					origin = n.Sender.Tags["origin"]
				}
				got = append(got, strings.Join([]string{n.Reason, n.Sentence, n.Remedy, n.Link, origin}, "|"))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%+v:\ngot  %s\nwant %s", tc.q, strings.Join(got, "\n     "), strings.Join(tc.want, "\n     "))
			}
		}
		f.options.Filtered = func(*metric.Envelope) string { return "nozzle.filters[0]" }
		x, err := f.Explain(t.Context(), withSeries(ExplainQuery{Name: "debug.noise"}))
		if err != nil || x.Presence.Sentence != "The name arrives, but nozzle.filters[0] leaves it out before it becomes a sample." {
			t.Errorf("%+v, %v", x.Presence, err)
		}
	})
}

func withSeries(q ExplainQuery) ExplainQuery {
	q.Series = 5
	return q
}

func TestRound(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 7: "7ns", 1234567: "1.23ms", 12345678: "12.3ms", 1234567890: "1.23s", 90*time.Second + 4321: "1m30s",
	} {
		if got := round(d).String(); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

// TestTotalsSayFromWhere: of samples that were not stored it is said by which sources they came, and who sent those without
// a name.
func TestTotalsSayFromWhere(t *testing.T) {
	f := newFixture(t)
	f.gauge("shop", "", "index", "7")
	f.gauge("bbs", "")
	f.options.Sources = func() []overview.Source {
		return []overview.Source{
			{Name: "rlp", Samples: map[string]uint64{"invalid": 0, "stored": 9}}, {Name: "udp", Samples: map[string]uint64{"invalid": 2}},
		}
	}
	page, err := f.Names(t.Context(), NamesQuery{Reason: "invalid"})
	want := ReasonTotal{
		Samples: 2, Others: 2, Sources: map[string]uint64{"udp": 2},
		Sender: &Sender{Tags: map[string]string{"origin": "shop", "index": "7"}},
	}
	if err != nil || !reflect.DeepEqual(*page.NotStored, want) {
		t.Errorf("%+v, %v", page.NotStored, err)
	}
}
