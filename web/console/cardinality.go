package console

import (
	"cmp"
	"html/template"
	"net/http"
	"strconv"

	"loggregator_exporter/web/api"
)

const (
	sizesTogether = 10 // rows of each list where all stand on one page
	sizesPerPage  = 50
)

// cardinalityPage is the data of the page of what makes most series.
type cardinalityPage struct {
	*api.Cardinality

	Query api.CardinalityQuery
	Bare  template.URL // the page without list and search
	Back  template.URL // all lists, with the same search
	Since string       // the time that growth is counted from, in words; "" where nothing is known of it
	// OwnerChips keep apps or components in the list of owners.
	OwnerChips []ownerChip
}

// sizeTable is what stands around the rows of one list.
type sizeTable struct {
	List, Title, Note string
	Columns           []column
	Total             int
	All               template.URL // the page of the list alone; "" on that page
	Pager             pager
}

// sizeTitles are the lists with what their rows are counted by, and their columns.
var sizeTitles = map[string]struct {
	title, note string
	headings    []heading
}{
	"metrics": {"Metrics", "by number of series", []heading{
		{"name", "Metric", "", false},
		{"series", "Series", "num", true},
		{"lines", "Lines", "num", true},
		{"", "Share of lines", "share", false},
		{"grown", "Grown", "num", true},
		{"", "Most values", "", false},
	}},
	"owners": {"Owners", "apps and components whose series they are", []heading{
		{"name", "Owner", "", false},
		{"series", "Series", "num", true},
		{"", "Share", "share", false},
		{"", "Names", "num", false},
	}},
	"grown": {"Grown most", "", []heading{
		{"name", "Metric", "", false}, {"grown", "Grown", "num", true}, {"series", "Series", "num", true},
	}},
	"labels": {"Labels", "by number of values", []heading{
		{"name", "Label", "", false}, {"values", "Values", "num", true}, {"series", "Series", "num", true},
	}},
	"label_values": {"Label values", "by number of series", []heading{
		{"name", "Label and value", "", false}, {"series", "Series", "num", true}, {"", "Share", "share", false},
	}},
	"refused": {"Over limit or invalid", "refused since the start; conflicts are not among them", []heading{
		{"name", "Name", "", false}, {"", "Metric", "", false}, {"", "Why", "", false}, {"samples", "Samples", "num", true},
	}},
}

func (c *Console) cardinality(r *http.Request, f *frame) error {
	q, err := api.ParseCardinalityQuery(r.URL.Query())
	if err != nil {
		return err
	}
	if !r.URL.Query().Has("limit") {
		q.Limit = sizesTogether
		if q.List != "" {
			q.Limit = sizesPerPage
		}
	}
	answer, err := c.options.Data.Cardinality(r.Context(), q)
	if err != nil {
		return err
	}
	f.API = "api/v1/cardinality" + question(r.URL.Query())
	p := cardinalityPage{
		Cardinality: answer, Query: q, Bare: query("metric", q.Metric, "label", q.Label, "value", q.Value),
		Back: query("metric", q.Metric, "label", q.Label, "value", q.Value, "search", q.Search, "owners", q.Owners),
	}
	if !answer.GrownSince.IsZero() {
		p.Since = since(f.Now, answer.GrownSince)
	}
	for _, kind := range []string{"", api.OwnersApps, api.OwnersComponents} {
		of := q
		of.Owners = kind
		p.OwnerChips = append(p.OwnerChips, ownerChip{cmp.Or(kind, "all"), q.Owners == kind, sizesQuery(of, "")})
	}
	f.Page = p
	return nil
}

// ownerChip keeps one kind of owners.
type ownerChip struct {
	Name    string
	Current bool
	Query   template.URL
}

// Full says that something has reached a limit, and what that means; "" where nothing has.
func (cardinalityPage) Full(l api.Limit) string {
	if l.Full == 0 {
		return ""
	}
	text := "full: new series are refused"
	if l.Of != "" {
		text = plural(l.Full, "is full: new series of it are refused", "are full: new series of them are refused")
	}
	if l.Highest > l.Limit {
		text += "; those that were there when the limit was lowered stay"
	}
	return text + "."
}

// Shows says whether a list stands on the page.
func (p cardinalityPage) Shows(list string) bool {
	if p.Query.List != "" {
		return p.Query.List == list
	}
	ofSeries := list == "labels" || list == "label_values"
	switch {
	case p.Query.Metric != "":
		return ofSeries
	case p.Query.Label != "":
		return ofSeries || list == "metrics"
	default:
		return true
	}
}

// Table is what stands around the rows of a list.
func (p cardinalityPage) Table(list string) sizeTable {
	of := sizeTitles[list]
	q := p.Query
	if q.Label != "" && list == "metrics" { // nothing else is known of series with one value
		of.headings = of.headings[:4]
	}
	t := sizeTable{List: list, Title: of.title, Note: of.note, Total: p.Totals[list]}
	switch {
	case p.Since == "", q.Label != "":
	case list == "metrics":
		t.Note += ", growth since " + p.Since
	case list == "grown":
		t.Note = "since " + p.Since
	}
	sorted, descending := q.Sort, q.Descending
	if sorted == "" {
		descending = true
		sorted = map[string]string{"grown": "grown", "labels": "values", "refused": "samples"}[list]
		if sorted == "" {
			sorted = "series"
		}
	}
	q.List = list
	t.Columns = columns("cardinality", of.headings, sorted, descending, func(key string, descending bool) template.URL {
		q.Sort, q.Descending = key, descending
		return sizesQuery(q, "")
	})
	q.Sort, q.Descending = p.Query.Sort, p.Query.Descending
	if p.Query.List == "" {
		t.All = sizesQuery(q, "")
		return t
	}
	t.Pager = newPager("cardinality", p.From, p.rows(list), t.Total, p.Previous, p.Next, func(cursor string) template.URL {
		return sizesQuery(q, cursor)
	})
	return t
}

// rows is the number of rows of a list.
func (p cardinalityPage) rows(list string) int {
	return map[string]int{
		"metrics": len(p.Metrics), "owners": len(p.Owners), "grown": len(p.Grown), "labels": len(p.Labels),
		"label_values": len(p.LabelValues), "refused": len(p.Refused),
	}[list]
}

func sizesQuery(q api.CardinalityQuery, cursor string) template.URL {
	limit := ""
	if q.Limit != sizesTogether && q.Limit != sizesPerPage {
		limit = strconv.Itoa(q.Limit)
	}
	return query("metric", q.Metric, "label", q.Label, "value", q.Value, "search", q.Search, "owners", q.Owners,
		"list", q.List, "sort", q.Sort, "order", order(q.Descending),
		"limit", limit, "cursor", cursor)
}
