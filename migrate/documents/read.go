package documents

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const byteOrderMark = "\ufeff"

// ErrUnknown says that a file can be read, and is nothing of what has queries.
var ErrUnknown = errors.New("it is neither a dashboard of Grafana (with panels, rows or elements) nor a file of " +
	"rules for Prometheus (with groups)")

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
	d.original, d.lines = text, linesOf(text)
	d.layers = make(map[*node]*layer)
	var err error
	if d.erb, err = newERB(text); err != nil {
		return err
	}
	if err := d.readHidden(); err != nil {
		return err
	}
	return d.walk()
}

// readHidden reads the document's tree with placeholders for tags of ERB; without, if what looks like tags is none.
func (d *Document) readHidden() error {
	text := d.erb.hide(d.original)
	root, err := readTree(text, d.lines)
	if err != nil && d.erb != nil {
		text = d.original
		if root, _ = readTree(text, d.lines); root == nil {
			return fmt.Errorf("%w: it is a template of ERB (<%% ... %%>), and no document without what it renders: "+
				"render it first, as bosh does on the VM", err)
		}
		d.erb, err = nil, nil
	}
	d.file, d.root = &layer{text: text}, root
	return err
}

// readTree reads JSON where a text begins like it, else YAML. Its root is an array of documents for the latter.
func readTree(text string, l lines) (*node, error) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return nil, errors.New("it is UTF-16: save it as UTF-8")
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("line %d: it is not UTF-8", l.at(firstInvalid(text)))
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
		case isRules(root):
			d.Format = Rules
			d.rules(root)
		case slices.ContainsFunc(root.get("rules").array(), func(rule *node) bool { return rule.get("expr") != nil }):
			d.Format = Rules
			d.group(root)
		case root.get("elements").isObject():
			d.Format = DashboardV2
			d.dashboardV2(root)
		case root.get("panels") != nil || root.get("rows") != nil || root.get("templating") != nil:
			d.Format = Dashboard
			d.dashboard(root)
		case root.get("targets") != nil: // a panel of the library, by itself
			d.Format = Dashboard
			d.panel(root, nil)
		}
	}
	switch {
	case d.Format != "":
		return nil
	case len(d.Notes) > 0: // of strings that look like documents
		return fmt.Errorf("line %d, %s: %s", d.Notes[0].Line, d.Notes[0].Path, d.Notes[0].Text)
	default:
		return ErrUnknown
	}
}

func isRules(root *node) bool {
	return slices.ContainsFunc(root.get("groups").array(), func(group *node) bool { return group.get("rules") != nil })
}

// roots takes documents out of what is wrapped around them: several documents of YAML, what Grafana's API answers, and
// resources of Kubernetes.
func (d *Document) roots() []*node {
	var found []*node
	for pending := []*node{d.root}; len(pending) > 0; pending = pending[1:] {
		switch n := pending[0]; {
		case n.kind == arrayNode:
			pending = append(pending, n.items...)
		case embeddedTexts(n) != nil:
			pending = append(pending, d.embedded(n)...)
		case wrapped(n) != nil:
			pending = append(pending, wrapped(n))
		default:
			found = append(found, n)
		}
	}
	return found
}

func wrapped(n *node) *node {
	if strings.HasSuffix(n.get("kind").text(), "List") {
		return n.get("items")
	}
	// an operation on a manifest of BOSH
	if in := n.get("value"); n.get("path") != nil && (in.isObject() || in.array() != nil) {
		return in
	}
	for _, key := range []string{"dashboard", "spec", "result", "model"} {
		if in := n.get(key); in.isObject() {
			return in
		}
	}
	return nil
}

// Find returns the strings of the document, as it was read, that a pattern matches.
func (d *Document) Find(pattern *regexp.Regexp) []Note { return d.find(nil, d.root, pattern) }

func (d *Document) find(found []Note, n *node, pattern *regexp.Regexp) []Note {
	if n.document != nil {
		return d.find(found, n.document, pattern)
	}
	if pattern.MatchString(n.text()) {
		found = append(found, Note{d.place(n, ""), n.text()})
	}
	for _, item := range n.items {
		found = d.find(found, item, pattern)
	}
	return found
}

// place describes where a node is.
func (d *Document) place(n *node, where string) Place {
	return Place{Line: d.lineOf(n), Path: n.path(), Where: where}
}

// textAt makes a whole string editable. It returns nil for anything else.
func (d *Document) textAt(n *node, where string) *Text {
	l := d.layerOf(n, where)
	if l == nil {
		return nil
	}
	return d.part(n, l, 0, len(l.text), where)
}

// part makes a part of a text within a scalar editable.
func (d *Document) part(n *node, l *layer, start, end int, where string) *Text {
	t := &Text{
		Place: d.place(n, where), original: l.text[start:end], value: l.text[start:end], spans: []span{{l, start, end}},
	}
	d.texts = append(d.texts, t)
	return t
}

// layerOf decodes a string once. It returns nil for anything else, and notes what cannot be decoded.
func (d *Document) layerOf(n *node, where string) *layer {
	if n == nil || n.kind != stringNode {
		return nil
	}
	if l := d.layers[n]; l != nil {
		return l
	}
	var l *layer
	var err error
	if n.style == jsonStyle {
		l = jsonLayer(d.layerAround(n), n.start, n.end)
	} else if l, err = yamlLayer(d.layerAround(n), n); err != nil {
		d.note(n, where, err.Error())
		return nil
	}
	l.scalar = n
	d.layers[n] = l
	return l
}

func (d *Document) note(n *node, where, text string) {
	d.Notes = append(d.Notes, Note{d.place(n, where), text})
}
