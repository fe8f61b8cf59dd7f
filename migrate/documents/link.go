package documents

import (
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The parameters of a URL that may hold queries are those of Grafana's Explore, as JSON, and those of Prometheus' own
// pages. In a string that is a URL, JSON may stand as it is; a URL in other text ends where quotes or blanks are.
var (
	linkParameter = regexp.MustCompile(`[?&#](left|right|panes|g[0-9]+\.expr)=([^&#]*)`)
	textParameter = regexp.MustCompile(`[?&#](left|right|panes|g[0-9]+\.expr)=([^&#\s<>"'` + "`" + `]*)`)
	isURL         = regexp.MustCompile(`^(?:https?://|/|\$)[^\n<>]*$`)
)

// linkField matches what stands for a label of the series that was clicked: ${__field.labels.name}.
var linkField = regexp.MustCompile(`\$\{__(?:field|series)\.labels(?:\.([a-zA-Z_][a-zA-Z0-9_]*)|\["?([^"\]]+)"?\])`)

// rowField is the same for a field of a row of a table: ${__data.fields.name}.
var rowField = regexp.MustCompile(`\$\{__data\.fields(?:\.([a-zA-Z_][a-zA-Z0-9_]*)|\["?([^"\]]+)"?\])`)

// links finds the queries in URLs anywhere within a value, and the labels of the panel's series in all of its texts.
func (d *Document) links(n *node, where string, p *Panel, sources datasources) {
	for _, value := range n.values() {
		d.links(value, where, p, sources)
	}
	text := n.text()
	if !strings.Contains(text, "=") && !strings.Contains(text, "${__") {
		return
	}
	parameter, within := linkParameter, false
	if !isURL.MatchString(text) {
		parameter, within = textParameter, true
	}
	for _, m := range parameter.FindAllStringSubmatchIndex(text, -1) {
		if within {
			m[5] = m[4] + balanced(text[m[4]:m[5]])
		}
		l := d.layerOf(n, where)
		if l == nil {
			return
		}
		q := Query{Kind: Link, Place: Place{Where: where}}
		d.parameter(n, urlLayer(l, m[4], m[5], within), text[m[2]:m[3]], q, sources)
	}
	if p == nil {
		return
	}
	for _, pattern := range []*regexp.Regexp{linkField, rowField} {
		for _, m := range pattern.FindAllStringSubmatchIndex(text, -1) {
			start, end := max(m[2], m[4]), max(m[3], m[5])
			if l := d.layerOf(n, where); l != nil {
				p.Fields = append(p.Fields, d.part(n, l, start, end, where))
			}
		}
	}
}

// balanced returns the length of a text without a closing parenthesis that none opens, and what follows it: markdown
// has URLs in parentheses.
func balanced(text string) int {
	open := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			open++
		case ')':
			if open--; open < 0 {
				return i
			}
		}
	}
	return len(text)
}

// parameter finds the queries in a parameter of a URL.
func (d *Document) parameter(n *node, l *layer, name string, q Query, sources datasources) {
	if strings.HasSuffix(name, ".expr") {
		q.Datasource = "prometheus"
		d.addPart(n, l, 0, len(l.text), q)
		return
	}
	root, err := readJSON(l.text)
	if err != nil {
		return // a variable stands in for it, or it is of another program
	}
	if items := root.array(); len(items) > 2 { // ["now-1h","now","data source",{"expr":...}]
		q.Datasource = sources.typeOf(items[2], "")
	}
	d.explore(n, l, root, q, sources)
}

// explore finds the queries in a parameter of Explore, at any depth, since its form differs from version to version.
func (d *Document) explore(n *node, l *layer, in *node, q Query, sources datasources) {
	q.Datasource = sources.typeOf(in.get("datasource"), q.Datasource)
	if expr := in.get("expr"); strings.TrimSpace(expr.text()) != "" && mayBePrometheus(q.Datasource) {
		literal := jsonLayer(l, expr.start, expr.end)
		d.addPart(n, literal, 0, len(literal.text), q)
	}
	for _, value := range in.values() {
		d.explore(n, l, value, q, sources)
	}
}

// addPart adds the query that is a part of a string.
func (d *Document) addPart(n *node, l *layer, start, end int, q Query) *Query {
	q.Expr = d.part(n, l, start, end, q.Where)
	return d.add(&q)
}

// urlLayer decodes the value of a parameter of a URL. What does not decode stands for itself. Within other text a
// parenthesis may end the URL.
func urlLayer(parent *layer, start, end int, within bool) *layer {
	raw := parent.text[start:end]
	var d decoded
	for i := 0; i < len(raw); {
		switch {
		case raw[i] == '+':
			d.add(" ", start+i)
			i++
		case isPercent(raw[i:]):
			c, size := percentRune(raw[i:])
			d.add(c, start+i)
			i += size
		default:
			_, size := utf8.DecodeRuneInString(raw[i:])
			d.add(raw[i:i+size], start+i)
			i += size
		}
	}
	space := "%20"
	if strings.Contains(raw, "+") {
		space = "+"
	}
	return d.layer(parent, end, func(piece string) string {
		ends := within && (balanced(piece) < len(piece) || strings.Count(piece, "(") != strings.Count(piece, ")"))
		var b strings.Builder
		for _, r := range piece {
			switch c := string(r); {
			case r == ' ':
				b.WriteString(space)
			case strings.ContainsRune("+&#%", r) || ends && (r == '(' || r == ')'):
				b.WriteString(url.QueryEscape(c))
			case strings.ContainsRune("!~*()", r), strings.ContainsRune(raw, r):
				b.WriteRune(r) // JavaScript's encodeURIComponent leaves it, or the author
			default:
				b.WriteString(url.QueryEscape(c))
			}
		}
		return b.String()
	})
}

func isPercent(text string) bool {
	return len(text) > 2 && text[0] == '%' && isHex(text[1]) && isHex(text[2])
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// percentRune decodes the escapes of one character.
func percentRune(raw string) (string, int) {
	var bytes []byte
	for at := 0; isPercent(raw[at:]) && !utf8.FullRune(bytes); at += 3 {
		c, _ := url.QueryUnescape(raw[at : at+3])
		bytes = append(bytes, c...)
	}
	if r, _ := utf8.DecodeRune(bytes); r == utf8.RuneError {
		bytes = bytes[:1]
	}
	return string(bytes), 3 * len(bytes)
}
