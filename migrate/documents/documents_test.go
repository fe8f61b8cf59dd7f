package documents

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOwnDocuments: the project's own dashboards and rules are read, and writing them changes nothing.
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
			d, err := Read(file, text)
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Queries) < 10 {
				t.Errorf("%s: %d queries", file, len(d.Queries))
			}
			for _, q := range d.Queries {
				q.Expr.Set("x + " + q.Expr.String())
				q.Expr.Set(q.Expr.String()[4:])
			}
			got, err := d.Bytes()
			if err != nil || string(got) != string(text) {
				t.Errorf("%s is changed: %v", file, err)
			}
		}
	}
}
