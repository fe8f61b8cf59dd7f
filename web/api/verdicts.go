package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"loggregator_exporter/exposition"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// maxExpanded bounds the metrics that are looked at of a selector that chooses them by an expression.
const maxExpanded = 5

// Verdict says of one more metric of an expression whether it is exposed.
type Verdict struct {
	// Selector is that of the expression, Metric the name that it has or chooses, or empty.
	Selector string `json:"selector"`
	Metric   string `json:"metric,omitempty"`
	// State, Sentence, Remedy and Link are as those of presence.
	State    string `json:"state"`
	Sentence string `json:"sentence"`
	Remedy   string `json:"remedy,omitempty"`
	Link     string `json:"link,omitempty"`
}

// verdict is what is said of one metric of an expression.
type verdict struct {
	operand

	metric string
	Presence
}

// metric reports whether a text is about metrics, not a name that a component sends: one of them exists, or would. The
// first such is the one that all is said of.
func (p *Presence) metric(ctx context.Context, a *API, s *live.Snapshot, text string) bool {
	all := a.verdicts(ctx, s, text)
	first := slices.IndexFunc(all, func(v verdict) bool { return v.State != "no_metric" })
	if first < 0 {
		return false
	}
	*p = all[first].Presence
	p.further(all, first)
	return true
}

// further adds what is said of all metrics but one.
func (p *Presence) further(all []verdict, but int) {
	if len(all) < 2 {
		return
	}
	p.Sentence = cmp.Or(all[but].metric, all[but].text) + ": " + p.Sentence
	for i := range all {
		if v := &all[i]; i != but {
			p.Further = append(p.Further, Verdict{
				Selector: v.text, Metric: v.metric, State: v.State, Sentence: v.Sentence, Remedy: v.Remedy, Link: v.Link,
			})
		}
	}
}

// verdicts says of each metric of an expression whether it is exposed.
func (a *API) verdicts(ctx context.Context, s *live.Snapshot, text string) (all []verdict) {
	for _, op := range operandsOf(text) {
		if op.name != "" {
			all = append(all, a.verdictOf(ctx, s, op, op.name))
		} else {
			all = append(all, a.chosen(ctx, s, op)...)
		}
		if len(all) >= maxSelectors {
			all[maxSelectors-1].Sentence += " What follows in the expression is not looked at."
			return all[:maxSelectors]
		}
	}
	return all
}

// chosen says it of the metrics that a selector without a name chooses.
func (a *API) chosen(ctx context.Context, s *live.Snapshot, op operand) (all []verdict) {
	none := func(sentence string) []verdict {
		return []verdict{{operand: op, Presence: noMetric(sentence)}}
	}
	of, err := exposition.ParseSelector(op.text)
	switch {
	case err != nil:
		return none("The selector cannot be read. " + err.Error() + ".")
	case of.MatchesName(""):
		return none("The selector names no metric, so its series are not looked for: put a name before the brace.")
	}
	names := a.metricsOf(s, of)
	for _, name := range names[:min(len(names), maxExpanded)] {
		all = append(all, a.verdictOf(ctx, s, op, name))
	}
	switch more := len(names) - len(all); {
	case len(names) == 0:
		return none("No metric of such a name is exposed, and no name arrives that would lead to one.")
	case more > 0:
		all[len(all)-1].Sentence += fmt.Sprintf(" %s more metrics have such a name, and are not looked at.",
			overview.Number(float64(more)))
	}
	return all
}

// metricsOf lists the metrics whose names a selector chooses, and the series of histograms and summaries.
func (a *API) metricsOf(s *live.Snapshot, of *exposition.Selector) (names []string) {
	isMetric := make([]bool, len(s.Texts))
	for _, list := range [][]live.Name{s.Names, s.Others} {
		for i := range list {
			for _, pos := range list[i].Metrics {
				isMetric[pos] = isMetric[pos] || !list[i].Gone
			}
		}
	}
	for _, b := range s.Besides {
		isMetric[b.Metric] = true
	}
	for pos, is := range isMetric {
		if !is {
			continue
		}
		name := s.Texts[pos]
		if of.MatchesName(name) {
			names = append(names, name)
			continue
		}
		for _, suffix := range [...]string{"_bucket", "_count", "_sum"} {
			if of.MatchesName(name+suffix) && a.hasParts(s, name) {
				names = append(names, name+suffix)
				break
			}
		}
	}
	for _, own := range a.ownMetrics(of.MatchesName) {
		names = append(names, own.Metric)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func noMetric(sentence string) Presence {
	return Presence{State: "no_metric", Sentence: sentence, NearNames: []string{}, NearMetrics: []string{}}
}

// verdictOf says it of one metric, by the name that an expression has of it.
func (a *API) verdictOf(ctx context.Context, s *live.Snapshot, op operand, name string) verdict {
	v := verdict{operand: op, metric: name, Presence: noMetric(
		"No metric of this name is exposed here, and no name arrives that would lead to it.")}
	p := &v.Presence
	if own := a.ownOf([]string{name})[name]; own != nil {
		p.State, p.Link, p.Own = "own", "/docs?page=metrics", own
		p.Sentence = "This is a metric of the exporter itself, not a name that a component sends: " + own.Help
		p.Remedy = "The documentation has all of them."
		if of, err := exposition.ParseSelector(op.text); err != nil || len(of.Matchers()) > 0 {
			p.Sentence = strings.TrimRight(p.Sentence, ".") + ". Its label matchers are not looked at."
		}
		return v
	}
	if leads := leadsTo(s, name); len(leads) > 0 {
		p.ofMetric(name, "This is the name of a metric, not one that a component sends.", leads)
		p.selectSeries(ctx, a, s, selecting{op.text, name, leads})
		return v
	}
	for _, family := range families(name) {
		if leads := leadsTo(s, family); len(leads) > 0 && a.hasParts(s, family) {
			p.ofMetric(family, "This is a series of the histogram or summary "+family+
				", not a name that a component sends.", leads)
			p.selectSeries(ctx, a, s, selecting{op.text, family, leads})
			return v
		}
	}
	return v
}
