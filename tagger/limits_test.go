package tagger_test

import (
	"fmt"
	"strings"
	"testing"

	"loggregator_exporter/tagger"
)

// TestManyErrors: a file of nothing but errors is reported by its first 100, and by the number of the others.
func TestManyErrors(t *testing.T) {
	for _, tc := range []struct {
		n           int
		start, line string
	}{
		{100_000, "rules:\n", "- {patern: x}\n"},
		{1000, "rules:\n", "- {pattern: 'x{'}\n"},
		{1000, "origins:\n", "- {pattern: x, drop: true}\n"},
		{1000, "metrics:\n", "- {name: x}\n"},
		{1000, "mappings:\n", "- {match: a, name: '-'}\n"},
		{1000, "types:\n", "  ? [a]\n  : x\n"},
	} {
		data := tc.start + strings.Repeat(tc.line, tc.n)
		_, _, err := tagger.Load(tagger.Source{File: "r.yaml", Data: []byte(data)})
		all := strings.Split(err.Error(), "\n")
		last, want := all[len(all)-1], fmt.Sprintf("r.yaml: %d more errors are not shown", tc.n-100)
		if len(all) != 101 || last != want {
			t.Errorf("%s%s: %d lines, the last %q", tc.start, tc.line, len(all), last)
		}
	}
	_, err := tagger.ReadTests("t.yaml", []byte("tests:\n"+strings.Repeat("- {given: {name: a}}\n", 1000)))
	if all := strings.Split(err.Error(), "\n"); len(all) != 101 {
		t.Errorf("unit tests: %d lines", len(all))
	}
}

// TestManyWarnings does the same for rules that can never match.
func TestManyWarnings(t *testing.T) {
	const n = 20_000
	rules := "rules:\n" + strings.Repeat("- {pattern: x}\n", n)
	_, warnings, err := tagger.Load(tagger.Source{File: "r.yaml", Data: []byte(rules)})
	if err != nil {
		t.Fatal(err)
	}
	last, want := warnings[len(warnings)-1].String(), fmt.Sprintf("%d more warnings are not shown", n-1-100)
	if len(warnings) != 101 || last != want {
		t.Errorf("%d warnings, the last %q", len(warnings), last)
	}
}

// TestFileSize: what is too large is not parsed.
func TestFileSize(t *testing.T) {
	_, _, err := tagger.Load(tagger.Source{File: "r.yaml", Data: make([]byte, tagger.MaxFileBytes+1)})
	const want = "r.yaml: the file has 8388609 bytes, at most 8388608 are allowed: split it"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
