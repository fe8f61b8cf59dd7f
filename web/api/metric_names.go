package api

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// maxWords is how many words of an expression are looked up: each costs a walk over all names.
const maxWords = 50

// metricNames returns what of a text may be the name of a metric: all of it or, if it is a selector or an expression,
// each of its first words.
func metricNames(text string) []string {
	if !strings.ContainsAny(text, "{([") {
		return []string{text}
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return !inName(r) })
	return words[:min(len(words), maxWords)]
}

// inName reports whether a character may stand in the name of a metric.
func inName(r rune) bool {
	return r == '_' || r == ':' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// families returns the metrics of which a name may be a series, where they are histograms or summaries.
func families(name string) (all []string) {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if family, ok := strings.CutSuffix(name, suffix); ok {
			all = append(all, family)
		}
	}
	return all
}

// notExposed reports whether a text is about a metric that is not there: it is an expression, or begins as the names of
// metrics do, and nothing else is said of it.
func (p *Presence) notExposed(ctx context.Context, a *API, s *live.Snapshot, q *ExplainQuery) (bool, error) {
	if q.Origin+q.Kind+q.Unit+q.SourceID != "" || !a.isMetric(q.Name) {
		return false, nil
	}
	p.State, p.Link = "no_metric", "/names"
	p.Sentence = "No metric of this name is exposed, and no component sends a name like this."
	p.Remedy = fmt.Sprintf("A metric is there from the first sample of a raw name that leads to it until %s, after the "+
		"last: search Names for a word of it.", a.expiration())
	if strings.HasPrefix(q.Name, ownPrefix) {
		p.Link = "/docs?page=metrics"
		p.Sentence = "The exporter has no metric of this name now."
		p.Remedy = "Some of its metrics are there only where what they count is switched on, or has happened. The " +
			"documentation has all of them."
	}
	all := a.verdicts(ctx, s, q.Name)
	if len(all) > 0 && all[0].metric == "" {
		p.Sentence = all[0].Sentence
	}
	p.further(all, 0)
	var err error
	for i := range all {
		if all[i].metric == "" {
			continue
		}
		if p.NearNames, p.NearMetrics, err = near(ctx, s, all[i].metric); err != nil || len(p.NearMetrics) > 0 {
			break
		}
	}
	p.NearNames = []string{}
	return true, err
}

// metricForm matches the name of a metric, and a selector, function or operator of PromQL.
var metricForm = regexp.MustCompile(
	`(?s)^[A-Za-z_:][A-Za-z0-9_:]*(?:(\s*[({[].*)|\s+(?:[-+*/%^@=!<>]|(?:and|or|unless|offset)\s).*)?$`)

// isMetric reports whether a text has the form of a metric's name, or of an expression with one.
func (a *API) isMetric(text string) bool {
	form := metricForm.FindStringSubmatch(text)
	if form == nil {
		return strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}")
	}
	e, err := a.explainer()
	return form[1] != "" || strings.HasPrefix(text, ownPrefix) ||
		err == nil && e.Options().Naming.Namespace != "" && strings.HasPrefix(text, e.Options().Naming.Namespace+"_")
}

// ofMetric fills in what is said of a metric. Names that are not exposed come first: they are what one looks for.
func (p *Presence) ofMetric(name, sentence string, leads []lead) {
	counts, others := map[string]int{}, map[string]int{}
	for _, l := range leads {
		counts[l.state]++
		for _, state := range l.others {
			others[state]++
		}
	}
	without := countsOf(counts)
	p.State, p.Link = "metric", "/names?"+url.Values{"metric": {name}}.Encode()
	p.Remedy = "Explain one of those."
	switch exposed := overview.Number(float64(counts[leadExposed])); {
	case without == "":
		p.Sentence = fmt.Sprintf("%s Raw names that lead to it: %s.", sentence, exposed)
	case counts[leadExposed] > 0:
		p.Sentence = fmt.Sprintf("%s Raw names that lead to it: %s. More would, but are not exposed: %s.",
			sentence, exposed, without)
	default:
		p.State = "no_series"
		p.Sentence = fmt.Sprintf("The metric %s has no series, though raw names arrive that would lead to it: %s.",
			name, without)
		p.Remedy = "Explain one of those: that says why, and what to do."
	}
	if also := countsOf(others); also != "" {
		p.Sentence += fmt.Sprintf(" Names that are exposed from one sender and not from another: %s.", also)
	}
	slices.SortStableFunc(leads, func(x, y lead) int {
		return slices.Index(unexposed, y.state) - slices.Index(unexposed, x.state)
	})
	for _, l := range leads[:min(len(leads), maxNear)] {
		p.NearNames, p.NearStates = append(p.NearNames, l.name), append(p.NearStates, l.state)
	}
}

// countsOf lists how many names are not exposed, by what keeps them out; empty for none.
func countsOf(counts map[string]int) string {
	var all []string
	for _, state := range unexposed {
		if n := counts[state]; n > 0 {
			all = append(all, overview.Number(float64(n))+" "+stateWords(state))
		}
	}
	return strings.Join(all, ", ")
}

// lead is a raw name that leads to a metric, or would. State is leadExposed, or why it does not; others are why it
// does not from other senders.
type lead struct {
	name, state string
	others      []string
}

const leadExposed = "exposed"

// unexposed is what a name may be that has no series.
var unexposed = []string{
	"waiting", string(StateFiltered), string(StateDropped), string(StateRefused), string(StateConflict),
}

// leadsTo lists the names that lead to a metric, or would.
func leadsTo(s *live.Snapshot, name string) (leads []lead) {
	at := slices.Index(s.Texts, name)
	if at < 0 {
		return nil
	}
	elsewhere := map[string][]string{} // why names are not exposed from senders that would lead to another metric
	for _, b := range s.Besides {
		elsewhere[b.Name] = append(elsewhere[b.Name], string(stateOf[b.Outcome]))
	}
	for _, list := range [][]live.Name{s.Names, s.Others} {
		for i := range list {
			n := &list[i]
			if n.Gone || !slices.Contains(n.Metrics, uint32(at)) {
				continue
			}
			l := leadOf(s, n, elsewhere[n.Name])
			last := len(leads) - 1
			switch {
			case last < 0 || leads[last].name != n.Name:
				leads = append(leads, l)
			case l.state == leadExposed: // of another kind or unit
				leads[last] = l
			}
		}
	}
	for _, b := range s.Besides {
		if b.Metric == uint32(at) {
			leads = append(leads, lead{name: b.Name, state: string(stateOf[b.Outcome])})
		}
	}
	return leads
}

// stateOf are the states of names whose samples are left out on purpose.
var stateOf = map[metric.Outcome]State{metric.Filtered: StateFiltered, metric.DroppedByRule: StateDropped}

// leadOf says whether a name is exposed and, of one that is, why it is not from other senders that would lead to the
// same metric.
func leadOf(s *live.Snapshot, n *live.Name, elsewhere []string) lead {
	held := statesOf(n)
	if l := n.Of(metric.Filtered); l != nil && l.IsCurrent(s.Taken) {
		held = append(held, StateFiltered)
	}
	l := lead{name: n.Name, state: leadExposed}
	for _, state := range held {
		switch text := string(state); {
		case !slices.Contains(unexposed, text):
		case n.Series == 0:
			l.state = text
			return l
		case !slices.Contains(elsewhere, text):
			l.others = append(l.others, text)
		}
	}
	if n.Series == 0 {
		l.state = unexposed[0]
	}
	return l
}

// hasParts reports whether a metric is a histogram or summary or, where nothing of it is exposed, would be.
func (a *API) hasParts(s *live.Snapshot, name string) bool {
	f, ok := a.options.Store.FamilyLabelSets(name, 1, func([]store.LabelSet) bool { return false })
	if ok {
		return f.Type == metric.TypeHistogram || f.Type == metric.TypeSummary
	}
	kept := live.Kept(a.options.Store.Resolver())
	for _, list := range [][]live.Name{s.Names, s.Others} {
		for i := range list {
			n := &list[i]
			if !slices.ContainsFunc(n.Metrics, func(pos uint32) bool { return s.Texts[pos] == name }) {
				continue
			}
			id := n.Ruled()
			if would := kept(&id); would.Metric == name {
				return would.Type == metric.TypeHistogram || would.Type == metric.TypeSummary
			}
		}
	}
	return false
}
