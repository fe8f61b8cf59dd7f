package documents

import (
	"regexp"
	"strings"
)

// inLegend matches a label in a legend, as Grafana does.
var inLegend = regexp.MustCompile(`\{\{\s*(.+?)\s*\}\}`)

// variableName matches a reference to a variable that is all of a string: $name, ${name}, ${name:format}, [[name]].
var variableName = regexp.MustCompile(`^(?:\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\])$`)

// datasources holds the types of the data sources that variables and inputs of a dashboard stand for.
type datasources map[string]string

// dashboardSources reads the variables and the inputs, which are asked for when a dashboard is imported.
func dashboardSources(root *node) datasources {
	s := make(datasources)
	for _, input := range root.get("__inputs").array() {
		if input.get("type").text() == "datasource" {
			s[input.get("name").text()] = input.get("pluginId").text()
		}
	}
	for _, v := range root.get("templating", "list").array() {
		if v.get("type").text() == "datasource" {
			s[v.get("name").text()] = v.get("query").text()
		}
	}
	return s
}

// typeOf returns the type of a data source, which is "" if the document does not tell. Where none is named it is that
// of what is around.
func (s datasources) typeOf(n *node, inherited string) string {
	name := n.text()
	if n.isObject() {
		if t := n.get("type").text(); t != "" && t != "datasource" {
			return t
		}
		name = n.get("uid").text()
	}
	switch name {
	case "", "default":
		return inherited
	case "-- Mixed --":
		return ""
	case "-- Grafana --", "-- Dashboard --", "grafana", "__expr__":
		return "grafana"
	}
	if m := variableName.FindStringSubmatch(name); m != nil {
		return s[m[1]+m[2]+m[3]]
	}
	if strings.Contains(strings.ToLower(name), "prometheus") {
		return "prometheus"
	}
	return ""
}

// mayBePrometheus says whether a data source of a type answers PromQL.
func mayBePrometheus(datasource string) bool {
	return datasource == "" || strings.Contains(datasource, "prometheus") ||
		strings.Contains(datasource, "victoriametrics-")
}
