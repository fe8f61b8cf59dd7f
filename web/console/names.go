package console

import (
	"html/template"
	"net/http"

	"loggregator_exporter/web/api"
)

// namesPerPage is the number of rows of a page of names.
const namesPerPage = 50

// namesPage is the data of the list of names.
type namesPage struct {
	*api.NamesPage

	Query   api.NamesQuery
	States  []stateChip
	Columns []column
	Next    template.URL // the query of the next page, or ""
	First   template.URL // that of the first page, or "" on it
	Bare    template.URL // without metric, rule and owner
}

// stateChip keeps the names of one state.
type stateChip struct {
	Name    string
	Count   int
	Current bool
	Query   template.URL
}

// column is a heading by which one can sort.
type column struct {
	Name, Class, Sorted string // Sorted is ascending, descending or ""
	Query               template.URL
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
	if page.Next != "" {
		p.Next = namesQuery(q, page.Next)
	}
	if q.Cursor != "" {
		p.First = namesQuery(q, "")
	}
	bare := q
	bare.Metric, bare.Rule, bare.Owner = "", "", ""
	p.Bare = namesQuery(bare, "")
	p.States = stateChips(page, q)
	p.Columns = columns(q)
	f.Page = p
	return nil
}

func stateChips(page *api.NamesPage, q api.NamesQuery) []stateChip {
	all := 0
	for _, n := range page.States {
		all += n
	}
	wanted := q.State
	q.State = ""
	chips := []stateChip{{Name: "all", Count: all, Current: wanted == "", Query: namesQuery(q, "")}}
	for _, s := range []api.State{
		api.StateTagged, api.StateUntagged, api.StateConflict, api.StateRefused, api.StateDropped,
	} {
		q.State = s
		chips = append(chips, stateChip{string(s), page.States[s], wanted == s, namesQuery(q, "")})
	}
	return chips
}

// columns are the headings; a click on the one that sorts turns the order.
func columns(q api.NamesQuery) []column {
	list := []struct{ key, name, class string }{
		{"state", "State", ""},
		{"name", "Raw name", ""},
		{"origin", "Origin", ""},
		{"kind", "Kind", ""},
		{"unit", "Unit", ""},
		{"metric", "Metric", ""},
		{"", "Rule", ""},
		{"series", "Series", "num"},
		{"last_seen", "Last seen", ""},
	}
	sorted, descending := q.Sort, q.Descending
	if sorted == "" {
		sorted = "name"
	}
	out := make([]column, len(list))
	for i, l := range list {
		out[i] = column{Name: l.name, Class: l.class}
		if l.key == "" {
			continue
		}
		q.Sort, q.Descending = l.key, l.key == "series" || l.key == "last_seen" // what is most is asked for most
		if l.key == sorted {
			out[i].Sorted, q.Descending = "ascending", !descending
			if descending {
				out[i].Sorted = "descending"
			}
		}
		out[i].Query = namesQuery(q, "")
	}
	return out
}

func namesQuery(q api.NamesQuery, cursor string) template.URL {
	order := ""
	if q.Descending {
		order = "desc"
	}
	return query("search", q.Search, "state", string(q.State), "metric", q.Metric, "rule", q.Rule, "owner", q.Owner,
		"sort", q.Sort, "order", order, "cursor", cursor)
}
