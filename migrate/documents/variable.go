package documents

import (
	"regexp"
	"strings"
)

// The queries of variables, as Grafana takes them apart.
var (
	labelValues = regexp.MustCompile(`^\s*label_values\((?:(.+),\s*)?([a-zA-Z_$][a-zA-Z0-9_]*)\)\s*$`)
	labelNames  = regexp.MustCompile(`^\s*label_names\(.*\)\s*$`)
	metrics     = regexp.MustCompile(`^\s*metrics\((.+)\)\s*$`)
	queryResult = regexp.MustCompile(`^\s*query_result\((.+)\)\s*$`)
)

// inList matches the names in a list that is separated by commas.
var inList = regexp.MustCompile(`([^,\s]+)`)

// variable finds the query of a variable, and the labels of one of ad hoc filters.
func (d *Document) variable(n *node, sources datasources) {
	name := n.get("name").text()
	where := "variable " + name
	if n.get("type").text() == "adhoc" {
		d.adHoc(n, where)
		return
	}
	if t := n.get("type").text(); t != "query" && t != "" {
		return
	}
	query := n.get("query")
	if query.isObject() {
		query = query.get("query")
	}
	d.variableQuery(&variableNodes{
		query: query, definition: n.get("definition"), regex: n.get("regex"),
	}, Query{Name: name, Datasource: sources.typeOf(n.get("datasource"), ""), Place: Place{Where: where}})
}

// adHoc finds the labels of ad hoc filters.
func (d *Document) adHoc(n *node, where string) {
	for _, list := range []string{"filters", "baseFilters", "defaultKeys"} {
		for _, f := range n.get(list).array() {
			d.Labels = appendText(d.Labels, d.textAt(f.get("key"), where))
		}
	}
}

// variableNodes are the parts of a variable; the definition repeats the query, for lists of variables.
type variableNodes struct {
	query, definition, regex *node
}

func (d *Document) variableQuery(v *variableNodes, q Query) {
	text := v.query.text()
	if strings.TrimSpace(text) == "" || !mayBePrometheus(q.Datasource) || labelNames.MatchString(text) {
		return
	}
	// Where nothing is around it, Grafana asks for the series that a selector finds, and applies the regular expression to
	// each as it is written.
	expr, label := []int{0, len(text)}, []int(nil)
	q.Kind = Series
	if m := labelValues.FindStringSubmatchIndex(text); m != nil {
		if m[2] < 0 { // of all series of the server
			return
		}
		q.Kind, expr, label = LabelValues, m[2:4], m[4:6]
	} else if m := metrics.FindStringSubmatchIndex(text); m != nil {
		q.Kind, expr = Metrics, m[2:4]
	} else if m := queryResult.FindStringSubmatchIndex(text); m != nil {
		q.Kind, expr = QueryResult, m[2:4]
	}
	l := d.layerOf(v.query, q.Where)
	if l == nil {
		return
	}
	q.Whole = d.part(v.query, l, 0, len(text), q.Where)
	q.Expr = d.part(v.query, l, expr[0], expr[1], q.Where)
	if label != nil {
		q.Labels = append(q.Labels, d.part(v.query, l, label[0], label[1], q.Where))
	}
	for _, t := range append([]*Text{q.Expr}, q.Labels...) {
		t.within = q.Whole
		if v.definition.text() == text {
			t.repeat(d.layerOf(v.definition, q.Where))
		}
	}
	if v.definition.text() == text {
		q.Whole.repeat(d.layerOf(v.definition, q.Where))
	}
	if v.regex.text() != "" {
		q.Regex = d.textAt(v.regex, q.Where)
	}
	d.add(&q)
}

// repeat says that the text stands in another layer of equal text as well, at the same place.
func (t *Text) repeat(l *layer) {
	if l != nil {
		t.spans = append(t.spans, span{l, t.spans[0].start, t.spans[0].end})
	}
}
