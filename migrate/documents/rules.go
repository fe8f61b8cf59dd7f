package documents

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

// rules finds the queries of groups of rules, and those in their templates.
func (d *Document) rules(root *node) {
	for _, group := range root.get("groups").array() {
		d.group(group)
	}
}

func (d *Document) group(n *node) {
	where := "group " + n.get("name").scalar()
	for _, rule := range n.get("rules").array() {
		d.rule(rule, where)
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
	q := Query{Kind: kind, Datasource: "prometheus", Name: name, Place: Place{Where: where}}
	if labels := n.get("labels"); kind == Record && labels.isObject() {
		for _, key := range labels.keys {
			q.Sets = append(q.Sets, key.value)
		}
	}
	rule := d.query(n.get("expr"), q)
	for _, templates := range []string{"labels", "annotations"} {
		in := n.get(templates)
		for i, template := range in.values() {
			d.template(template, fmt.Sprintf("%s, %s %s", where, templates[:len(templates)-1], in.keys[i].value), rule)
		}
	}
}

// templateVariables are those that Prometheus defines in front of every template.
const templateVariables = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}" +
	"{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// templateWalk finds queries, and names of labels, in a template of a rule.
type templateWalk struct {
	d     *Document
	n     *node
	l     *layer
	where string
	rule  *Query // whose labels $labels are; nil where it has no query
	query *Query // the last one before, whose labels .Labels and the function label mean
}

// template reads a label or an annotation of a rule.
func (d *Document) template(n *node, where string, rule *Query) {
	text := n.text()
	if !strings.Contains(text, "{{") {
		return
	}
	l := d.layerOf(n, where)
	if l == nil {
		return
	}
	parsed := parse.New("")
	parsed.Mode = parse.SkipFuncCheck
	trees := make(map[string]*parse.Tree)
	if _, err := parsed.Parse(templateVariables+d.erb.asNumbers(text), "", "", trees); err != nil {
		d.note(n, where, fmt.Sprintf("the template cannot be read, Prometheus refuses it as well: %s",
			strings.TrimPrefix(err.Error(), "template: :")))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		w := templateWalk{d: d, n: n, l: l, where: where, rule: rule}
		w.walk(trees[name].Root)
	}
}

func (w *templateWalk) walk(in parse.Node) {
	switch n := in.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				w.walk(child)
			}
		}
	case *parse.ActionNode:
		w.pipe(n.Pipe)
	case *parse.TemplateNode:
		w.pipe(n.Pipe)
	case *parse.IfNode:
		w.branch(&n.BranchNode)
	case *parse.RangeNode:
		w.branch(&n.BranchNode)
	case *parse.WithNode:
		w.branch(&n.BranchNode)
	case *parse.PipeNode:
		w.pipe(n)
	case *parse.ChainNode:
		w.walk(n.Node)
		w.fields(n.Pos, n.Field, false)
	case *parse.FieldNode:
		w.fields(n.Pos, n.Ident, false)
	case *parse.VariableNode:
		w.fields(n.Pos, n.Ident[1:], n.Ident[0] == "$labels")
	}
}

func (w *templateWalk) branch(n *parse.BranchNode) {
	w.pipe(n.Pipe)
	w.walk(n.List)
	w.walk(n.ElseList)
}

func (w *templateWalk) pipe(n *parse.PipeNode) {
	if n == nil {
		return
	}
	for i, command := range n.Cmds {
		w.command(command)
		if i > 0 && len(command.Args) == 1 && isFunction(command.Args[0], "query") {
			w.d.note(w.n, w.where, "a query that the template puts together cannot be read: "+n.String())
		}
	}
}

func isFunction(n parse.Node, name string) bool {
	f, ok := n.(*parse.IdentifierNode)
	return ok && f.Ident == name
}

// command reads a call of a function with its arguments.
func (w *templateWalk) command(n *parse.CommandNode) {
	for i, argument := range n.Args {
		text, ok := argument.(*parse.StringNode)
		switch {
		case !ok:
			w.walk(argument)
		case i == 1 && isFunction(n.Args[0], "query"):
			l := w.string(text)
			w.query = w.d.addPart(w.n, l, 0, len(l.text), Query{
				Kind: Template, Datasource: "prometheus", Place: Place{Where: w.where},
			})
		case i == 1 && (isFunction(n.Args[0], "label") || isFunction(n.Args[0], "sortByLabel")):
			w.label(w.string(text), w.query)
		case i == 2 && isFunction(n.Args[0], "index") && n.Args[1].String() == "$labels":
			w.label(w.string(text), w.rule)
		}
	}
}

// string decodes a string of the template.
func (w *templateWalk) string(n *parse.StringNode) *layer {
	return goStringLayer(w.l, int(n.Pos)-len(templateVariables), n.Quoted)
}

func (w *templateWalk) label(l *layer, of *Query) {
	if of != nil {
		of.Labels = append(of.Labels, w.d.part(w.n, l, 0, len(l.text), w.where))
	}
}

// fields reads .Labels.name, or .name behind $labels. The position is that of one of the names, whichever of them the
// parser gives.
func (w *templateWalk) fields(at parse.Pos, names []string, ofRule bool) {
	of := w.rule
	if !ofRule {
		if len(names) < 2 || names[0] != "Labels" {
			return
		}
		names = names[1:]
		if w.query != nil {
			of = w.query
		}
	}
	if len(names) == 0 || of == nil {
		return
	}
	from := max(0, int(at)-len(templateVariables))
	if start := strings.Index(w.l.text[from:], "."+names[0]); start >= 0 {
		start += from + 1
		of.Labels = append(of.Labels, w.d.part(w.n, w.l, start, start+len(names[0]), w.where))
	}
}

// goStringLayer decodes a string literal of Go.
func goStringLayer(parent *layer, start int, literal string) *layer {
	end := start + len(literal) - 1
	if literal[0] == '`' {
		return verbatimLayer(parent, start+1, end)
	}
	var d decoded
	for rest := literal[1 : len(literal)-1]; rest != ""; {
		r, multibyte, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			break // the parser has read it
		}
		piece := string(r)
		if !multibyte {
			piece = string([]byte{byte(r)})
		}
		d.add(piece, end-len(rest))
		rest = tail
	}
	return d.layer(parent, end, func(piece string) string {
		quoted := strconv.Quote(piece)
		return quoted[1 : len(quoted)-1]
	})
}
