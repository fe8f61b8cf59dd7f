package api

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
)

// State is what becomes of a raw name.
type State string

// The states. Where several hold of a name, the first is shown, and a search for any of them finds it.
const (
	StateConflict State = "conflict" // some of its samples belong to the series, or the family, of another name
	StateRefused  State = "refused"  // some of its samples are refused by a limit, or are invalid
	StateDropped  State = "dropped"  // a rule drops it
	StateFiltered State = "filtered" // nozzle.filters or nozzle.selectors leave it out
	StateUntagged State = "untagged" // no rule matches from some sender, and the quarantine finds nothing
	StateTagged   State = "tagged"   // exposed, with the tags of a rule
)

// states lists all.
var states = [...]State{StateConflict, StateRefused, StateDropped, StateFiltered, StateUntagged, StateTagged}

// NamesQuery says which raw names to list.
type NamesQuery struct {
	// Search keeps names of which the name, an origin or a metric contains each of its words, whatever their case, or
	// which a word writes as origin.name. Of an expression of PromQL it keeps the names that lead to one of its
	// metrics.
	Search string
	// State, Metric and Rule keep the names with that state, that lead to that metric or would, that a rule with that
	// id takes, whose origin it takes, or whose metric it describes; see NamesPage.RuleSection.
	State  State
	Metric string
	Rule   string
	// Undescribed keeps those of the state untagged that no entry of metrics describes either.
	Undescribed bool
	// Owner keeps the names of that owner; see OwnerSize.
	Owner string
	// Reason keeps the names of which samples were not stored for that reason since the start, also those that are no
	// longer sent; see NotStored.
	Reason string
	// Sort is name, origin, kind, unit, metric, series, last_seen, state or samples, which is the number that were not
	// stored, for the reason that is asked for; the default is name. Ties are in the order of names.
	Sort       string
	Descending bool
	// Limit is the number of names of a page, 1 to 1000; 0 is 100.
	Limit int
	// Cursor is Next or Previous of another page; empty for the first one.
	Cursor string
}

// NamesPage is a page of the list of raw names.
type NamesPage struct {
	// Time is when the names were read from the store.
	Time  time.Time `json:"time"`
	Names []Name    `json:"names"`
	// Total is how many names the query finds, All how many there are.
	Total int `json:"total"`
	All   int `json:"all"`
	// Omitted counts identities whose names are not listed, since there are more than 200,000 names.
	Omitted int `json:"omitted"`
	// States counts the names that the query would find with each state in place of its own. A name of which several hold
	// counts with each. Matching counts each name once.
	States   map[State]int `json:"states"`
	Matching int           `json:"matching"`
	// Undescribed counts the names that the query would find with undescribed=true in place of a state.
	Undescribed int `json:"undescribed"`
	// Reasons counts the names that the query would find with each reason in place of its own.
	Reasons map[string]int `json:"reasons"`
	// NotStored is how many samples were not stored for the reason that is asked for, of all names.
	NotStored *ReasonTotal `json:"not_stored,omitempty"`
	// From is the number of the first row of the page, from 0.
	From int `json:"from"`
	// Next is the cursor of the next page, Previous that of the page before; empty where there is none.
	Next     string `json:"next,omitempty"`
	Previous string `json:"previous,omitempty"`
	// NearNames and NearMetrics are raw names and metrics that resemble what was searched for, where nothing was found.
	NearNames   []string `json:"near_names"`
	NearMetrics []string `json:"near_metrics"`
	// RuleSection is where the rule that is asked for stands: those of rules and mappings take names; entries of
	// metrics describe the metrics of names, which may be untagged. RuleOrigins is of how many names it takes only
	// the origin.
	RuleSection string `json:"rule_section,omitempty"`
	RuleOrigins int    `json:"rule_origins,omitempty"`
	// OwnMetrics are the first 10 metrics of the exporter itself that a search finds: no component sends them, and no rule
	// makes them.
	OwnMetrics []OwnMetric `json:"own_metrics"`
}

// Name is one raw name of one kind and unit, as components emit it.
type Name struct {
	Name string `json:"name"`
	// Kind is gauge, counter, timer, histogram or summary.
	Kind string `json:"kind"`
	Unit string `json:"unit"`
	// Origins are the first 8 origins, or source ids where there is none, that emit it; OriginCount is the number of all,
	// up to 64. Origins longer than 256 bytes are cut.
	Origins     []string `json:"origins"`
	OriginCount int      `json:"origin_count"`
	// Metrics are the first 8 metrics that it leads to, or would; MetricCount is the number of all, up to 64.
	Metrics     []string `json:"metrics"`
	MetricCount int      `json:"metric_count"`
	// PartOf is the histogram or summary that it is a part of, by whose name rules go; empty where it is none.
	PartOf string `json:"part_of,omitempty"`
	// Rule is the id of the last rule that matched, or empty. BuiltIn says that it needs none: HTTP requests.
	Rule    string `json:"rule"`
	BuiltIn bool   `json:"built_in,omitempty"`
	// DescribedBy is the entry of metrics that describes its metric, if it has no rule: the first one that matches.
	// Undescribed says that there is none, and that the name is untagged.
	DescribedBy string `json:"described_by,omitempty"`
	Undescribed bool   `json:"undescribed,omitempty"`
	// Series is how many it has; Refused how many identities have none, for whatever reason.
	Series  int `json:"series"`
	Refused int `json:"refused"`
	// LastSeen is when the last sample arrived.
	LastSeen time.Time `json:"last_seen,omitzero"`
	// State is the first of States, which are all that it has; empty for a name that no longer arrives.
	State  State   `json:"state"`
	States []State `json:"states"`
	// Reason says why it is in conflict or refused.
	Reason string `json:"reason,omitempty"`
	// NotStored says how many samples were not stored since the start, and why, for each reason once.
	NotStored []NotStored `json:"not_stored"`
}

// Names lists raw names, as they were when they were listed last; see NamesPage.Time.
func (a *API) Names(ctx context.Context, q NamesQuery) (*NamesPage, error) {
	of := checksum(q.Search, string(q.State), q.Metric, q.Rule, q.Owner, q.Reason, q.Sort,
		strconv.FormatBool(q.Descending),
		strconv.FormatBool(q.Undescribed))
	after, err := decodeCursor(q.Cursor, of)
	if err != nil {
		return nil, err
	}
	s, err := a.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	filter, err := a.nameFilter(ctx, &q, s)
	if err != nil {
		return nil, err
	}
	page := &NamesPage{
		Time: s.Taken.UTC(), Names: []Name{}, All: len(s.Names), Omitted: s.Omitted, States: map[State]int{},
		NearNames: []string{}, NearMetrics: []string{}, OwnMetrics: []OwnMetric{}, Reasons: map[string]int{},
		RuleSection: filter.ruled.section, RuleOrigins: filter.ruled.origins,
	}
	if reason := reasonOf(q.Reason); reason != metric.Stored {
		page.NotStored = a.totalOf(s, reason)
	}
	s = filter.Snapshot
	found := filter.run(page)
	by := cmp.Or(q.Sort, "name")
	order := nameOrder{nameFilter: filter, key: nameKeys[by], byName: by == "name", descending: q.Descending}
	order.bySamples = by == "samples" && q.Reason != ""
	order.sort(found)
	shown, err := order.page(found, after, of, cmp.Or(q.Limit, defaultLimit))
	if err != nil {
		return nil, err
	}
	page.From, page.Next, page.Previous = shown.from, shown.next, shown.previous
	explainer, _ := a.options.Store.Resolver().(explainer)
	for _, i := range found[shown.from:shown.to] {
		page.Names = append(page.Names, a.nameOf(s, filter.at(i), explainer))
	}
	wanted := cmp.Or(q.Search, q.Metric)
	if wanted != "" && page.Matching == 0 && q.Rule == "" && q.Owner == "" && q.Reason == "" {
		if page.OwnMetrics = a.searchOwn(wanted); len(page.OwnMetrics) == 0 {
			page.NearNames, page.NearMetrics, err = near(ctx, s, wanted)
		}
	}
	return page, err
}

// explainer is a resolver that knows rules.
type explainer interface {
	store.Resolver
	Explain(id *store.Identity, tr *resolver.Trace) resolver.Resolution
	ApplyRules(id *store.Identity, dst *tagger.Result, tr *tagger.Trace)
	Removed(a, b *store.Identity) []resolver.RemovedLabel
	Tagger() *tagger.Tagger
	Options() resolver.Options
}

// builtIn reports whether a name needs no rule, since what it becomes is fixed.
func builtIn(r *resolver.Resolution) bool {
	return r.Rules.Rule == "" && !r.Untagged && !r.Rules.Dropped
}

// explainer returns the resolver, where it is one that knows rules.
func (a *API) explainer() (explainer, error) {
	e, ok := a.options.Store.Resolver().(explainer)
	if !ok {
		return nil, &Error{Type: ErrorNotFound, Text: "names are not resolved by rules here: see metrics.compatibility_mode"}
	}
	return e, nil
}

// nameOf returns a row of the list. The rule, and why it is refused, are found here, for the names of one page, rather
// than kept for all.
func (a *API) nameOf(s *live.Snapshot, n *live.Name, e explainer) Name {
	out := Name{
		Name: n.Name, Unit: n.Unit, Kind: n.Kind.String(), Series: n.Series, States: statesOf(n), Reason: a.reason(n),
		Refused:   n.Conflicts + n.OverLimit + n.Invalid + n.Dropped,
		NotStored: a.notStored(n), Origins: texts(s, n.Origins), OriginCount: len(n.Origins), Metrics: texts(s, n.Metrics),
		MetricCount: len(n.Metrics),
	}
	if len(out.States) > 0 {
		out.State = out.States[0]
	}
	if n.LastSeen > 0 {
		out.LastSeen = time.Unix(0, n.LastSeen).UTC()
	}
	if e != nil {
		id := n.Ruled()
		if id.Composite != metric.TypeGauge {
			out.PartOf = id.Name
		}
		trace := resolver.Trace{Rules: tagger.Trace{NoAttempts: true}}
		r := e.Explain(&id, &trace)
		out.Rule, out.BuiltIn = r.Rules.Rule, builtIn(&r)
		if out.Undescribed = undescribed(n); out.Rule == "" {
			out.DescribedBy = entryOf(&trace.Rules)
		}
	}
	return out
}

// reason says why identities of a name are refused, for each outcome once.
func (a *API) reason(n *live.Name) string {
	var all []string
	for _, o := range refusals {
		for i := range n.Refused {
			if n.Refused[i].Outcome == o {
				all = append(all, a.options.Store.Reason(&n.Refused[i]))
			}
		}
	}
	return strings.Join(all, "; of others: ")
}

const (
	maxShownTexts = 8
	maxShownBytes = 256
)

func texts(s *live.Snapshot, positions []uint32) []string {
	list := make([]string, 0, min(len(positions), maxShownTexts))
	for _, pos := range positions[:min(len(positions), maxShownTexts)] {
		list = append(list, cut(s.Texts[pos]))
	}
	return list
}

// cut returns the start of a text that someone else chose.
func cut(text string) string {
	if len(text) > maxShownBytes {
		text = strings.ToValidUTF8(text[:maxShownBytes], "") + "..."
	}
	return text
}

// entryOf returns the first entry of metrics of a trace, or "".
func entryOf(tr *tagger.Trace) string {
	for i := range tr.Steps {
		if tr.Steps[i].Stage == tagger.StageMetadata {
			return tr.Steps[i].Rule
		}
	}
	return ""
}

// undescribed reports whether neither a rule takes a name, from some sender, nor an entry of metrics describes it.
func undescribed(n *live.Name) bool { return n.Untagged > 0 && n.Undescribed }

// holds reports whether a name has a state.
func holds(n *live.Name, s State) bool {
	switch s {
	case StateConflict:
		return n.Conflicts > 0
	case StateRefused:
		return n.OverLimit+n.Invalid > 0
	case StateDropped:
		return n.Dropped > 0
	case StateFiltered:
		return n.Filtered
	case StateUntagged:
		return n.Untagged > 0
	default:
		return n.Conflicts+n.OverLimit+n.Invalid+n.Dropped+n.Untagged == 0 && !n.Filtered && !n.Gone
	}
}

// statesOf returns the states that a name has; none where it does not arrive.
func statesOf(n *live.Name) []State {
	all := []State{}
	for _, s := range states {
		if holds(n, s) {
			all = append(all, s)
		}
	}
	return all
}
