package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
)

// senders are the identities of a name, counted by what became of them.
type senders struct {
	series, dropped, waiting int
	refused                  map[metric.Outcome]int
	examples                 map[metric.Outcome]store.Visited // of those refused
	states                   map[string]int                   // of those that the store remembers
	lastSeen                 int64                            // when the last sample of those arrived
	first                    *store.Visited                   // one that has a series, where there is one
	firstDropped             store.Visited                    // where one is dropped
	// Sets of tags of those that have a series, and of those that are refused: the time and the size of a request
	// have one.
	sets, refusedSets int
	// Of those that have a series: senders and metrics. Requests do not say which of the routers has sent them.
	requests bool
	from     map[senderKey]bool
	metrics  []sentAs
}

func newSenders() *senders {
	return &senders{
		refused: map[metric.Outcome]int{}, states: map[string]int{}, examples: map[metric.Outcome]store.Visited{},
		from: map[senderKey]bool{},
	}
}

// countForgotten adds identities that the store has no room to remember, one of each outcome.
func (a *API) countForgotten(s *senders, q *store.SeriesQuery, keep func(*store.Visited) bool) {
	for _, r := range a.options.Store.Refusals() {
		v := r.Visited()
		if v.Name != q.Name || v.Composite || s.refused[v.Outcome] > 0 || !live.IsCurrent(&v, time.Now(), s.lastSeen) ||
			q.Kind != metric.KindNone && v.Kind != q.Kind || q.Unit != nil && v.Unit != *q.Unit || keep != nil && !keep(&v) {
			continue
		}
		s.refused[v.Outcome], s.examples[v.Outcome] = 1, v
		if s.first == nil {
			s.first = &v
		}
	}
}

func (s *senders) add(v *store.Visited) {
	s.states[v.State.String()]++
	s.lastSeen = max(s.lastSeen, v.Arrived)
	hasSeries := false
	switch v.State {
	case store.EntryLive, store.EntryPart, store.EntryJoined:
		hasSeries = true
	case store.EntryDropped:
		if s.dropped++; s.dropped == 1 {
			s.firstDropped = *v
		}
	case store.EntryWaiting:
		s.waiting++
	case store.EntryRefused:
		s.refused[v.Outcome]++
		if !v.Second {
			s.refusedSets++
		}
		if s.refused[v.Outcome] == 1 {
			s.examples[v.Outcome] = *v
		}
	}
	if s.first == nil || hasSeries && s.series == 0 {
		kept := *v
		s.first = &kept
	}
	if hasSeries {
		s.addSeries(v)
	}
}

// without is how many identities are refused.
func (s *senders) without() (n int) {
	for _, count := range s.refused {
		n += count
	}
	return n
}

// refusals are the outcomes of refused samples, in the order in which they are shown.
var refusals = [...]metric.Outcome{metric.Conflict, metric.OverLimit, metric.Invalid}

// reasons says why identities are refused.
func (a *API) reasons(s *senders) string {
	var all []string
	for _, o := range s.outcomes() {
		v := s.examples[o]
		all = append(all, a.options.Store.Reason(&v))
	}
	return strings.Join(all, "; of others: ")
}

// outcomes are why identities are refused.
func (s *senders) outcomes() []metric.Outcome {
	return slices.DeleteFunc(slices.Clone(refusals[:]), func(o metric.Outcome) bool { return s.refused[o] == 0 })
}

// remedies say what to do about refused samples; a conflict has remedies of its own.
var remedies = map[metric.Outcome]Presence{
	metric.Conflict: {
		Remedy: "Two senders lead to one series, and the first one has it. Write a rule that gives them different labels " +
			"or metrics, or drop one of them.",
	},
	metric.OverLimit: {
		Remedy: "See which metrics and owners have most series: filter or drop what nobody needs, or raise the limit.",
		Link:   "/cardinality",
	},
	metric.Invalid: {Remedy: "It must be mended where it is sent, or renamed by a rule.", Link: "/rules?view=workbench"},
}

// remedy fills in what to do about the refused identities. The page to go to is that of the first remedy.
func (a *API) remedy(s *senders, p *Presence) {
	var all []string
	for _, o := range s.outcomes() {
		of := remedies[o]
		switch o {
		case metric.Conflict:
			v := s.examples[o]
			of = a.conflictRemedy(&v)
		case metric.OverLimit:
			of = a.limitRemedy(s)
		default:
		}
		if all = append(all, of.Remedy); len(all) == 1 {
			p.Link = of.Link
		}
	}
	p.Remedy = strings.Join(all, " ")
}

// limitRemedy says where to look for what fills a limit.
func (a *API) limitRemedy(s *senders) Presence {
	v := s.examples[metric.OverLimit]
	if v.Metric == "" || !strings.Contains(a.options.Store.Reason(&v), "metrics.max_series_per_metric") {
		return remedies[metric.OverLimit]
	}
	return Presence{
		Remedy: "See which labels of the metric have most values: filter or drop what nobody needs, or raise the limit.",
		Link:   "/cardinality?" + url.Values{"metric": {v.Metric}}.Encode(),
	}
}

// conflictRemedy says how the two of a conflict can be told apart.
func (a *API) conflictRemedy(v *store.Visited) Presence {
	p := remedies[metric.Conflict]
	p.Link = "/rules?" + url.Values{"view": {"workbench"}, "name": {v.Name}}.Encode()
	e, ok := a.options.Store.Resolver().(explainer)
	if !ok || v.Rival.Name == "" {
		return p
	}
	own, rival := v.Identity(v.Name, v.Unit), v.Rival.Identity(v.Rival.Name, v.Rival.Unit)
	removed := e.Removed(&own, &rival)
	switch {
	case len(removed) > 0 && strings.HasPrefix(removed[0].By, "metrics."):
		by := removed[0].By
		p.Remedy = fmt.Sprintf("%s makes one series of these senders. Keep a label that tells them apart, or filter out "+
			"what nobody needs.", by)
		p.Link = "/config?" + url.Values{"search": {by}}.Encode()
	case v.Name == v.Rival.Name && v.Unit != v.Rival.Unit:
		p.Remedy = fmt.Sprintf("One name comes in two units, %s and %s, and the first one has the series. Write a rule with "+
			"when: {unit: %s} that gives one of them another name or a tag, or drops it.",
			quote(v.Rival.Unit), quote(v.Unit), quote(v.Unit))
	}
	return p
}
