package api

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the fields to docs/api.md")

const docs = "../../docs/api.md"

// TestDocs compares routes, parameters and fields with docs/api.md. The section on fields is written by -update, from the
// types and their comments.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	head, fields, ok := strings.Cut(string(text), "## Fields\n")
	if !ok {
		t.Fatal("no section Fields")
	}
	sections := strings.Split(head, "\n### `")[1:]
	all := routes()
	if len(sections) != len(all) {
		t.Errorf("%d endpoints in the page, %d in the code", len(sections), len(all))
	}
	for i, r := range all {
		title := r.method + " " + Prefix + r.path + "`"
		if i >= len(sections) || !strings.HasPrefix(sections[i], title+"\n") {
			t.Errorf("endpoint %d is not %s", i, title)
			continue
		}
		for _, name := range r.parameters {
			if !strings.Contains(sections[i], "`"+name+"`") {
				t.Errorf("%s does not say what %s means", title, name)
			}
		}
	}
	intro, _, _ := strings.Cut(fields, "### ")
	want := intro + fieldTables(t)
	if *update {
		if err := os.WriteFile(docs, []byte(head+"## Fields\n"+want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if fields != want {
		t.Error("the fields differ from those of the code: go test ./web/api -run TestDocs -update")
	}
}

// TestParameters: each endpoint takes the parameters that it lists.
func TestParameters(t *testing.T) {
	f := newFixture(t)
	for _, r := range routes() {
		query := "?none=1"
		if slices.Contains(r.parameters, "name") {
			query += "&name=a" // it must be given
		}
		w := ask(t, f.API, r.method, Prefix+r.path+query, RulesType, "")
		for _, name := range r.parameters {
			if !strings.Contains(w.Body.String(), name) {
				t.Errorf("%s does not take %s: %s", r.path, name, w.Body)
			}
		}
	}
}

// fieldTables describes all types that endpoints answer with.
func fieldTables(t *testing.T) string {
	t.Helper()
	d := describer{comments: map[string]map[string]string{}, known: map[reflect.Type]bool{}}
	for _, r := range routes() {
		d.add(t, reflect.TypeOf(r.data), "`/api/v1/"+r.path+"`, `data`")
	}
	return strings.Join(d.tables, "\n")
}

// describer writes a table for each struct.
type describer struct {
	comments map[string]map[string]string // of the types of a package: Type.Field to text
	known    map[reflect.Type]bool
	tables   []string
}

const module = "loggregator_exporter/"

func (d *describer) add(t *testing.T, of reflect.Type, title string) {
	t.Helper()
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || !strings.HasPrefix(of.PkgPath(), module) || d.known[of] {
		return
	}
	d.known[of] = true
	if title == "" {
		title = "`" + name(of) + "`"
	}
	at := len(d.tables)
	d.tables = append(d.tables, "")
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n| field | type | meaning |\n|---|---|---|\n", title)
	d.rows(t, &b, of)
	d.tables[at] = b.String()
}

// rows writes the fields of a struct, and those of structs that are part of it.
func (d *describer) rows(t *testing.T, b *strings.Builder, of reflect.Type) {
	t.Helper()
	names := map[string]string{}
	for field := range of.Fields() {
		json, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names[field.Name] = json
	}
	for f := range of.Fields() {
		if f.Anonymous {
			d.rows(t, b, f.Type)
			continue
		}
		json, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() {
			continue
		}
		if json == "" {
			t.Errorf("%s.%s has no name in JSON", of, f.Name)
		}
		kind := typeWord(f.Type)
		if strings.HasPrefix(options, "omit") {
			kind += ", *omitted*"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", json, kind, meaning(d.comment(t, of, f.Name), names))
		d.add(t, f.Type, "")
	}
}

// meaning makes a cell of a comment: fields are called as in JSON.
func meaning(comment string, names map[string]string) string {
	text := strings.Join(strings.Fields(comment), " ")
	for _, goName := range slices.Sorted(maps.Keys(names)) {
		if json := names[goName]; json != "" {
			text = regexp.MustCompile(`\b`+goName+`\b`).ReplaceAllString(text, "`"+json+"`")
		}
	}
	return strings.ReplaceAll(text, "|", "\\|")
}

func name(t reflect.Type) string {
	return strings.ToLower(t.Name()[:1]) + t.Name()[1:]
}

// typeWord is how the page calls a type.
func typeWord(t reflect.Type) string {
	switch {
	case t.PkgPath() == "time":
		return "time"
	case t.Kind() == reflect.Pointer:
		return typeWord(t.Elem())
	case t.Kind() == reflect.Slice:
		return "list of " + typeWord(t.Elem())
	case t.Kind() == reflect.Map:
		return "object of " + typeWord(t.Elem())
	case t.Kind() == reflect.Struct:
		return "`" + name(t) + "`"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "boolean"
	default:
		return "number"
	}
}

// comment returns what the source says of a field.
func (d *describer) comment(t *testing.T, of reflect.Type, field string) string {
	t.Helper()
	pkg := of.PkgPath()
	if d.comments[pkg] == nil {
		d.comments[pkg] = commentsOf(t, filepath.Join("../..", strings.TrimPrefix(pkg, module)))
	}
	return d.comments[pkg][of.Name()+"."+field]
}

func commentsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				addComments(comments, spec.Name.Name, s)
			}
			return true
		})
	}
	return comments
}

func addComments(comments map[string]string, typ string, s *ast.StructType) {
	for _, f := range s.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, n := range f.Names {
			comments[typ+"."+n.Name] = text
		}
	}
}
