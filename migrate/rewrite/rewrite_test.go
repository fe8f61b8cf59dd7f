package rewrite

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"loggregator_exporter/migrate/documents"
)

var update = flag.Bool("update", false, "write the results of the cases anew")

// reportText writes a report as JSON.
func reportText(t *testing.T, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestCases migrates documents. What comes out, and the report, are in the case: with -update they are written, and are
// to be read before they are kept. What comes out is migrated once more, which changes nothing.
func TestCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal(cases, err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil || len(archive.Files) == 0 {
				t.Fatal(err)
			}
			in := archive.Files[0]
			report, out := migrated(t, table{}, in.Name, in.Data)
			results := []txtar.File{
				in, {Name: "out" + filepath.Ext(in.Name), Data: out}, {Name: "report.json", Data: reportText(t, report)},
			}
			if *update {
				archive.Files = results
				if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(fileTexts(archive.Files), fileTexts(results)); diff != "" {
				t.Errorf("- want, + got\n%s", diff)
			}
			again, same := migrated(t, table{}, in.Name, out)
			if len(again.Changes) > 0 || !bytes.Equal(same, out) {
				t.Errorf("migrated again: %+v", again.Changes)
			}
			if diff := cmp.Diff(report.Left, again.Left); diff != "" {
				t.Errorf("migrated again, other queries are left:\n%s", diff)
			}
		})
	}
}

func fileTexts(files []txtar.File) map[string][]string {
	texts := make(map[string][]string)
	for _, f := range files {
		texts[f.Name] = strings.Split(string(f.Data), "\n")
	}
	return texts
}

func migrated(t *testing.T, m Migrator, name string, text []byte) (*Report, []byte) {
	t.Helper()
	d, err := documents.Read(name, text)
	if err != nil {
		t.Fatal(err)
	}
	report, out, err := Document(m, "firehose", d)
	if err != nil {
		t.Fatal(err)
	}
	return report, out
}

// TestOwnDocuments: the project's own dashboards and rules are read, and an edit that is taken back changes nothing. Since
// they have the new names, migrating them changes nothing either.
func TestOwnDocuments(t *testing.T) {
	for _, pattern := range []string{"../../deploy/grafana/dashboards/*.json", "../../deploy/prometheus/rules/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			checkTakenBack(t, file, text)
			report, out := migrated(t, table{}, file, text)
			if len(report.Changes)+len(report.Left)+len(report.Notes) > 0 || !bytes.Equal(out, text) {
				t.Errorf("%s: %+v", file, report)
			}
		}
	}
}

// checkTakenBack edits all queries of a document, and takes the edits back.
func checkTakenBack(t *testing.T, file string, text []byte) {
	t.Helper()
	d, err := documents.Read(file, text)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Queries) < 10 || len(d.Notes) > 0 {
		t.Errorf("%s: %d queries, notes %v", file, len(d.Queries), d.Notes)
	}
	for _, q := range d.Queries {
		q.Expr.Set("x + " + q.Expr.String())
		q.Expr.Set(q.Expr.String()[4:])
	}
	if got, err := d.Bytes(); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%s is changed: %v", file, err)
	}
}
