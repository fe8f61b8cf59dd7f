package documents

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"
)

// FuzzDocument reads any text, edits what can be edited, and reads the result: it holds the edits, and nothing else is
// changed. Without edits no byte is.
func FuzzDocument(f *testing.F) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		f.Fatal(cases, err)
	}
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data, "new")
		}
	}
	rules, err := os.ReadFile("../../deploy/prometheus/rules/recording.yml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rules, "a: b # c")
	f.Add([]byte("groups: [{rules: [{expr: 'it''s', labels: {a: '{{ query \"up\" }}'}}]}]"), "\n...\n..")
	f.Fuzz(func(t *testing.T, text []byte, insert string) {
		d, err := Read("f", text)
		if err != nil {
			return
		}
		if same, err := d.Bytes(); err != nil || !bytes.Equal(same, text) {
			t.Fatalf("%v, not edited:\n%s", err, same)
		}
		if !utf8.ValidString(insert) || bytes.ContainsRune([]byte(insert), utf8.RuneError) {
			return
		}
		checkEdited(t, d, insert)
	})
}

// checkEdited inserts a text in the middle of every query.
func checkEdited(t *testing.T, d *Document, insert string) {
	t.Helper()
	want := make(map[string][]string)
	for _, q := range d.Queries {
		old := q.Expr.String()
		middle := len(old) / 2
		if d.erb != nil {
			middle = 0 // within a tag nothing may be inserted
		}
		for !utf8.RuneStart(old[middle]) {
			middle--
		}
		q.Expr.Set(old[:middle] + insert + old[middle:])
		if q.Whole == nil { // edited, the text of a variable may be of another kind
			want[q.Path] = append(want[q.Path], q.Expr.String())
		}
	}
	edited, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read("f", edited)
	if err != nil {
		t.Fatalf("%v:\n%s", err, edited)
	}
	got := make(map[string][]string)
	for _, q := range again.Queries {
		got[q.Path] = append(got[q.Path], q.Expr.String())
	}
	// A query that is edited may be no query any more, or more than one, where it is a part of a string.
	for path, texts := range want {
		if len(got[path]) == len(texts) && !slices.Equal(got[path], texts) {
			t.Errorf("%s is %q, want %q in\n%s", path, got[path], texts, edited)
		}
	}
}
