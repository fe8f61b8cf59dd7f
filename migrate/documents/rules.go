package documents

import "fmt"

// rules finds the queries of groups of rules, and those in their templates.
func (d *Document) rules(root *node) {
	for _, group := range root.get("groups").array() {
		where := "group " + group.get("name").scalar()
		for _, rule := range group.get("rules").array() {
			d.rule(rule, where)
		}
	}
}

func (d *Document) rule(n *node, group string) {
	kind, name := Alert, n.get("alert").scalar()
	if record := n.get("record"); record != nil {
		kind, name = Record, record.scalar()
	}
	where := fmt.Sprintf("%s, %s %s", group, kind, name)
	if n.get("data") != nil && n.get("expr") == nil {
		d.note(n, group, "it is a rule that Grafana manages, which is not read here")
		return
	}
	rule := d.query(n.get("expr"), Query{Kind: kind, Datasource: "prometheus", Name: name, Place: Place{Where: where}})
	for _, templates := range []string{"labels", "annotations"} {
		in := n.get(templates)
		for i, template := range in.values() {
			d.template(template, fmt.Sprintf("%s, %s %s", where, templates[:len(templates)-1], in.keys[i].value), rule)
		}
	}
}
