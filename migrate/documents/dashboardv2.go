package documents

// dashboardV2 finds the queries of a dashboard of the second schema, in which everything has a kind and a spec.
func (d *Document) dashboardV2(root *node) {
	sources := make(datasources)
	for _, v := range root.get("variables").array() {
		if spec := v.get("spec"); v.get("kind").text() == "DatasourceVariable" {
			sources[spec.get("name").text()] = spec.get("pluginId").text()
		}
	}
	for _, v := range root.get("variables").array() {
		d.variableV2(v, sources)
	}
	for _, a := range root.get("annotations").array() {
		d.annotationV2(a.get("spec"), sources)
	}
	d.dashboardLinks(root, sources)
	for _, element := range root.get("elements").values() {
		d.element(element, sources)
	}
}

// dataQuery returns what a query holds, and the type of its data source. Until v2alpha1 the kind of a query is the
// type; later ones have it as group.
func dataQuery(n *node, sources datasources) (spec *node, datasource string) {
	datasource = n.get("kind").text()
	if group := n.get("group"); group != nil {
		datasource = group.text()
	}
	if datasource == "" || datasource == "DataQuery" {
		datasource = sources.typeOf(n.get("datasource", "name"), "")
	}
	return n.get("spec"), datasource
}

func (d *Document) variableV2(n *node, sources datasources) {
	spec := n.get("spec")
	name := spec.get("name").text()
	where := "variable " + name
	switch n.get("kind").text() {
	case "AdhocVariable":
		d.adHoc(spec, where)
	case "QueryVariable":
		query, datasource := dataQuery(spec.get("query"), sources)
		text := query.get("query")
		if text == nil {
			text = query.get("__legacyStringValue")
		}
		d.variableQuery(&variableNodes{query: text, definition: spec.get("definition"), regex: spec.get("regex")},
			Query{Name: name, Datasource: datasource, Place: Place{Where: where}})
	}
}

func (d *Document) annotationV2(n *node, sources datasources) {
	spec, datasource := dataQuery(n.get("query"), sources)
	d.annotationQuery(n.get("name").text(), datasource, spec, n.get("legacyOptions"))
}

// element finds the queries of a panel of the second schema.
func (d *Document) element(n *node, sources datasources) {
	spec := n.get("spec")
	if !spec.isObject() {
		return
	}
	p := &Panel{Title: spec.get("title").text()}
	p.Place = d.place(n, panelName(p.Title, spec.get("id").scalar()))
	if n.get("kind").text() == "LibraryPanel" {
		d.inLibrary(p, n, spec.get("libraryPanel"))
		return
	}
	for _, q := range spec.get("data", "spec", "queries").array() {
		query, datasource := dataQuery(q.get("spec", "query"), sources)
		d.target(p, q.get("spec", "refId").text(), query, datasource)
	}
	visualization := spec.get("vizConfig", "spec")
	d.overrides(p, visualization.get("fieldConfig"))
	d.options(p, visualization.get("options"))
	d.transformations(p, spec.get("data", "spec", "transformations"))
	for i, key := range spec.keys {
		if key.value != "data" {
			d.links(spec.items[i], p.Where, p, sources)
		}
	}
	d.addPanel(p)
}
