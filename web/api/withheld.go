package api

import (
	"context"
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

const (
	// maxWithheld bounds the names of Selected.Withheld, maxWithheldSenders the senders that are resolved to find them:
	// each takes some microseconds.
	maxWithheld        = 20
	maxWithheldSenders = 20_000
)

// Withheld is a name of which a sender's series would match a selector, but is not exposed.
type Withheld struct {
	Name string `json:"name"`
	// State is filtered, dropped, refused or conflict, Reason the setting or rule that makes it so, or a sentence.
	State  string `json:"state"`
	Reason string `json:"reason"`
	// Labels are those that the series of the first such sender would have.
	Labels map[string]string `json:"labels"`
}

// withheldState is what keeps samples of an outcome from a series; empty for other outcomes.
func withheldState(o metric.Outcome) State {
	switch o {
	case metric.Conflict:
		return StateConflict
	case metric.OverLimit, metric.Invalid:
		return StateRefused
	default:
		return stateOf[o]
	}
}

// withheldOf lists what would match, and is not exposed, of names that lead to a family or would.
func (s *selection) withheldOf(ctx context.Context, a *API, in *live.Snapshot, family string, leads []lead) {
	names := map[string]bool{}
	for _, l := range leads {
		if l.state != leadExposed || len(l.others) > 0 {
			names[l.name] = true
		}
	}
	if len(names) == 0 {
		return
	}
	w := withholding{selection: s, api: a, family: family, kept: keptSeries(a.options.Store.Resolver())}
	for _, list := range [][]live.Name{in.Names, in.Others} {
		for i := range list {
			if n := &list[i]; names[n.Name] && !n.Gone {
				w.leftOut(n, in)
			}
		}
	}
	var marks []store.Mark
	a.options.Store.Scan(func(chunk *store.Scan) bool {
		marks = marks[:0]
		for i := range chunk.Marks {
			m := &chunk.Marks[i]
			if (m.State == store.EntryDropped || m.State == store.EntryRefused) && names[chunk.Names[m.Name].Name] {
				marks = append(marks, *m)
			}
		}
		visited := a.options.Store.Visit(marks)
		for i := range visited {
			w.visit(&visited[i])
		}
		return w.senders < maxWithheldSenders && ctx.Err() == nil
	})
	slices.SortStableFunc(s.Withheld, func(x, y Withheld) int {
		return slices.Index(unexposed, y.State) - slices.Index(unexposed, x.State)
	})
}

// keptSeries returns what makes series of identities, labels included, as if no rule dropped them.
func keptSeries(r store.Resolver) func(id *store.Identity) store.Resolved {
	if kept, ok := r.(interface {
		KeptSeries(id *store.Identity) store.Resolved
	}); ok {
		return kept.KeptSeries
	}
	return r.Resolve
}

// withholding collects what would match a selector.
type withholding struct {
	*selection

	api     *API
	family  string
	kept    func(id *store.Identity) store.Resolved
	senders int // that were resolved
}

// leftOut looks at the senders that are known of samples that are not stored.
func (w *withholding) leftOut(n *live.Name, in *live.Snapshot) {
	for i := range n.LeftOut {
		l := &n.LeftOut[i]
		if state := withheldState(l.Outcome); state != "" && l.IsCurrent(in.Taken) {
			w.look(n.Name, state, l.Sender.Whole(n.Name, n.Unit, n.Part), "", func(id *store.Identity) string {
				switch l.Outcome {
				case metric.Filtered:
					return l.Setting
				case metric.DroppedByRule:
					return w.dropped(id)
				default:
					return l.Reason
				}
			})
		}
	}
}

// visit looks at an identity that has no series.
func (w *withholding) visit(v *store.Visited) {
	var state State
	switch v.State {
	case store.EntryDropped:
		state = StateDropped
	case store.EntryRefused:
		state = withheldState(v.Outcome)
	case store.EntryLive, store.EntryPart, store.EntryJoined, store.EntryWaiting: // it has changed since
	}
	w.look(v.Name, state, v.Whole(v.Name, v.Unit, v.Part), v.Metric, func(id *store.Identity) string {
		if state == StateDropped {
			return w.dropped(id)
		}
		return w.api.options.Store.Reason(v)
	})
}

// dropped names the rule that drops an identity.
func (w *withholding) dropped(id *store.Identity) string {
	if rule := w.api.droppedBy(id); rule != "" {
		return "rule " + rule
	}
	return "a rule"
}

// look adds a name if a sender's series would match, once for each state. The metric is empty where it is not known.
func (w *withholding) look(
	name string, state State, id store.Identity, of string, reason func(id *store.Identity) string,
) {
	known := func(k Withheld) bool { return k.Name == name && k.State == string(state) }
	if state == "" || len(w.Withheld) == maxWithheld || slices.ContainsFunc(w.Withheld, known) {
		return
	}
	w.senders++
	would := w.kept(&id)
	if of == "" {
		of = would.Metric
	}
	if of != w.family {
		return
	}
	for i := range w.matchers {
		m := &w.matchers[i]
		has := func(string) bool { return metric.LabelValue(would.Labels, m.Label) != "" }
		if ignored(m, would.Type, has) == "" && !m.Matches(metric.LabelValue(would.Labels, m.Label)) {
			return
		}
	}
	w.Withheld = append(w.Withheld, Withheld{
		Name: strings.Clone(name), State: string(state), Reason: reason(&id), Labels: labelMap(would.Labels),
	})
}

// withheldWords say which names would match, and why they are not exposed.
func (s *Selected) withheldWords() string {
	var all []string
	for i := range s.Withheld[:min(len(s.Withheld), maxNear)] {
		w := &s.Withheld[i]
		by := ": "
		if w.State == string(StateFiltered) || w.State == string(StateDropped) {
			by = " by "
		}
		all = append(all, quote(cut(w.Name))+" is "+stateWords(w.State)+by+w.Reason)
	}
	switch more := len(s.Withheld) - len(all); {
	case len(s.Withheld) == maxWithheld:
		all = append(all, "and more")
	case more > 0:
		all = append(all, "and "+overview.Number(float64(more))+" more")
	}
	return strings.Join(all, "; ")
}

// stateWords is a state in words.
func stateWords(state string) string {
	if state == string(StateConflict) {
		return "in conflict"
	}
	return state
}

// onlyFirst adds that more of filtered names might match than is known.
func (p *Presence) onlyFirst(leads []lead) {
	filtered := string(StateFiltered)
	if slices.ContainsFunc(leads, func(l lead) bool {
		return l.state == filtered || slices.Contains(l.others, filtered)
	}) {
		p.Sentence += " Of each filtered name only the first sender is known."
	}
}

// lead puts names that would match, and are not exposed, before all else that is said of a metric.
func (p *Presence) lead(s *Selected) {
	if len(s.Withheld) == 0 {
		return
	}
	first := "What the selector asks for arrives, but is not exposed: "
	p.Remedy = "Explain one of those names: that says what to do. The selector needs no correction."
	if s.Matching > 0 {
		first = "More arrives that would match the selector, but is not exposed: "
		p.Remedy = "Explain one of those names: that says what to do."
	} else {
		p.State = "no_series"
	}
	p.Sentence = first + s.withheldWords() + ". " + p.Sentence
	names, states := p.NearNames, p.NearStates
	p.NearNames, p.NearStates = nil, nil
	for i := range s.Withheld {
		w := &s.Withheld[i]
		if i == maxNear || slices.Contains(p.NearNames, w.Name) {
			continue
		}
		p.NearNames, p.NearStates = append(p.NearNames, w.Name), append(p.NearStates, w.State)
	}
	for i, name := range names {
		if len(p.NearNames) < maxNear && !slices.Contains(p.NearNames, name) {
			p.NearNames, p.NearStates = append(p.NearNames, name), append(p.NearStates, states[i])
		}
	}
}
