package console

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"loggregator_exporter/web/api"
)

// namesPerPage is the number of rows of a page of names.
const namesPerPage = 50

// shownOwners is how many owners are shown where a search finds no name.
const shownOwners = 5

// namesPage is the data of the list of names.
type namesPage struct {
	*api.NamesPage

	Query   api.NamesQuery
	States  []stateChip
	Reasons []stateChip // why samples were not stored
	Columns []column
	Pager   pager
	Bare    template.URL // without metric, rule, owner and reason
	// Owner is that of the query with the names of its app, where they are known.
	Owner *api.OwnerSize
	// Owners are those that the search finds where it finds no name.
	Owners []api.OwnerSize
	// Detail says why samples of all names of the page were not stored, Remedy what to do about it, and Refusal why
	// all are in conflict or refused; empty where that differs from name to name.
	Detail, Remedy, Refusal string
}

// stateChip keeps the names of one state.
type stateChip struct {
	Name    string
	Count   int
	Current bool
	Query   template.URL
}

func (c *Console) names(r *http.Request, f *frame) error {
	values := r.URL.Query()
	q, err := api.ParseNamesQuery(values)
	if err != nil {
		return err
	}
	if !values.Has("limit") {
		q.Limit = namesPerPage
	}
	page, err := c.options.Data.Names(r.Context(), q)
	if err != nil {
		return err
	}
	f.API = "api/v1/names" + question(values)
	q.Sort = values.Get("sort") // links name the order only where the address does
	p := namesPage{NamesPage: page, Query: q}
	p.Pager = newPager("names", page.From, len(page.Names), page.Total, page.Previous, page.Next,
		func(cursor string) template.URL { return namesQuery(q, cursor) })
	bare := q
	bare.Metric, bare.Rule, bare.Owner, bare.Reason = "", "", "", ""
	p.Bare = namesQuery(bare, "")
	p.States, p.Reasons = stateChips(page, q), reasonChips(page, q)
	p.Columns = nameColumns(q)
	p.Detail, p.Remedy = p.common(p.DetailOf), p.common(p.RemedyOf)
	if q.State == api.StateConflict || q.State == api.StateRefused {
		p.Refusal = p.common(func(n api.Name) string { return n.Reason })
	}
	if p.Owner, err = c.owner(r, q.Owner); err != nil {
		return err
	}
	if len(p.Names) == 0 && q.Search != "" && len(p.OwnMetrics) == 0 {
		sizes, err := c.options.Data.Cardinality(r.Context(), api.CardinalityQuery{
			Search: q.Search, List: "owners", Limit: shownOwners,
		})
		if err != nil {
			return err
		}
		p.Owners = sizes.Owners
	}
	f.Page = p
	return nil
}

// Counted lists the reasons of which there may be more names than are counted one by one.
func (p namesPage) Counted() string {
	var full []string
	for _, reason := range api.Reasons() {
		if p.NamesPage.Reasons[reason] >= api.NamesCounted(reason) {
			full = append(full, reasonWord(reason))
		}
	}
	return strings.Join(full, ", ")
}

// Overlap says that some names have several states, so that their counts add up to more than all.
func (p namesPage) Overlap() bool {
	sum := 0
	for _, n := range p.NamesPage.States {
		sum += n
	}
	return sum > p.Matching
}

// ProblemsFirst is the query of the list with names in conflict and refused ones on top; "" where there are none, or
// the list has an order that was chosen. It is a link, and not the order of the page: that would change under the
// reader's eyes, while one types and each time that the page is renewed.
func (p namesPage) ProblemsFirst() template.URL {
	q := p.Query
	if q.State != "" || q.Sort != "" || p.NamesPage.States[api.StateConflict]+p.NamesPage.States[api.StateRefused] == 0 {
		return ""
	}
	q.Sort = "state"
	return namesQuery(q, "")
}

// Selector says that names are searched by an expression with label matchers, by which names cannot be kept.
func (p namesPage) Selector() bool {
	_, matchers, ok := strings.Cut(p.Query.Search, "{")
	return ok && strings.Contains(matchers, "=") && len(p.Names) > 0
}

// Nameless says that all samples that were not stored for the reason that is asked for are at no name.
func (p namesPage) Nameless() bool {
	return p.NotStored != nil && p.NotStored.Samples > 0 && p.NotStored.Others == p.NotStored.Samples
}

// owner finds an owner by what identifies it; nil without one.
func (c *Console) owner(r *http.Request, id string) (*api.OwnerSize, error) {
	if id == "" {
		return nil, nil //nolint:nilnil // there is none to find
	}
	sizes, err := c.options.Data.Cardinality(r.Context(), api.CardinalityQuery{Search: id, List: "owners", Limit: 100})
	if err != nil {
		return nil, err
	}
	for i := range sizes.Owners {
		if sizes.Owners[i].Owner == id {
			return &sizes.Owners[i], nil
		}
	}
	return &api.OwnerSize{Owner: id}, nil
}

func stateChips(page *api.NamesPage, q api.NamesQuery) []stateChip {
	wanted := q.State
	bare := q.Undescribed
	q.State, q.Undescribed = "", false
	chips := []stateChip{{Name: "all", Count: page.Matching, Current: wanted == "" && !bare, Query: namesQuery(q, "")}}
	for _, s := range []api.State{
		api.StateTagged, api.StateUntagged, api.StateConflict, api.StateRefused, api.StateDropped, api.StateFiltered,
	} {
		q.State = s
		chips = append(chips, stateChip{stateWord(s), page.States[s], wanted == s, namesQuery(q, "")})
		if s == api.StateUntagged {
			q.State, q.Undescribed = "", true
			chips = append(chips, stateChip{"undescribed", page.Undescribed, bare, namesQuery(q, "")})
			q.Undescribed = false
		}
	}
	return chips
}

// stateWord is the word for a state of a name: samples in conflict are refused as well, but have a state of their own.
func stateWord(state api.State) string {
	if state == api.StateRefused {
		return "over limit or invalid"
	}
	return string(state)
}

// reasonChips keep the names of which samples were not stored for a reason. A click on the one in force shows all
// again.
func reasonChips(page *api.NamesPage, q api.NamesQuery) (chips []stateChip) {
	wanted := q.Reason
	for _, reason := range api.Reasons() {
		n := page.Reasons[reason]
		if n == 0 && reason != wanted {
			continue
		}
		if q.Reason, q.Sort, q.Descending = reason, "samples", true; reason == wanted {
			q.Reason, q.Sort, q.Descending = "", "", false
		}
		chips = append(chips, stateChip{reasonWord(reason), n, reason == wanted, namesQuery(q, "")})
	}
	return chips
}

// reasonWord is a reason as the chips of states call it, where these have a word for it.
func reasonWord(reason string) string {
	return strings.ReplaceAll(strings.TrimSuffix(reason, "_by_rule"), "_", " ")
}

// Samples are the samples of a name that were not stored for the reason that is asked for.
func (p namesPage) Samples(n api.Name) *api.NotStored {
	for i := range n.NotStored {
		if n.NotStored[i].Reason == p.Query.Reason {
			return &n.NotStored[i]
		}
	}
	return nil
}

// DetailOf says why samples were not stored, without their number, which has a column.
func (p namesPage) DetailOf(n api.Name) string {
	s := p.Samples(n)
	if s == nil {
		return ""
	}
	for _, were := range []string{" samples were ", " sample was "} {
		if _, detail, ok := strings.Cut(s.Sentence, were); ok {
			return detail
		}
	}
	return s.Sentence
}

// RemedyOf says what to do about samples that were not stored.
func (p namesPage) RemedyOf(n api.Name) string {
	if s := p.Samples(n); s != nil {
		return s.Remedy
	}
	return ""
}

// common is what is said of all names of the page that anything is said of; empty where that differs, and of one name.
func (p namesPage) common(said func(api.Name) string) (all string) {
	for _, n := range p.Names {
		switch text := said(n); {
		case text == "" || text == all:
		case all != "" || len(p.Names) == 1:
			return ""
		default:
			all = text
		}
	}
	return all
}

// Summary says how many samples were not stored for the reason that is asked for.
func (p namesPage) Summary() string {
	t := p.NotStored
	count := func(n uint64, what string) string { return plural(int(n), what, what+"s") }
	text := count(t.Samples, "sample") + " since the start."
	switch {
	case t.Envelopes > 0 && t.EnvelopeSamples == t.Samples:
		text = fmt.Sprintf("%s since the start, in %s of which nothing was kept.", count(t.Samples, "sample"),
			count(t.Envelopes, "envelope"))
	case t.Envelopes > 0:
		text = fmt.Sprintf("%s since the start: %s in %s of which nothing was kept, and %s of others.",
			count(t.Samples, "sample"),
			count(t.EnvelopeSamples, "sample"), count(t.Envelopes, "envelope"), count(t.Samples-t.EnvelopeSamples, "sample"))
	}
	if t.Others > 0 {
		text += fmt.Sprintf(" Of them %s at none of the names below: without a name, or of names that came after the first "+
			"%d, which alone are counted one by one.", plural(int(t.Others), "is", "are"), api.NamesCounted(p.Query.Reason))
		if len(p.Names) > 0 {
			text += " Names with more samples than these may be missing."
		}
	}
	if t.Sender != nil {
		text += " The first one without a name was sent by " + senderWords(t.Sender) + "."
	}
	if len(t.Sources) > 0 {
		var by []string
		all := uint64(0)
		for source := range t.Sources {
			all += t.Sources[source]
		}
		for _, source := range slices.Sorted(maps.Keys(t.Sources)) {
			by = append(by, source+" "+share(float64(t.Sources[source]), float64(all)))
		}
		if len(by) == 1 {
			by = slices.Sorted(maps.Keys(t.Sources))
		}
		text += " They came by source " + strings.Join(by, ", ") + "."
	}
	return text
}

// nameHeadings are those of the list of names.
var nameHeadings = []heading{
	{"state", "State", "", false},
	{"name", "Raw name", "", false},
	{"origin", "Origin", "", false},
	{"kind", "Kind", "", false},
	{"unit", "Unit", "", false},
	{"metric", "Metric", "", false},
	{"", "Rule", "", false},
	{"series", "Series", "num", true},
	{"last_seen", "Last seen", "", true},
}

func nameColumns(q api.NamesQuery) []column {
	sorted := cmp.Or(q.Sort, "name")
	headings := nameHeadings
	if q.Reason != "" {
		headings = slices.Insert(slices.Clone(headings), 2, heading{"samples", "Samples", "num", true})
	}
	return columns("names", headings, sorted, q.Descending, func(key string, descending bool) template.URL {
		q.Sort, q.Descending = key, descending
		return namesQuery(q, "")
	})
}

func namesQuery(q api.NamesQuery, cursor string) template.URL {
	return query("search", q.Search, "state", string(q.State), "metric", q.Metric, "rule", q.Rule, "owner", q.Owner,
		"reason", q.Reason, "undescribed", flag(q.Undescribed), "sort", q.Sort, "order", order(q.Descending),
		"cursor", cursor)
}

// flag is the value of a parameter that is true or left out.
func flag(on bool) string {
	if on {
		return "true"
	}
	return ""
}
