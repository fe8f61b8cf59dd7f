// Package rewrite migrates documents: it has each query of a dashboard or rule file rewritten, and lets the names of
// labels around it follow.
package rewrite

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"loggregator_exporter/migrate"
	"loggregator_exporter/migrate/documents"
)

// Migrator rewrites queries; *migrate.Migrator is one.
type Migrator interface {
	Query(expr string) migrate.Result
	Variable(query string) migrate.Result
}

// Report says what became of a document.
type Report struct {
	File    string           `json:"file"`
	Format  documents.Format `json:"format"`
	Queries int              `json:"queries"` // all that were read
	Changes []Change         `json:"changes"`
	// Left are the queries that cannot be said in the new names. They are as they were.
	Left []Change `json:"left"`
	// Notes are what a person has to look at, apart from the queries.
	Notes []Note `json:"notes"`
	// Needs are the labels that metrics.http.labels must list as well for the new queries.
	Needs []string `json:"needs,omitempty"`
}

// Change is a query and what it became, or why it stays.
type Change struct {
	Place
	Kind documents.Kind `json:"kind"`
	Old  string         `json:"old"`
	New  string         `json:"new,omitempty"`
	Why  []string       `json:"why"`
}

// Note is what to look at in a place.
type Note struct {
	Place
	Text string `json:"text"`
}

// Place is where something stands in a document.
type Place struct {
	Line  int    `json:"line"`
	Path  string `json:"path"`
	Where string `json:"where"`
}

// rewriter rewrites one document.
type rewriter struct {
	m       Migrator
	old     *regexp.Regexp // matches names of the old namespace
	report  *Report
	results map[*documents.Query]migrate.Result
}

// Document rewrites the queries of a document whose metrics begin with the namespace of firehose_exporter, and returns
// the new text with a report.
func Document(m Migrator, namespace string, d *documents.Document) (*Report, []byte, error) {
	r := rewriter{
		m:   m,
		old: regexp.MustCompile(`\b` + regexp.QuoteMeta(namespace) + `_[a-zA-Z0-9_]*`),
		report: &Report{
			File: d.File, Format: d.Format, Queries: len(d.Queries),
			Changes: []Change{}, Left: []Change{}, Notes: []Note{},
		},
		results: make(map[*documents.Query]migrate.Result),
	}
	for _, n := range d.Notes {
		r.note(n.Place, n.Text)
	}
	for _, q := range d.Queries {
		r.query(q)
	}
	for _, p := range d.Panels {
		r.fields(p.Queries, p.Fields)
	}
	r.fields(d.Queries, d.Labels)
	r.variables(d)
	text, err := d.Bytes()
	if err != nil {
		return nil, nil, err
	}
	if err := r.leftovers(d, text); err != nil {
		return nil, nil, err
	}
	r.report.original(d)
	return r.report, text, nil
}

// original writes all texts as the author of a template did.
func (r *Report) original(d *documents.Document) {
	for _, list := range [][]Change{r.Changes, r.Left} {
		for i := range list {
			c := &list[i]
			c.Where, c.Path, c.Old, c.New = d.Original(c.Where), d.Original(c.Path), d.Original(c.Old), d.Original(c.New)
			for k := range c.Why {
				c.Why[k] = d.Original(c.Why[k])
			}
		}
	}
	for i := range r.Notes {
		n := &r.Notes[i]
		n.Where, n.Path, n.Text = d.Original(n.Where), d.Original(n.Path), d.Original(n.Text)
	}
}

func placeOf(p documents.Place) Place { return Place{p.Line, p.Path, p.Where} }

func (r *rewriter) note(p documents.Place, text string) {
	n := Note{placeOf(p), text}
	if !slices.Contains(r.report.Notes, n) {
		r.report.Notes = append(r.report.Notes, n)
	}
}

// query rewrites a query with the labels that belong to it.
func (r *rewriter) query(q *documents.Query) {
	text, result := q.Expr, migrate.Result{}
	if q.Whole != nil {
		text, result = q.Whole, r.m.Variable(q.Whole.String())
	} else {
		result = r.m.Query(q.Expr.String())
	}
	change := Change{Place: placeOf(q.Place), Kind: q.Kind, Old: text.String(), Why: reasons(q, text.String(), &result)}
	switch {
	case !result.OK:
		// Of a data source of unknown type it may be of another language.
		if q.Kind != documents.Hint && (q.Datasource != "" || r.old.MatchString(change.Old)) {
			r.report.Left = append(r.report.Left, change)
		}
		return
	case !result.Changed:
		return
	}
	r.results[q] = result
	for _, label := range result.Needs {
		if !slices.Contains(r.report.Needs, label) {
			r.report.Needs = append(r.report.Needs, label)
		}
	}
	r.regex(q, &result)
	if q.Kind == documents.Hint {
		if len(result.Metrics) == 1 {
			q.Expr.Set(result.Metrics[0].New)
		}
		return
	}
	text.Set(result.Migrated)
	for _, label := range q.Labels {
		if q.Whole == nil {
			label.Set(renamed(label.String(), result.Labels))
		}
	}
	if q.Kind == documents.Record && len(result.Labels) > 0 {
		change.Why = append(change.Why, "queries of "+q.Name+" follow its labels, if they are in the same run")
	}
	change.New = result.Migrated
	r.report.Changes = append(r.report.Changes, change)
}

// lastLabel matches the label of label_values(metric, label).
var lastLabel = regexp.MustCompile(`^label_values\(.*,\s*(\w+)\)\s*$`)

func labelOf(variable string) string {
	if m := lastLabel.FindStringSubmatch(variable); m != nil {
		return m[1]
	}
	return ""
}

// reasons say why a query changes as it does. Of the labels of its result those are named that it names, or a text that
// goes with it.
func reasons(q *documents.Query, old string, result *migrate.Result) []string {
	why := []string{}
	for _, m := range result.Metrics {
		why = append(why, m.Old+" is "+m.New)
	}
	for _, l := range result.Labels {
		isNamed := func(t *documents.Text) bool { return t.String() == l.Old }
		if replaceWord(old, l.Old, "") != old || slices.ContainsFunc(q.Labels, isNamed) {
			why = append(why, "label "+l.Old+" is "+l.New)
		}
	}
	return append(why, result.Notes...)
}

// regex lets the regular expression of a variable follow its query.
func (r *rewriter) regex(q *documents.Query, result *migrate.Result) {
	if q.Regex == nil {
		return
	}
	if before := labelOf(q.Whole.String()); labelOf(result.Migrated) != "" && (before == "" || before == "__name__") &&
		labelOf(result.Migrated) != "__name__" {
		q.Regex.Set("") // it took the value out of a name or a series, and the query gives the value itself
		return
	}
	text := q.Regex.String()
	for _, m := range result.Metrics {
		text = replaceWord(text, m.Old, m.New)
	}
	if q.Kind == documents.QueryResult || q.Kind == documents.Series {
		for _, l := range result.Labels {
			text = replaceWord(text, l.Old+`="`, l.New+`="`)
		}
	}
	q.Regex.Set(text)
}

// replaceWord replaces text where no letter, digit or underscore stands before it.
func replaceWord(text, before, after string) string {
	pattern := regexp.MustCompile(`(^|[^a-zA-Z0-9_])` + regexp.QuoteMeta(before))
	return pattern.ReplaceAllString(text, "${1}"+strings.ReplaceAll(after, "$", "$$"))
}

// inRegex matches a regular expression, as Grafana writes one, for one name.
var inRegex = regexp.MustCompile(`^/\^?([a-zA-Z_][a-zA-Z0-9_]*)\$?/$`)

// fields renames labels that stand for the results of several queries, if those that have them rename them alike. Of
// queries that are not rewritten it is not known whether they have a label.
func (r *rewriter) fields(queries []*documents.Query, fields []*documents.Text) {
	for _, f := range fields {
		name := f.String()
		if m := inRegex.FindStringSubmatch(name); m != nil {
			name = m[1]
		}
		var names []string
		rewritten := true
		for _, q := range queries {
			result, ok := r.results[q]
			if other := renamed(name, result.Labels); other != name {
				names = append(names, other)
			}
			rewritten = rewritten && (ok || q.Kind == documents.Hint)
		}
		slices.Sort(names)
		switch names = slices.Compact(names); {
		case len(names) == 0:
		case len(names) == 1 && rewritten:
			f.Set(strings.Replace(f.String(), name, names[0], 1))
		default:
			r.note(f.Place, fmt.Sprintf("label %s is %s in some of the queries that this is for, but not in all", name,
				strings.Join(names, ", ")))
		}
	}
}

// renamed is what a label is called in the new names.
func renamed(label string, names []migrate.Rename) string {
	for _, n := range names {
		if n.Old == label {
			return n.New
		}
	}
	return label
}

// variables tells of variables that stood inside a metric's name, where their values are spelled otherwise in the label
// that they are compared with, and do not come from a query.
func (r *rewriter) variables(d *documents.Document) {
	queried := make(map[string]bool)
	for _, q := range d.Queries {
		if q.Whole != nil {
			queried[q.Name] = true
		}
	}
	for _, q := range d.Queries {
		for _, v := range r.results[q].Variables {
			if queried[v.Name] {
				continue
			}
			for _, value := range v.Values {
				r.note(q.Place, fmt.Sprintf("variable %s: the value %s is %s as label %s", v.Name, value.Old, value.New, v.Label))
			}
		}
	}
}

// leftovers tells of old names that stand anywhere else, such as in a description.
func (r *rewriter) leftovers(d *documents.Document, text []byte) error {
	edited, err := documents.Read(d.File, text)
	if err != nil {
		return err
	}
	queries := make(map[string]bool)
	for _, q := range edited.Queries {
		queries[q.Path] = true
	}
	for _, found := range edited.Find(r.old) {
		if queries[found.Path] {
			continue
		}
		names := slices.DeleteFunc(r.old.FindAllString(found.Text, -1), func(name string) bool {
			return strings.HasSuffix(name, "_exporter")
		})
		if len(names) > 0 {
			slices.Sort(names)
			r.note(found.Place, "names "+strings.Join(slices.Compact(names), ", "))
		}
	}
	return nil
}
