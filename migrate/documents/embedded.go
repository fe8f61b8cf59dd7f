package documents

import "strings"

// embeddedTexts are the strings of a resource of Kubernetes that may hold documents: those of a ConfigMap, as the
// sidecar of Grafana and Prometheus read them, and that of a GrafanaDashboard.
func embeddedTexts(n *node) []*node {
	switch n.get("kind").text() {
	case "ConfigMap":
		return n.get("data").values()
	case "GrafanaDashboard":
		return []*node{n.get("spec", "json")}
	default:
		return nil
	}
}

// embedded reads the documents in the strings of a resource.
func (d *Document) embedded(n *node) []*node {
	var found []*node
	for _, text := range embeddedTexts(n) {
		if root := d.embed(text); root != nil {
			found = append(found, root)
		}
	}
	return found
}

// embed reads the document that a string holds; nil if it does not look like one, or cannot be read, which is noted.
func (d *Document) embed(n *node) *node {
	isJSON := strings.HasPrefix(strings.TrimLeft(n.text(), " \t\r\n"), "{")
	if !isJSON && !strings.Contains(n.text(), "groups") {
		return nil
	}
	l := d.layerOf(n, "")
	if l == nil {
		return nil
	}
	root, err := readTree(l.text, linesOf(l.text))
	if err != nil {
		d.note(n, "", "what it holds cannot be read: "+err.Error())
		return nil
	}
	root.host, n.document = n, root
	return root
}

// layerAround returns the text that a node stands in: the file, or a string of it.
func (d *Document) layerAround(n *node) *layer {
	for n.parent != nil {
		n = n.parent
	}
	if n.host == nil {
		return d.file
	}
	return d.layers[n.host]
}

// lineOf returns the line of the file in which a node begins.
func (d *Document) lineOf(n *node) int {
	at := n.start
	for l := d.layerAround(n); l.parent != nil; l = l.parent {
		at = l.at[min(at, len(l.at)-1)]
	}
	return d.lines.at(at)
}
