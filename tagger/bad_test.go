package tagger_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"loggregator_exporter/tagger"
)

var update = flag.Bool("update-messages", false, "write testdata/bad/messages.golden")

// TestMessages asserts the exact message for each kind of bad rule file: what, where, and how to correct it.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 70 {
		t.Fatal(len(files), err)
	}
	var got strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = tagger.Load(tagger.Source{File: filepath.Base(file), Data: data})
		if err == nil {
			t.Errorf("%s: no error", file)
			continue
		}
		got.WriteString(err.Error() + "\n")
	}
	const golden = "testdata/bad/messages.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	wantLines := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got.String(), "\n") {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Fatalf("line %d of %s:\n got %s\nwant %s", i+1, golden, line,
				strings.Join(wantLines[i:min(i+1, len(wantLines))], ""))
		}
	}
}
