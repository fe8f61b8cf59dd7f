package grafana

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"loggregator_exporter/e2e/peer"
)

var update = flag.Bool("update", false, "write the dashboards anew")

func folder(t *testing.T) string {
	t.Helper()
	return filepath.Join(peer.Root(t), "deploy", "grafana", "dashboards")
}

// What is in the folder is what the code makes, and nothing else. With -update it is written.
func TestGenerated(t *testing.T) {
	var names []string
	for _, b := range boards() {
		name, want, err := b.file()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
		path := filepath.Join(folder(t), name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code makes (%v): go test ./deploy/grafana -run TestGenerated -update", name, err)
		}
	}
	entries, err := os.ReadDir(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			t.Errorf("%s is not made by the code", e.Name())
		}
	}
}
