package documents

import (
	"fmt"
	"strings"
	"testing"
)

// TestBadInput: what is no document is refused, with the place and the reason.
func TestBadInput(t *testing.T) {
	const unknown = "it is neither a dashboard of Grafana (with panels, rows or elements) nor a file of rules for Prometheus (with groups)"
	for name, c := range map[string]struct{ text, want string }{
		"empty":                {"", "it is empty"},
		"blanks":               {"\ufeff \n\t", "it is empty"},
		"another JSON":         {`{"name": "x", "version": "1.0.0", "dependencies": {}}`, unknown},
		"another YAML":         {"a: b\n---\nc: [d]\n", unknown},
		"a string":             {`just some text`, unknown},
		"an array of strings":  {`["panels"]`, unknown},
		"groups of others":     {`{"groups": [{"targets": []}]}`, unknown},
		"cut off":              {"{\n\"panels\": [\n{\"id\": 1", "line 3: the file ends in the middle of the document"},
		"cut off in a string":  {"{\n\"panels\": [\n{\"id\": \"1", "line 3: the file ends in the middle of the document"},
		"not JSON":             {"{\n\"panels\": [\n{\"id\": 1,,}]}", `line 3: invalid character ',' looking for beginning of object key string`},
		"a comma at the end":   {"{\n\"panels\": [\n{\"id\": 1},\n]}", `line 4: invalid character ']' looking for beginning of value`},
		"text behind":          {"{\"panels\": []}\n{}", "line 2: the document goes on after its end"},
		"a control character":  {"{\"panels\": [],\n \"title\": \"\x01\"}", `line 2: invalid character '\x01' in string literal`},
		"a key twice":          {"{\"panels\": [{\"targets\": [{\"expr\": \"a\",\n\"expr\": \"b\"}]}]}", `line 2: the key "expr" stands twice in one object`},
		"a key twice in YAML":  {"groups:\n- rules:\n  - expr: a\n    expr: b\n", `line 4: the key "expr" stands twice in one object`},
		"tabs":                 {"groups:\n- name: a\n\trules: []\n", "line 3: the indentation has a tab, and YAML takes only spaces"},
		"YAML with a bad line": {"groups:\n- name: a\n  rules:\n  - expr: a: b\n", "line 4: mapping values are not allowed in this context"},
		"not UTF-8":            {"{\"panels\": [],\n\"title\": \"\xe4\"}", "line 2: it is not UTF-8"},
		"UTF-16":               {"\xff\xfe{\x00}\x00", "it is UTF-16: save it as UTF-8"},
		"ERB in YAML": {
			"groups:\n- rules:\n  - alert: a\n<% if p('x') %>\n    expr: b\n<% else %>\n    expr: c\n<% end %>\n",
			`line 7: the key "expr" stands twice in one object: it is a template of ERB (<% ... %>), and no document without ` +
				"what it renders: render it first, as bosh does on the VM",
		},
		"ERB in JSON": {
			"{\"panels\": [\n<%= p('x') %>\n,{}]}",
			"line 3: invalid character ',' looking for beginning of value: it is a template of ERB (<% ... %>), and no document " +
				"without what it renders: render it first, as bosh does on the VM",
		},
		"many tags of ERB": {
			"a: " + manyTags(), "more than 10000 different tags of ERB (<% ... %>)",
		},
		"cut off in a string of YAML": {
			"kind: ConfigMap\ndata:\n  a: |\n    {\"panels\": [\n",
			"line 3, data.a: what it holds cannot be read: line 1: the file ends in the middle of the document",
		},
		"a ConfigMap of others": {"kind: ConfigMap\ndata: {a: '{}', b: groups, c: 1}\n", unknown},
		"deep":                  {`{"panels": ` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`, "line 1: values are nested more than 200 levels deep"},
		"deep YAML":             {"groups:\n" + strings.Repeat("- ", 300) + "x\n", "line 2: values are nested more than 200 levels deep"},
		"very deep YAML":        {"groups: " + strings.Repeat("[", 20000), "exceeded max depth of 10000"},
		"many values":           {`{"panels": [` + strings.Repeat("1,", maxNodes) + `1]}`, "line 1: more than 500000 values in one document"},
		"large":                 {`{"panels": [], "title": "` + strings.Repeat("x", 20<<20) + `"}`, "20971547 bytes are more than the limit of 16777216"},
		"an anchor in itself":   {"groups: &a [*a]\n", unknown},
		"many aliases":          {"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n", unknown},
		"an unknown anchor":     {"groups: *a\n", "unknown anchor 'a' referenced"},
		"a key that is no text": {"? [a, b]\n: c\ngroups: []\n", unknown},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read("dir/file", []byte(c.text))
			if err == nil || !strings.HasSuffix(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "dir/file: ") {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func manyTags() string {
	var b strings.Builder
	for i := range maxTags + 1 {
		fmt.Fprintf(&b, "<%%= param %d %%>", i)
	}
	return b.String()
}

// TestNotation: whatever is written into a text arrives, in each way to write one. Nothing else changes.
func TestNotation(t *testing.T) {
	const old = "old"
	for notation, around := range map[string]string{
		"JSON":               "{\"panels\": [{\"targets\": [{\"expr\": \"OLD\", \"refId\": \"A\"}]}]}\r\n",
		"JSON with a mark":   "\ufeff{\"panels\": [{\"targets\": [{\"expr\": \"OLD\"}]}]}",
		"plain":              "groups:\n- rules:\n  - expr: OLD\n    for: 1m # five\n",
		"plain, CRLF":        "groups:\r\n- rules:\r\n  - expr: OLD\r\n    for: 1m # five\r\n",
		"plain with a mark":  "\ufeffgroups:\n- rules:\n  - expr: OLD # c\n",
		"plain, at the end":  "groups:\n- rules:\n  - expr: OLD",
		"flow":               "groups: [{rules: [{expr: OLD, for: 1m}]}]\n",
		"single quotes":      "groups:\n- rules:\n  - expr:   'OLD' # c\n    for: 1m\n",
		"double quotes":      "groups:\n- rules:\n  - expr: \"OLD\" # c\n    for: 1m\n",
		"literal":            "groups:\n- rules:\n  - expr: |  # c\n      OLD\n\n    for: 1m\n",
		"literal, stripped":  "groups:\n- rules:\n  - expr: |-\n\n     OLD\n    for: 1m\n",
		"literal, kept":      "groups:\n- rules:\n  - expr: |+\n      OLD\n\n\n    for: 1m\n",
		"literal, CRLF":      "groups:\r\n- rules:\r\n  - expr: |\r\n      OLD\r\n    for: 1m\r\n",
		"folded":             "groups:\n- rules:\n  - expr: >\n      OLD\n    for: 1m\n",
		"folded, at the end": "groups:\n- rules:\n  - expr: >-\n     OLD",
		"a tag, an anchor":   "groups:\n- rules:\n  - expr: !!str &a\n      OLD # c\n    for: 1m\n",
		"template":           "groups:\n- rules:\n  - alert: x\n    annotations: {a: 'it''s {{ query \"OLD\" }}'}\n",
		"raw template":       "groups:\n- rules:\n  - alert: x\n    annotations:\n      a: >-\n        a\n        {{ query `OLD` }}\n",
		"JSON in YAML":       "kind: ConfigMap\ndata:\n  a.json: |\n    {\"panels\": [{\"targets\": [{\"expr\": \"OLD\"}]}]}\n  b: c\n",
		"YAML in YAML":       "kind: ConfigMap\ndata:\n  a.yml: |\n    groups:\n    - rules:\n      - expr: OLD\n        for: 1m\n  b: c\n",
		"YAML in JSON":       "{\"kind\": \"ConfigMap\", \"data\": {\"a\": \"groups:\\n- rules:\\n  - expr: |\\n      OLD\\n\"}}",
		"URL":                "{\"panels\": [{\"links\": [{\"url\": \"/graph?g0.expr=OLD&g0.tab=1#x\"}]}]}",
		"JSON in a URL":      "{\"panels\": [{\"links\": [{\"url\": \"/explore?left=%7B%22queries%22%3A%5B%7B%22expr%22%3A%22OLD%22%7D%5D%7D&x=y\"}]}]}",
		"markdown":           "{\"panels\": [{\"content\": \"[x](/graph?g0.expr=OLD) [y](z)\\n\"}]}",
	} {
		text := strings.ReplaceAll(around, "OLD", old)
		for _, inserted := range []string{
			"new", "a{b=\"c\"}", `a{b='c\d'}`, "a: b", "a #b", "- a", "a,b", "[5m]", "{a}", "@a", "*a", "&a", "!a", "%a", "`", "?", ":",
			"a\nb", "a\n  b\n", "\n\na", " a ", "\ta", "null", "1", "~", "true", "äöü\u2028😀", "\u0085", "\x01", "\x7f", "a+b&c=d#e?f/g%20", "---", "...",
			"it's", `\`, `\"`, "\ufeff", "\r", "", "<>&'\"",
		} {
			if notation == "raw template" && strings.Contains(inserted, "`") {
				continue // cannot be said in it
			}
			name := fmt.Sprintf("%s, %q", notation, inserted)
			d, err := Read("f", []byte(text))
			if err != nil || len(d.Queries) != 1 {
				t.Errorf("%s: %v\n%s", name, err, text)
				break
			}
			// The line breaks of a block belong to the text.
			begin, end, ok := strings.Cut(d.Queries[0].Expr.String(), old)
			if !ok || strings.Trim(begin+end, "\n") != "" {
				t.Errorf("%s: %q", name, d.Queries[0].Expr)
				break
			}
			d.Queries[0].Expr.Set(begin + inserted + end)
			edited, err := d.Bytes()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			before, after, _ := strings.Cut(around, "OLD")
			if inserted == "new" && string(edited) != before+"new"+after {
				t.Errorf("%s:\n%s", name, edited)
			}
			if strings.TrimSpace(inserted) == "" {
				continue // this is no query
			}
			again, err := Read("f", edited)
			if err != nil || len(again.Queries) != 1 || again.Queries[0].Expr.String() != begin+inserted+end {
				t.Errorf("%s: %v\n%s", name, err, edited)
			}
		}
	}
}
