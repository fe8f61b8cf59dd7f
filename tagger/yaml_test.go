package tagger_test

import (
	"errors"
	"fmt"
	"strings"
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
		{"open quote that a later one ends", "rules:\n- pattern: \"x\n  name: \"y\"\n", "2:12"},
		{"open quote that one far below ends", "rules:\n- pattern: 'ä.x\n  tags: {a: b}\n- pattern: z\n  name: 'y'\n", "2:12"},
		{"open quote before an empty text", "rules:\n- pattern: \"x\n  name: \"\"\n- pattern: a\n", "2:12"},
		{"open quote of a key", "\"rules:\n- pattern: \"x\"\n", "1:1"},
		{"open quote before a document", "rules:\n- pattern: \"x\n---\n", "2:12"},
		{"text behind quotes", "rules:\n- pattern: \"x\" y\n", "2:16"},
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

// TestRemediesOfYAMLErrors: a remedy is named where the text shows the cause, and only there.
func TestRemediesOfYAMLErrors(t *testing.T) {
	const tab, quotes = ": there is a tab, indent with spaces", ": put the value in quotes"
	for _, tc := range []struct{ text, want string }{
		{"rules:\n\t- pattern: a\n", tab},
		{"rules:\n- pattern: a\n\tname: b\n", tab},
		{"rules:\n  - pattern: a\n    tags:\n    \tx: y\n", tab},
		{"rules:\n- pattern: {a}.b\n", quotes},
		{"rules:\n- pattern: {a:int}.b\n", quotes},
		{"rules:\n- {pattern: {a}.b, name: c}\n", quotes},
		{"rules:\n- pattern: *.memory\n", quotes},
		{"rules:\n- pattern: %a\n", quotes},
		{"rules:\n- name: a: b\n", quotes},
		{"rules:\n- pattern: a\n    name: b\n", ""},
		{"rules:\n- pattern: \"x\n  name: y\n", ""},
		{"rules:\n- {pattern: a, tags: {x: y} name: b}\n", ""},
		{"rules:\n- {pattern: a\n- {pattern: b}\n", ""},
	} {
		_, _, err := tagger.Load(tagger.Source{File: "r.yaml", Data: []byte(tc.text)})
		if err == nil {
			t.Errorf("%q: no error", tc.text)
			continue
		}
		for _, remedy := range []string{tab, quotes} {
			if strings.Contains(err.Error(), remedy) != (remedy == tc.want) {
				t.Errorf("%q: %v, want the remedy %q", tc.text, err, tc.want)
			}
		}
	}
}
