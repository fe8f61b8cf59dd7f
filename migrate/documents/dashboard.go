package documents

import (
	"fmt"
	"strings"
)

// dashboard finds the queries of a dashboard of the first schema, of any version.
func (d *Document) dashboard(root *node) {
	sources := dashboardSources(root)
	for _, p := range root.get("panels").array() {
		d.panel(p, sources)
	}
	for _, row := range root.get("rows").array() {
		for _, p := range row.get("panels").array() {
			d.panel(p, sources)
		}
	}
}

// panel finds the queries of a panel, and of those that are collapsed into it if it is a row.
func (d *Document) panel(n *node, sources datasources) {
	for _, inner := range n.get("panels").array() {
		d.panel(inner, sources)
	}
	if model := n.get("libraryPanel", "model"); model != nil {
		d.panel(model, sources)
	}
	where := panelName(n.get("title").scalar(), n.get("id").scalar())
	p := &Panel{Place: d.place(n, where), Title: n.get("title").text()}
	inherited := sources.typeOf(n.get("datasource"), "")
	for _, target := range n.get("targets").array() {
		d.target(p, target, sources.typeOf(target.get("datasource"), inherited))
	}
	if len(p.Queries) > 0 {
		d.Panels = append(d.Panels, p)
	}
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

func (d *Document) target(p *Panel, n *node, datasource string) {
	name := n.get("refId").text()
	where := p.Where + ", query " + name
	d.query(n.get("expr"), Query{Kind: Expr, Datasource: datasource, Name: name, Panel: p, Place: Place{Where: where}},
		n.get("legendFormat"))
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
	q.Place = q.Expr.Place
	for _, legend := range legends {
		q.Labels = append(q.Labels, d.legend(legend, q.Where)...)
	}
	added := &q
	d.Queries = append(d.Queries, added)
	if q.Panel != nil {
		q.Panel.Queries = append(q.Panel.Queries, added)
	}
	return added
}

// legend finds the labels in a legend: {{label}}.
func (d *Document) legend(n *node, where string) []*Text {
	var found []*Text
	for _, m := range inLegend.FindAllStringSubmatchIndex(n.text(), -1) {
		l, err := d.layerOf(n)
		if err != nil {
			d.Notes = append(d.Notes, Note{d.place(n, where), err.Error()})
			return nil
		}
		found = append(found, d.part(n, l, m[2], m[3], where))
	}
	return found
}

// dashboardV2 finds the queries of a dashboard of the second schema.
func (d *Document) dashboardV2(*node) {}
