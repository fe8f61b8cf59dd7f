package resolver

import (
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// settingDrop is the setting that drops labels of all series.
const settingDrop = "metrics.labels.drop"

// RemovedLabel is a label that a series does not have, since a rule or setting removes it.
type RemovedLabel struct {
	metric.Label

	By string // metrics.labels.drop, metrics.http.labels or a rule
}

// Removed returns the labels that would tell two identities apart, were they not removed. Of each its first value is
// returned.
func (r *Resolver) Removed(a, b *store.Identity) []RemovedLabel {
	var of [2]Trace
	r.Explain(a, &of[0])
	r.Explain(b, &of[1])
	var out []RemovedLabel
	for i := range of {
		for _, l := range of[i].Removed {
			known := slices.ContainsFunc(out, func(is RemovedLabel) bool { return is.Name == l.Name })
			if !known && !slices.Contains(of[1-i].Removed, l) {
				out = append(out, l)
			}
		}
	}
	return out
}

// Compare says which labels would tell two identities of one series apart, and what removes them; "" if there are none.
func (r *Resolver) Compare(a, b *store.Identity) string {
	var names []string
	by := ""
	for _, l := range r.Removed(a, b) {
		names = append(names, l.Name)
		if by != "" && by != l.By {
			by += " and "
		}
		if !strings.HasSuffix(by, l.By) {
			by += l.By
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "they would differ in labels that are removed by " + by + ": " + strings.Join(names, ", ")
}
