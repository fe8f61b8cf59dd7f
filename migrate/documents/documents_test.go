package documents

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the places of the cases anew")

// describe writes down what Read finds.
func describe(d *Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", d.Format)
	for _, q := range d.Queries {
		fmt.Fprintf(&b, "line %d %s: %s\n  %s %s: %q\n", q.Line, q.Path, q.Where, q.Datasource, q.Kind, q.Expr)
		if q.Whole != nil && q.Whole.String() != q.Expr.String() {
			fmt.Fprintf(&b, "  whole: %q\n", q.Whole)
		}
		if len(q.Labels) > 0 {
			fmt.Fprintf(&b, "  labels: %s\n", q.Labels)
		}
		if q.Regex != nil {
			fmt.Fprintf(&b, "  regex: %s\n", q.Regex)
		}
	}
	for _, p := range d.Panels {
		if len(p.Fields) > 0 {
			fmt.Fprintf(&b, "%s fields: %q\n", p.Where, p.Fields)
		}
	}
	if len(d.Labels) > 0 {
		fmt.Fprintf(&b, "labels: %s\n", d.Labels)
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "line %d, %s: %s\n", n.Line, n.Where, n.Text)
	}
	return b.String()
}

// everything returns all that can be edited.
func everything(d *Document) []*Text {
	texts := append([]*Text{}, d.Labels...)
	for _, q := range d.Queries {
		texts = append(append(texts, q.Expr), q.Labels...)
		if q.Regex != nil {
			texts = append(texts, q.Regex)
		}
	}
	for _, p := range d.Panels {
		texts = append(texts, p.Fields...)
	}
	return texts
}

// TestCases reads documents of many kinds, in which old_metric and old_label stand where queries and their labels do,
// and nowhere else but in comments of YAML: editing all of them is the same as replacing these words in the file.
func TestCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal(cases, err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil || len(archive.Files) != 2 {
				t.Fatal(err, "want a document and its places")
			}
			in, places := &archive.Files[0], &archive.Files[1]
			d, err := Read(in.Name, in.Data)
			if err != nil {
				t.Fatal(err)
			}
			got := describe(d)
			if *update {
				places.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(places.Data) {
				t.Errorf("found\n%s\nwant\n%s", got, places.Data)
			}
			replace := strings.NewReplacer("old_metric", "sum(new_one)", "old_label", "label_new")
			for _, text := range everything(d) {
				text.Set(replace.Replace(text.String()))
			}
			edited, err := d.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			want := replaceOutsideComments(replace, string(in.Data))
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(edited), "\n")); diff != "" {
				t.Errorf("edited, - is missing and + is wrong:\n%s", diff)
			}
		})
	}
}

// replaceOutsideComments replaces words but where a line of a file begins with a comment of YAML.
func replaceOutsideComments(replace *strings.Replacer, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			b.WriteString(line)
			continue
		}
		b.WriteString(replace.Replace(line))
	}
	return b.String()
}
