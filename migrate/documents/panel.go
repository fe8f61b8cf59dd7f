package documents

import (
	"regexp"
	"slices"
)

// panelOptions finds names of series and fields in the options of a panel, in those of old versions and of new ones.
// Grafana itself turns the old ones into new ones when it loads a dashboard.
func (d *Document) panelOptions(p *Panel, n *node) {
	d.overrides(p, n.get("fieldConfig"))
	for _, s := range n.get("seriesOverrides").array() { // graph
		d.fields(p, s.get("alias"))
	}
	for _, s := range n.get("styles").array() { // table
		d.fields(p, s.get("pattern"))
	}
	d.options(p, n.get("options"))
}

// options finds names of fields in the options of visualizations.
func (d *Document) options(p *Panel, n *node) {
	d.fields(p, n.get("xField"), n.get("colorByField"), n.get("reduceOptions", "fields"))
	for _, s := range n.get("sortBy").array() {
		d.fields(p, s.get("displayName"))
	}
}

// overrides finds the names of fields that have options of their own.
func (d *Document) overrides(p *Panel, fieldConfig *node) {
	for _, o := range fieldConfig.get("overrides").array() {
		d.fields(p, o.get("matcher", "options"))
		d.fields(p, o.get("matcher", "options", "names").array()...)
	}
}

// fields makes names of fields editable.
func (d *Document) fields(p *Panel, names ...*node) {
	for _, n := range names {
		if n.text() != "" {
			p.Fields = appendText(p.Fields, d.textAt(n, p.Where))
		}
	}
}

// matches makes the first group of each match editable.
func (d *Document) matches(n *node, where string, pattern *regexp.Regexp) []*Text {
	var found []*Text
	for _, m := range pattern.FindAllStringSubmatchIndex(n.text(), -1) {
		l := d.layerOf(n, where)
		if l == nil {
			return nil
		}
		found = append(found, d.part(n, l, m[2], m[3], where))
	}
	return found
}

// The keys of options of transformations under which no names of fields stand, and those whose objects have names of
// fields as keys.
var (
	withoutFields = []string{
		"mode", "id", "type", "operation", "operator", "aggregations", "reducer", "reducers", "format", "match",
	}
	keyedByFields = []string{"excludeByName", "includeByName", "indexByName", "renameByName", "fields"}
)

// transformations finds the names of fields in the options of transformations, wherever they may be.
func (d *Document) transformations(p *Panel, n *node) {
	for _, t := range n.array() {
		options := t.get("options")
		if options == nil {
			options = t.get("spec", "options") // of the second schema
		}
		d.fieldNames(p, options)
	}
}

func (d *Document) fieldNames(p *Panel, n *node) {
	d.fields(p, n)
	for i, value := range n.values() {
		key := ""
		if n.kind == objectNode {
			key = n.keys[i].value
		}
		if slices.Contains(keyedByFields, key) && value.isObject() {
			d.fields(p, value.keys...)
		}
		if !slices.Contains(withoutFields, key) && key != "renameByName" { // whose values are the new names
			d.fieldNames(p, value)
		}
	}
}
