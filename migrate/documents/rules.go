package documents

import "fmt"

// rules finds the queries of groups of rules.
func (d *Document) rules(root *node) {
	for _, group := range root.get("groups").array() {
		for _, rule := range group.get("rules").array() {
			d.rule(rule, fmt.Sprintf("group %s", group.get("name").scalar()))
		}
	}
}

func (d *Document) rule(n *node, group string) {
	kind, name := Alert, n.get("alert").scalar()
	if record := n.get("record"); record != nil {
		kind, name = Record, record.scalar()
	}
	where := fmt.Sprintf("%s, %s %s", group, kind, name)
	d.query(n.get("expr"), Query{Kind: kind, Datasource: "prometheus", Name: name, Place: Place{Where: where}})
}
