package documents

import (
	"fmt"
	"strings"
)

// dashboard finds the queries of a dashboard of the first schema, of any version.
func (d *Document) dashboard(root *node) {
	sources := dashboardSources(root)
	for _, v := range root.get("templating", "list").array() {
		d.variable(v, sources)
	}
	for _, a := range root.get("annotations", "list").array() {
		d.annotation(a, sources)
	}
	d.dashboardLinks(root, sources)
	for _, p := range root.get("panels").array() {
		d.panel(p, sources)
	}
	for _, row := range root.get("rows").array() {
		for _, p := range row.get("panels").array() {
			d.panel(p, sources)
		}
	}
	for _, element := range root.get("__elements").values() { // panels of the library, in an exported dashboard
		if model := element.get("model"); model != nil {
			d.panel(model, sources)
		}
	}
}

// dashboardLinks finds the queries in the links of a dashboard.
func (d *Document) dashboardLinks(root *node, sources datasources) {
	for _, link := range root.get("links").array() {
		d.links(link, fmt.Sprintf("link %q", link.get("title").text()), nil, sources)
	}
}

// panel finds the queries of a panel, and of those that are collapsed into it if it is a row.
func (d *Document) panel(n *node, sources datasources) {
	for _, inner := range n.get("panels").array() {
		d.panel(inner, sources)
	}
	p := &Panel{Title: n.get("title").text()}
	p.Place = d.place(n, panelName(p.Title, n.get("id").scalar()))
	if library := n.get("libraryPanel"); library != nil {
		if model := library.get("model"); model != nil {
			d.panel(model, sources)
		} else if n.get("targets") == nil {
			d.inLibrary(p, n, library)
		}
	}
	inherited := sources.typeOf(n.get("datasource"), "")
	for _, target := range n.get("targets").array() {
		d.target(p, target.get("refId").text(), target, sources.typeOf(target.get("datasource"), inherited))
	}
	d.panelOptions(p, n)
	d.transformations(p, n.get("transformations"))
	for i, key := range n.keys {
		switch key.value {
		case "targets", "panels", "libraryPanel", "snapshotData":
		default:
			d.links(n.items[i], p.Where, p, sources)
		}
	}
	d.addPanel(p)
}

// addPanel adds a panel that has queries.
func (d *Document) addPanel(p *Panel) {
	if len(p.Queries) > 0 {
		d.Panels = append(d.Panels, p)
	}
}

// inLibrary notes that the document does not hold the queries of a panel.
func (d *Document) inLibrary(p *Panel, n, library *node) {
	d.note(n, p.Where, fmt.Sprintf("its queries are in the library, as panel %q: migrate that one as well",
		library.get("name").text()))
}

func panelName(title, id string) string {
	switch {
	case title == "":
		return "panel " + id
	case id == "":
		return fmt.Sprintf("panel %q", title)
	}
	return fmt.Sprintf("panel %q (id %s)", title, id)
}

// target finds the query of a panel that has a name, such as A.
func (d *Document) target(p *Panel, name string, n *node, datasource string) {
	where := p.Where
	if name != "" {
		where += ", query " + name
	}
	q := Query{Kind: Expr, Datasource: datasource, Name: name, Panel: p, Place: Place{Where: where}}
	if d.query(n.get("expr"), q, n.get("legendFormat")) == nil {
		return
	}
	q.Kind = Hint
	d.query(n.get("metric"), q)
}

// query adds the query that is a whole string, if there is one and its data source may be Prometheus. Of the query that
// is given the place has only its description. The legends are texts with {{label}} in them.
func (d *Document) query(n *node, q Query, legends ...*node) *Query {
	if strings.TrimSpace(n.text()) == "" || !mayBePrometheus(q.Datasource) {
		return nil
	}
	if q.Expr = d.textAt(n, q.Where); q.Expr == nil {
		return nil
	}
	for _, legend := range legends {
		q.Labels = append(q.Labels, d.legend(legend, q.Where)...)
	}
	return d.add(&q)
}

// add adds a query that stands where its text does.
func (d *Document) add(q *Query) *Query {
	q.Place = q.Expr.Place
	d.Queries = append(d.Queries, q)
	if q.Panel != nil {
		q.Panel.Queries = append(q.Panel.Queries, q)
	}
	return q
}

// legend finds the labels in a legend: {{label}}.
func (d *Document) legend(n *node, where string) []*Text { return d.matches(n, where, inLegend) }

// annotation finds the query of an annotation.
func (d *Document) annotation(n *node, sources datasources) {
	d.annotationQuery(n.get("name").text(), sources.typeOf(n.get("datasource"), ""), n, n.get("target"))
}

// annotationQuery finds the query in the options of an annotation, of which there are two: one version of Grafana reads
// these, another one those, and both name labels.
func (d *Document) annotationQuery(name, datasource string, options ...*node) {
	q := Query{Kind: Annotation, Name: name, Datasource: datasource}
	q.Where = fmt.Sprintf("annotation %q", name)
	var added *Query
	for _, o := range options {
		expr := o.get("expr")
		if added != nil && expr.text() == added.Expr.original {
			added.Expr.repeat(d.layerOf(expr, q.Where))
		} else if another := d.query(expr, q); another != nil {
			added = another
		}
	}
	for _, o := range options {
		if added != nil {
			for _, legend := range []string{"titleFormat", "textFormat", "legendFormat"} {
				added.Labels = append(added.Labels, d.legend(o.get(legend), q.Where)...)
			}
			added.Labels = append(added.Labels, d.listed(o.get("tagKeys"), q.Where)...)
		}
	}
}

// listed finds the names in a list that is separated by commas.
func (d *Document) listed(n *node, where string) []*Text { return d.matches(n, where, inList) }

func appendText(texts []*Text, t *Text) []*Text {
	if t == nil {
		return texts
	}
	return append(texts, t)
}
