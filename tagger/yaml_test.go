package tagger_test

import (
	"errors"
	"fmt"
	"testing"

	"loggregator_exporter/tagger"
)

// TestPlacesOfYAMLErrors: an editor goes to the very character.
func TestPlacesOfYAMLErrors(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"tab as indentation", "rules:\n\t- pattern: a\n", "2:1"},
		{"tab in a later line", "rules:\n- pattern: a\n\tname: b\n", "3:1"},
		{"open quote", "rules:\n- pattern: \"x\n  name: y\n", "2:12"},
		{"open single quote", "rules:\n- pattern: 'x\n", "2:12"},
		{"open quote in the first line", "rules: \"", "1:8"},
		{"open quote that a later one ends", "rules:\n- pattern: \"x\n  name: \"y\"\n", "3:10"},
		{"pattern without quotes", "rules:\n- pattern: {a}.b\n", "2:15"},
		{"list that does not end", "rules: [{pattern: a}\n", "2:1"},
		{"map that does not end", "rules:\n- {pattern: a\n- {pattern: b}\n", "3:3"},
		{"indentation", "rules:\n  - pattern: a\n name: b\n", "3:2"},
		{"two values in a line", "rules: a: b\n", "1:9"},
		{"reserved character", "@rules\n", "1:1"},
		{"unknown anchor", "rules: *none\n", "1:8"},
		{"escape", "rules:\n- pattern: \"a\\q\"\n", "2:14"},
		{"colon without a space", "rules:\n- pattern:a\n  name: b\n", "3:7"},
		{"control character", "rules:\n- pattern: \x01\n", "2:12"},
		{"control character behind others", "# ä\nrules:\n- pattern: ä\x01\n", "3:13"},
		{"no UTF-8", "rules:\n- pattern: \xff\n", "2:12"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := tagger.Load(tagger.Source{File: "r.yaml", Data: []byte(tc.text)})
			e, ok := errors.AsType[*tagger.FileError](err)
			if !ok {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d:%d", e.Line, e.Column); got != tc.want {
				t.Errorf("%s, want %s: %v", got, tc.want, err)
			}
		})
	}
}
