package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCases: each file of testdata/cases holds queries after a minus, and after each what becomes of it: the new query
// after a plus, or an equals sign where nothing changes; an exclamation mark where it cannot be rewritten; the notes,
// and the labels with new names. A second run changes nothing.
func TestCases(t *testing.T) {
	m := newMigrator(t)
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(string(text)) {
				if query, ok := strings.CutPrefix(line, "- "); ok {
					got = append(got, describe(t, m, strings.TrimSuffix(query, "\n")))
				}
			}
			all := strings.Join(got, "\n")
			if *update {
				if err := os.WriteFile(file, []byte(all), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if all != string(text) {
				t.Errorf("it is now (go test ./migrate -update writes it):\n%s", all)
			}
		})
	}
}

// describe writes down what becomes of a query. \n in it is a line break.
func describe(t *testing.T, m *Migrator, line string) string {
	t.Helper()
	query := strings.ReplaceAll(line, `\n`, "\n")
	r := m.Variable(query)
	out := []string{"- " + line}
	switch {
	case !r.OK:
		if r.Changed || r.Migrated != query {
			t.Errorf("%s: refused and changed: %s", query, r.Migrated)
		}
		out = append(out, "!")
	case r.Changed:
		out = append(out, "+ "+strings.ReplaceAll(r.Migrated, "\n", `\n`))
	default:
		out = append(out, "=")
	}
	for _, n := range r.Notes {
		out = append(out, "  "+n)
	}
	var labels []string
	for _, l := range r.Labels {
		labels = append(labels, l.Old+" is "+l.New)
	}
	if len(labels) > 0 {
		out = append(out, "  labels: "+strings.Join(labels, ", "))
	}
	if again := m.Variable(r.Migrated); r.OK && (!again.OK || again.Changed || again.Migrated != r.Migrated) {
		t.Errorf("%s: a second run makes %s of %s: %q", query, again.Migrated, r.Migrated, again.Notes)
	}
	return strings.Join(out, "\n") + "\n"
}
