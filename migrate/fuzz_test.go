package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"loggregator_exporter/migrate/promql"
)

// FuzzQuery: whatever the query, what comes out parses, says the same on a second run, and is the old text if it could
// not be rewritten.
func FuzzQuery(f *testing.F) {
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if query, ok := strings.CutPrefix(line, "- "); ok {
				f.Add(strings.TrimSuffix(query, "\n"))
			}
		}
	}
	m := newMigrator(f)
	f.Fuzz(func(t *testing.T, query string) {
		r := m.Query(query)
		if m.Variable(query); !r.OK {
			if r.Migrated != query || r.Changed || len(r.Notes) == 0 {
				t.Fatalf("%q: %+v", query, r)
			}
			if strings.Contains(r.Notes[0], "please report") {
				t.Fatal(query, r.Notes)
			}
			return
		}
		if _, err := promql.Parse(r.Migrated); err != nil {
			t.Fatalf("%q: %q: %v", query, r.Migrated, err)
		}
		if again := m.Query(r.Migrated); !again.OK || again.Migrated != r.Migrated {
			t.Fatalf("%q: %q, then %q %q", query, r.Migrated, again.Migrated, again.Notes)
		}
	})
}
