package api

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// Presence says in plain words whether a name is exposed, and if not, why and what to do next.
type Presence struct {
	// State is exposed, quarantined (exposed after the quarantine took ids and numbers out), partly (some of its
	// senders have no series), conflict, over_limit, invalid, dropped, waiting, elsewhere (it arrives, but of another
	// kind, unit or origin than asked for), filtered, metric (it is the name of a metric, or of a series of one),
	// no_match (of an expression with a selector that chooses none of the metric's series),
	// no_series (of a metric, or of what a selector asks for: names would lead to it, but all are dropped, filtered or
	// refused), own (of one of the exporter's own), no_metric (it has the form of a metric's name, but none has it) or
	// unseen.
	State string `json:"state"`
	// Sentence is that in words, Remedy what to do about it, or empty, and Link the page that shows more, or empty.
	Sentence string `json:"sentence"`
	Remedy   string `json:"remedy,omitempty"`
	Link     string `json:"link,omitempty"`
	// NearNames and NearMetrics are raw names and metrics that resemble one that never came; of a metric, NearNames are
	// the first names that lead to it, or would, and NearStates says of each whether it is exposed, else waiting,
	// filtered, dropped, refused or conflict.
	NearNames   []string `json:"near_names"`
	NearStates  []string `json:"near_states,omitempty"`
	NearMetrics []string `json:"near_metrics"`
	// Own is the metric of the exporter itself that has the name.
	Own *OwnMetric `json:"own,omitempty"`
	// Selected are the series that the selector of an expression chooses; missing where it has no label matchers.
	Selected *Selected `json:"selected,omitempty"`
	// Further says the same of the other metrics of an expression, in the order in which they stand in it.
	Further []Verdict `json:"further,omitempty"`
}

// OfMetric says that the text is about a metric: no component would send it.
func (p *Presence) OfMetric() bool {
	return slices.Contains([]string{"metric", "no_match", "no_series", "own", "no_metric"}, p.State)
}

// presence says whether the name of a query is exposed, with x as far as it is explained.
func (a *API) presence(ctx context.Context, q *ExplainQuery, s *senders, x *Explained) error {
	p := Presence{NearNames: []string{}, NearMetrics: []string{}}
	defer func() { x.Presence = &p }()
	total := s.series + s.dropped + s.waiting + s.without()
	switch {
	case total == 0:
		return a.absence(ctx, q, x, &p)
	case s.series > 0:
		a.exposed(q, s, x, &p)
	case s.without() > 0:
		a.remedy(s, &p)
		p.State = s.outcomes()[0].String()
		p.Sentence = "The name arrives, but has no series: " + a.reasons(s) + "."
	case s.dropped > 0:
		p.State, p.Sentence = "dropped", "The name arrives, but rule "+x.Rule+" drops it."
		p.Remedy = "If it is wanted, write a rule that takes it before this one, or take this one out."
		p.Link = "/rules?" + url.Values{"search": {x.Rule}}.Encode()
	default:
		p.State, p.Sentence = "waiting", "Parts of a histogram or summary have arrived. Its series comes with the others."
	}
	a.leftOut(s, x, &p)
	return nil
}

// leftOut adds what is said of senders whose samples a rule drops or a setting filters, where others of the name fare
// otherwise.
func (a *API) leftOut(s *senders, x *Explained, p *Presence) {
	if s.dropped > 0 && p.State != string(StateDropped) {
		rule := "A rule"
		if e, ok := a.options.Store.Resolver().(explainer); ok {
			var r tagger.Result
			id := s.firstDropped.Whole(s.firstDropped.Name, s.firstDropped.Unit, s.firstDropped.Part)
			e.ApplyRules(&id, &r, nil)
			rule = "Rule " + r.Rule
		}
		p.Sentence += fmt.Sprintf(" %s drops it for %s more.", rule, overview.Number(float64(s.dropped)))
	}
	if by := filteredLately(x); by != "" {
		p.Sentence += " " + by + " leaves it out of other senders."
	}
}

// filteredLately returns the key of the setting that leaves the name out, as seen lately, or "".
func filteredLately(x *Explained) string {
	for i := range x.NotStored {
		if n := &x.NotStored[i]; n.Reason == metric.Filtered.String() && time.Since(n.LastSeen) <= live.Lately {
			return n.Setting
		}
	}
	return ""
}

// exposed fills in what is said of a name that has series.
func (a *API) exposed(q *ExplainQuery, s *senders, x *Explained, p *Presence) {
	senders := s.words()
	p.State = "exposed"
	p.Sentence = "The name arrives, and is exposed: " + senders + "."
	switch {
	case s.without() > 0:
		a.remedy(s, p)
		p.State = "partly"
		more := overview.Number(float64(s.without())) + " more"
		if s.sets > len(s.from) && s.refusedSets > 0 {
			more = overview.Number(float64(s.refusedSets)) + " more sets of tags"
		}
		p.Sentence = fmt.Sprintf("The name is exposed for %s, but refused for %s: %s.", senders, more, a.reasons(s))
	case x.Rule == tagger.Quarantine:
		p.State = "quarantined"
		p.Sentence = "No rule takes the name. The quarantine made labels of the ids and numbers in it, so that their " +
			"series have one metric."
		p.Remedy = "Write a rule that says what they are."
		p.Link = "/rules?" + url.Values{"view": {"workbench"}, "name": {q.Name}}.Encode()
	}
}

// absence says why nothing of a name is here.
func (a *API) absence(ctx context.Context, q *ExplainQuery, x *Explained, p *Presence) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	refused := func(r store.Refusal) bool { return r.RawName == q.Name }
	refusals := a.options.Store.Refusals()
	asked, seen := a.filteredBy(q), filteredLately(x)
	switch by := cmp.Or(asked, seen); {
	case p.elsewhere(s, q):
		if asked != "" {
			p.Sentence += " As it is asked for, " + asked + " leaves it out."
		}
	case slices.ContainsFunc(refusals, refused):
		r := refusals[slices.IndexFunc(refusals, refused)]
		of := remedies[r.Outcome]
		p.State, p.Remedy, p.Link = r.Outcome.String(), of.Remedy, of.Link
		p.Sentence = fmt.Sprintf("%s samples of the name were refused since the start: %s.",
			overview.Number(float64(r.Count)), r.Reason)
	case by != "":
		p.State = "filtered"
		p.Sentence = by + " leaves the name out before it becomes a sample; whether it arrives is not known."
		if seen != "" {
			p.Sentence = "The name arrives, but " + by + " leaves it out before it becomes a sample."
		}
		p.Remedy = "If it is wanted, change " + by + "."
		p.Link = settingPage(by)
	case p.metric(ctx, a, s, q.Name):
		if ctx.Err() != nil {
			return canceled(ctx)
		}
	case x.Invalid != "":
		p.State, p.Sentence = "invalid", "Samples of this name are refused: "+x.Invalid+"."
		p.Remedy = remedies[metric.Invalid].Remedy
	default:
		if about, err := p.notExposed(ctx, a, s, q); about || err != nil {
			return err
		}
		if p.NearNames, p.NearMetrics, err = near(ctx, s, q.Name); err == nil {
			err = p.nearOrigin(ctx, s, q.Name)
		}
		if p.unseen(x, a.expiration(), a.down()); p.Link == "" && q.Origin != "" && slices.Contains(s.Texts, q.Origin) {
			p.Remedy += " These are the names of the origin:"
			p.Link = "/names?" + url.Values{"search": {q.Origin}}.Encode()
		}
	}
	return err
}

// nearOrigin puts names of an origin first, where the text begins with that.
func (p *Presence) nearOrigin(ctx context.Context, s *live.Snapshot, text string) error {
	origin, name, _ := strings.Cut(text, ".")
	pos := slices.Index(s.Texts, origin)
	if pos < 0 {
		pos = slices.IndexFunc(s.Texts, func(text string) bool { return strings.EqualFold(text, origin) })
	}
	isSame := len(p.NearNames) > 0 && strings.EqualFold(p.NearNames[0], text)
	if pos < 0 || name == "" || isSame {
		return nil
	}
	var names []string
	for i := range s.Names {
		if n := &s.Names[i]; slices.Contains(n.Origins, uint32(pos)) && (len(names) == 0 || names[len(names)-1] != n.Name) {
			names = append(names, n.Name)
		}
	}
	first, err := newLikeness(name).nearest(ctx, names)
	for _, other := range p.NearNames {
		if !slices.Contains(first, other) {
			first = append(first, other)
		}
	}
	p.NearNames = first[:min(len(first), maxNear)]
	return err
}

// unseen fills in what is said of a name that never came.
func (p *Presence) unseen(x *Explained, expiration string, down []string) {
	p.State = "unseen"
	p.Sentence = fmt.Sprintf("No component has sent this name since the start, or not lately: after %s, a series ends. "+
		"No metric is called so.", expiration)
	if x.Dropped {
		p.Sentence += " If it came, rule " + x.Rule + " would drop it."
	}
	isSame := func(text string) bool { return strings.EqualFold(text, x.RawName) }
	switch {
	case slices.ContainsFunc(p.NearNames, isSame), slices.ContainsFunc(p.NearMetrics, isSame):
		p.Remedy = "Only the case of letters differs from one that is here: it counts."
	case len(p.NearNames)+len(p.NearMetrics) > 0:
		p.Remedy = "Look at the names that resemble it. If it is none of them, see whether the component runs and sends it."
	case len(down) > 0:
		p.Remedy = "What only " + strings.Join(down, ", ") + " would bring cannot arrive: that is not connected. "
		p.Link = "/#sources"
		fallthrough
	default:
		p.Remedy += "See whether the component runs and sends it, by this spelling."
	}
}

// expiration is the setting by which a series ends, with its value.
func (a *API) expiration() string {
	return "metrics.expiration, " + model.Duration(a.options.Store.LimitState().Expiration).String()
}

// down are the sources that are not connected.
func (a *API) down() (names []string) {
	if a.options.Sources == nil {
		return nil
	}
	sources := a.options.Sources()
	for i := range sources {
		if sources[i].Away(time.Now()) {
			names = append(names, sources[i].Name)
		}
	}
	return names
}

// elsewhere reports whether the name arrives of another kind, unit or origin.
func (p *Presence) elsewhere(s *live.Snapshot, q *ExplainQuery) bool {
	from := sort.Search(len(s.Names), func(i int) bool { return s.Names[i].Name >= q.Name })
	var as []string
	for i := from; i < len(s.Names) && s.Names[i].Name == q.Name; i++ {
		n := &s.Names[i]
		words := n.Kind.String()
		if n.Unit != "" {
			words += " in " + quote(n.Unit)
		}
		const most = 3
		origins := texts(s, n.Origins[:min(len(n.Origins), most)])
		if more := len(n.Origins) - len(origins); more > 0 {
			origins = append(origins, overview.Number(float64(more))+" more")
		}
		as = append(as, words+" of "+strings.Join(origins, ", "))
	}
	if len(as) == 0 {
		return false
	}
	p.State = "elsewhere"
	p.Sentence = "The name arrives, but not as it is asked for. It is sent as " + strings.Join(as, "; ") + "."
	p.Remedy = "Leave origin, kind and unit empty to see what becomes of it."
	p.Link = "/explain?" + url.Values{"name": {q.Name}}.Encode()
	return true
}

// filteredBy returns the key of the setting that leaves a name out, or "". Without a kind it must do so for all.
func (a *API) filteredBy(q *ExplainQuery) string {
	if a.options.Filtered == nil {
		return ""
	}
	kinds := []metric.Kind{metric.KindGauge, metric.KindCounter, metric.KindTimer}
	if kind, ok := metric.ParseKind(q.Kind); ok {
		kinds = []metric.Kind{kind}
	}
	by := ""
	for _, kind := range kinds {
		e := metric.Envelope{Kind: kind, SourceID: []byte(q.SourceID), Name: []byte(q.Name)}
		e.AddTag([]byte("origin"), []byte(q.Origin))
		for _, t := range q.Tags {
			e.AddTag([]byte(t.Name), []byte(t.Value))
		}
		if by = a.options.Filtered(&e); by == "" {
			return ""
		}
	}
	return by
}
