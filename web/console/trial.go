package console

import (
	"maps"
	"slices"
	"strings"

	"loggregator_exporter/diff"
	"loggregator_exporter/web/api"
)

// trial is what a rule file would change, made ready to be shown.
type trial struct {
	*api.TryReport

	Kinds []diff.Count // of all groups together, the most series first

	senders map[string][]diff.NameOf // the rows of a raw name
}

func newTrial(report *api.TryReport) *trial {
	t := &trial{TryReport: report, senders: map[string][]diff.NameOf{}}
	if report.Report == nil {
		return t
	}
	at := map[diff.Kind]int{}
	for _, g := range report.Report.Groups {
		for i := range g.Changes {
			n := &g.Changes[i].Name
			t.senders[n.RawName] = append(t.senders[n.RawName], *n)
		}
		for _, k := range g.Kinds {
			i, ok := at[k.Kind]
			if !ok {
				i = len(t.Kinds)
				at[k.Kind] = i
				t.Kinds = append(t.Kinds, diff.Count{Kind: k.Kind})
			}
			t.Kinds[i].Series += k.Series
		}
	}
	slices.SortStableFunc(t.Kinds, func(a, b diff.Count) int { return b.Series - a.Series })
	return t
}

// Apart says what tells a row from others of the same raw name: kind, unit, source id, instance and tags that differ.
func (t *trial) Apart(name diff.NameOf) string { //nolint:gocritic // templates pass values
	facts := func(n *diff.NameOf) map[string]string {
		all := map[string]string{"kind": n.Kind, "unit": n.Unit, "source id": n.SourceID, "instance": n.InstanceID}
		for tag, value := range n.Tags {
			all["tag "+tag] = value
		}
		return all
	}
	own, differ := facts(&name), map[string]bool{}
	for _, other := range t.senders[name.RawName] {
		for fact, value := range facts(&other) {
			differ[fact] = differ[fact] || own[fact] != value
		}
		for fact, value := range own {
			differ[fact] = differ[fact] || facts(&other)[fact] != value
		}
	}
	var said []string
	for _, fact := range slices.Sorted(maps.Keys(differ)) {
		if value := own[fact]; differ[fact] && value != "" {
			said = append(said, fact+" "+short(value))
		}
	}
	return strings.Join(said, ", ")
}
