package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger/naming"
)

// withoutAddress drops the label of a VM's address.
func withoutAddress(t *testing.T) func(*store.Options) {
	t.Helper()
	rules, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return func(o *store.Options) {
		o.Resolver = resolver.New(resolver.Options{
			Tagger: rules, Naming: naming.Style{Namespace: "cf"}, Labels: resolver.LabelOptions{Drop: []string{"bosh_job_ip"}},
		})
	}
}

// TestConflictOfOneName: a name that loses to itself is told which setting makes it so, or which units it has.
func TestConflictOfOneName(t *testing.T) {
	f := newFixture(t, withoutAddress(t))
	f.gauge("rep", "queue.mail.depth", "ip", "10.0.0.1")
	f.gauge("rep", "queue.mail.depth", "ip", "10.0.0.2")
	for _, unit := range []string{"ms", "s"} {
		f.send(&metric.Envelope{
			Kind: metric.KindGauge, Arrived: time.Now().UnixNano(), Points: []metric.Point{{Name: []byte("ttl"), Unit: []byte(unit)}},
		}, "rep")
	}
	for name, want := range map[string]string{
		"queue.mail.depth": `partly|The name is exposed for one sender, but refused for 1 more: its series belongs to the same name with ip ` +
			`"10.0.0.1"; they would differ in labels that are removed by metrics.labels.drop: bosh_job_ip.|metrics.labels.drop makes one ` +
			`series of these senders. Keep a label that tells them apart, or filter out what nobody needs.|` +
			`/config?search=metrics.labels.drop|`,
		"ttl": `partly|The name is exposed for one sender, but refused for 1 more: its series belongs to the same name with unit "ms".|` +
			`One name comes in two units, "ms" and "s", and the first one has the series. Write a rule with when: {unit: "s"} that ` +
			`gives one of them another name or a tag, or drops it.|/rules?name=ttl&view=workbench|`,
	} {
		if got := presence(t, f, ExplainQuery{Name: name}); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		page, err := f.Names(t.Context(), NamesQuery{Reason: "conflict", Search: name})
		if err != nil {
			t.Fatal(err)
		}
		if s := &page.Names[0].NotStored[0]; !strings.HasSuffix(want, "|"+s.Remedy+"|"+s.Link+"|") {
			t.Errorf("%s: the list of names says %q, %s", name, s.Remedy, s.Link)
		}
	}
}

// TestBothRefusals: a name that a limit and a conflict refuse is said to be both, by every page, though the store has no
// room to remember all of it.
func TestBothRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, withoutAddress(t), func(o *store.Options) { o.MaxSeries, o.Limits.PerMetric = 12, 2 })
		send := func() {
			f.gauge("rep", "queue.mail.depth", "ip", "1")
			for i := range 8 {
				f.gauge("rep", "queue.mail.depth", "ip", fmt.Sprint(i))
			}
			for i := range 4 {
				f.gauge("rep", "queue.mail.depth", "l", fmt.Sprint(i))
			}
		}
		send()
		conflict := `its series belongs to the same name with ip "1"; they would differ in labels that are removed by ` +
			"metrics.labels.drop: bosh_job_ip"
		limit := "metrics.max_series_per_metric is reached"
		for _, state := range []State{StateConflict, StateRefused} {
			got, page := rows(t, f.API, NamesQuery{State: state})
			want := []string{"queue.mail.depth|gauge|rep|cf_queue_depth|user/queue|2/7|conflict"}
			if !slices.Equal(got, want) || page.Names[0].Reason != conflict+"; of others: "+limit {
				t.Errorf("%s: %q, %+v", state, got, page.Names)
			}
			if page.States[StateConflict] != 1 || page.States[StateRefused] != 1 || page.Matching != 1 {
				t.Errorf("%+v", page)
			}
		}
		got := presence(t, f, ExplainQuery{Name: "queue.mail.depth"})
		for _, part := range []string{
			"partly|The name is exposed for 2 senders, but refused for 7 more: " + conflict + "; of others: " + limit + ".|",
			"metrics.labels.drop makes one series", "or raise the limit.|/config?search=metrics.labels.drop|",
		} {
			if !strings.Contains(got, part) {
				t.Errorf("%s: no %q", got, part)
			}
		}
		// What was refused before, and is no more, is not said of the name.
		for range 6 {
			time.Sleep(20 * time.Second)
			f.gauge("rep", "queue.mail.depth", "ip", "1")
		}
		time.Sleep(time.Second)
		if got, _ := rows(t, f.API, NamesQuery{State: StateRefused}); len(got) > 0 {
			t.Errorf("refused long ago: %q", got)
		}
	})
}

// TestForgottenNames: who sent a name that the store has no room for, and when, is known.
func TestForgottenNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(o *store.Options) { o.MaxSeries = 1 })
		f.gauge("rep", "first")
		time.Sleep(time.Second)
		f.counter("bbs", "queue.mail.depth")
		got, page := rows(t, f.API, NamesQuery{State: StateRefused})
		if want := []string{"queue.mail.depth|counter|bbs|cf_queue_depth_total|user/queue|0/1|refused"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if !page.Names[0].LastSeen.Equal(time.Now()) {
			t.Errorf("last seen %v, want %v", page.Names[0].LastSeen, time.Now())
		}
		want := "over_limit|The name arrives, but has no series: metrics.max_series is reached."
		if got := presence(t, f, ExplainQuery{Name: "queue.mail.depth"}); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
		if got := presence(t, f, ExplainQuery{Name: "queue.mail.depth", Kind: "gauge"}); !strings.HasPrefix(got, "elsewhere|") {
			t.Error(got)
		}
	})
}
