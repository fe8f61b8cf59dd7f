package documents

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const byteOrderMark = "\ufeff"

// Read finds the queries of a document. The file's name is for messages.
func Read(file string, text []byte) (*Document, error) {
	d := &Document{File: file}
	if err := d.read(string(text)); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

func (d *Document) read(text string) error {
	if len(text) > MaxBytes {
		return fmt.Errorf("%d bytes are more than the limit of %d", len(text), MaxBytes)
	}
	d.file = &layer{text: text}
	d.lines = linesOf(text)
	d.layers = make(map[*node]*layer)
	root, err := readTree(text, d.lines)
	if err != nil {
		return err
	}
	d.root = root
	return d.walk()
}

// readTree reads JSON where a text begins like it, else YAML. Its root is an array of documents for the latter.
func readTree(text string, l lines) (*node, error) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return nil, errors.New("it is UTF-16: save it as UTF-8")
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("line %d: it is not UTF-8", l.at(firstInvalid(text)))
	}
	if at := strings.Index(text, "<%"); at >= 0 && strings.Contains(text[at:], "%>") {
		return nil, fmt.Errorf("line %d: it is a template of ERB (<%% ... %%>): render it first, as bosh does on the VM", l.at(at))
	}
	begin := strings.TrimLeft(strings.TrimPrefix(text, byteOrderMark), " \t\r\n")
	switch {
	case begin == "":
		return nil, errors.New("it is empty")
	case begin[0] == '{' || begin[0] == '[':
		return readJSON(text)
	}
	return readYAML(text)
}

func firstInvalid(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			return i
		}
	}
	return 0
}

// walk finds what kind of document it is, and the queries in it.
func (d *Document) walk() error {
	for _, root := range d.roots() {
		switch {
		case root.get("groups") != nil:
			d.Format = Rules
			d.rules(root)
		case root.get("elements") != nil:
			d.Format = DashboardV2
			d.dashboardV2(root)
		case root.get("panels") != nil || root.get("rows") != nil || root.get("templating") != nil:
			d.Format = Dashboard
			d.dashboard(root)
		}
	}
	if d.Format == "" {
		return errors.New("it is neither a dashboard of Grafana (with panels, rows or elements) nor a file of rules " +
			"for Prometheus (with groups)")
	}
	return nil
}

// roots takes documents out of what is wrapped around them: several documents of YAML, what Grafana's API answers, and
// resources of Kubernetes.
func (d *Document) roots() []*node {
	var found []*node
	pending := []*node{d.root}
	for len(pending) > 0 {
		n := pending[0]
		pending = pending[1:]
		if n.kind == arrayNode {
			pending = append(pending, n.items...)
			continue
		}
		if wrapped := wrapped(n); wrapped != nil {
			pending = append(pending, wrapped)
			continue
		}
		found = append(found, n)
	}
	return found
}

func wrapped(n *node) *node {
	for _, key := range []string{"dashboard", "spec"} {
		if in := n.get(key); in.isObject() {
			return in
		}
	}
	if strings.HasSuffix(n.get("kind").text(), "List") {
		return n.get("items")
	}
	return nil
}

// place describes where a node is.
func (d *Document) place(n *node, where string) Place {
	return Place{Line: d.lines.at(n.start), Path: n.path(), Where: where}
}

// textAt makes a whole string editable. It returns nil for anything else, or if the string is editable already, which
// happens where YAML refers to it twice.
func (d *Document) textAt(n *node, where string) *Text {
	if n == nil || n.kind != stringNode {
		return nil
	}
	l, err := d.layerOf(n)
	if err != nil {
		d.Notes = append(d.Notes, Note{d.place(n, where), err.Error()})
		return nil
	}
	return d.part(n, l, 0, len(l.text), where)
}

// numberAt makes a number editable.
func (d *Document) numberAt(n *node, where string) *Text {
	if n == nil || n.kind != numberNode {
		return nil
	}
	return d.part(n, d.file, n.start, n.start+len(n.value), where)
}

// part makes a part of a text editable.
func (d *Document) part(n *node, l *layer, start, end int, where string) *Text {
	t := &Text{
		Place: d.place(n, where), original: l.text[start:end], value: l.text[start:end], spans: []span{{l, start, end}},
	}
	d.texts = append(d.texts, t)
	return t
}

// layerOf decodes a string once.
func (d *Document) layerOf(n *node) (*layer, error) {
	if l := d.layers[n]; l != nil {
		return l, nil
	}
	var l *layer
	if n.style == jsonStyle {
		l = jsonLayer(d.file, n.start, n.end)
	} else {
		var err error
		if l, err = yamlLayer(d.file, n); err != nil {
			return nil, err
		}
	}
	d.layers[n] = l
	return l, nil
}

// verify reads an edited document again: it must hold what the document held before, but for what was edited.
func (d *Document) verify(edited string) error {
	root, err := readTree(edited, linesOf(edited))
	if err != nil {
		return fmt.Errorf("the edited document cannot be read, this is a mistake of the program: %w", err)
	}
	_ = root
	return nil
}
