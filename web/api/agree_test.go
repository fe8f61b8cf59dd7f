package api

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"loggregator_exporter/metric"
)

// TestCountsAgree: what several answers count has one number, also where names have several states at once, or are taken
// from some senders only.
func TestCountsAgree(t *testing.T) {
	f := newFixture(t)
	f.fill()
	f.gauge("rep", "an-untagged.name") // and a conflict
	f.gauge("rep", "an.untagged-name")
	f.gauge("rep__1", "another name")
	f.counter("rep", "another name")
	f.gauge("", "another name")
	f.counter("rep", "x.10.0.0.1.y") // in quarantine
	f.gauge("rep", "queue.post.depth", "app_id", "f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11")

	f.send(&metric.Envelope{Kind: metric.KindCounter, Name: []byte("parts_bucket"), Total: 1, Arrived: time.Now().UnixNano()}, "rep", "le", "1")
	f.counter("rep", "parts_count")
	f.gauge("gorouter", "total_requests") // described by an entry of metrics, and taken by no rule
	f.send(&metric.Envelope{
		Kind: metric.KindTimer, Name: []byte("http"), Arrived: time.Now().UnixNano(), Start: 1, Stop: 2,
	}, "gorouter", "peer_type", "Server")
	status, err := f.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, err := f.Names(t.Context(), NamesQuery{})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := f.Rules(t.Context(), RulesQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	sizes, err := f.Cardinality(t.Context(), CardinalityQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	proposals, err := f.Learn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Series.UntaggedNames < 4 || rules.Quarantine == 0 || names.States[StateConflict] < 2 {
		t.Errorf("%+v, %d in quarantine, %v", status.Series, rules.Quarantine, names.States)
	}
	equal := func(what string, first int, others ...int) {
		for _, n := range others {
			if n != first {
				t.Errorf("%s: %d, %v", what, first, others)
				return
			}
		}
	}
	equal("names without a rule", status.Series.UntaggedNames, names.States[StateUntagged], rules.Untagged, proposals.Untagged)
	bare, err := f.Names(t.Context(), NamesQuery{Undescribed: true})
	if err != nil {
		t.Fatal(err)
	}
	equal("undescribed names", status.Series.UndescribedNames, names.Undescribed, rules.Undescribed, proposals.Undescribed, bare.Total)
	if described := rules.Untagged - rules.Undescribed; described == 0 || rules.Undescribed == 0 {
		t.Errorf("of %d names without a rule %d are described", rules.Untagged, described)
	}
	equal("names in quarantine", rules.Quarantine, proposals.Quarantine)
	equal("series", status.Series.Series, sizes.Series, sizes.Limits[0].Highest, sum(sizes.Metrics))
	equal("families", status.Series.Families, sizes.Families, len(sizes.Metrics))
	equal("the limit", status.Series.MaxSeries, sizes.Limits[0].Limit)
	equal("names", names.All, names.Total)
	equal("names that can be learned from", proposals.Names, names.All-names.States[StateRefused])
	for state, n := range names.States {
		page, err := f.Names(t.Context(), NamesQuery{State: state})
		if err != nil {
			t.Fatal(err)
		}
		equal(fmt.Sprint("names that are ", state), n, page.Total, len(page.Names))
		for i := range page.Names {
			if has := &page.Names[i]; !slices.Contains(has.States, state) || has.State != has.States[0] {
				t.Errorf("%s is listed as %s: %v", has.Name, state, has.States)
			}
		}
	}
	for i := range names.Names {
		if n := &names.Names[i]; n.State == StateTagged && n.Rule == "" && !n.BuiltIn {
			t.Errorf("%s is tagged, by no rule", n.Name)
		}
	}
	for i := range names.Names {
		n := &names.Names[i]
		if without := slices.Contains(n.States, StateUntagged); n.Undescribed != (without && n.DescribedBy == "") {
			t.Errorf("%s is %v, undescribed %t, described by %q", n.Name, n.States, n.Undescribed, n.DescribedBy)
		}
	}
	for i := range rules.Rules {
		r := &rules.Rules[i]
		page, err := f.Names(t.Context(), NamesQuery{Rule: r.ID})
		if err != nil {
			t.Fatal(err)
		}
		series, without := 0, 0
		for j := range page.Names {
			series += page.Names[j].Series
			if page.Names[j].Rule == "" {
				without++
			}
		}
		if r.Section != "metrics" && without > page.RuleOrigins {
			t.Errorf("rule %s takes %d names that have none, and the origin of %d", r.ID, without, page.RuleOrigins)
		}
		if page.RuleSection != r.Section {
			t.Errorf("rule %s is of %s, not %s", r.ID, r.Section, page.RuleSection)
		}
		equal("names of rule "+r.ID, r.Names, page.Total)
		equal("series of rule "+r.ID, r.Series, series)
	}
	quarantine, err := f.Names(t.Context(), NamesQuery{Rule: "quarantine"})
	if err != nil {
		t.Fatal(err)
	}
	equal("names in quarantine", rules.Quarantine, quarantine.Total)
	for _, owner := range sizes.Owners {
		page, err := f.Names(t.Context(), NamesQuery{Owner: owner.Owner})
		if err != nil {
			t.Fatal(err)
		}
		equal("names of owner "+owner.Owner, owner.Names, page.Total)
	}
}

func sum(metrics []MetricSize) (series int) {
	for _, m := range metrics {
		series += m.Series
	}
	return series
}
