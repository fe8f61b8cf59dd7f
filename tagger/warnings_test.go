package tagger_test

import (
	"slices"
	"testing"

	"loggregator_exporter/tagger"
)

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		name, rules string
		want        []string
	}{
		{"the same pattern twice", `rules:
- {id: a, pattern: "x.{y}", name: x}
- {id: b, pattern: "x.{z}", name: z}
`, []string{`r.yaml:3:3: rule "b" never matches: rule "a" at r.yaml:2:3 comes first and matches all of its names: move one of them, or remove it`}},
		{"a wider pattern first", `rules:
- {id: a, pattern: "{rest...}", drop: true}
- {id: b, pattern: "x.{z:int}", name: z}
- {id: c, regex: "x[0-9]+", name: z}
`, []string{
			`r.yaml:3:3: rule "b" never matches: rule "a" at r.yaml:2:3 comes first and matches all of its names: move one of them, or remove it`,
			`r.yaml:4:3: rule "c" never matches: rule "a" at r.yaml:2:3 comes first and matches all of its names: move one of them, or remove it`,
		}},
		{"a prefix first", `rules:
- {id: a, prefix: "{component}__{index:int}"}
- {id: b, pattern: "router__0.requests"}
`, []string{`r.yaml:3:3: rule "b" never matches: rule "a" at r.yaml:2:3 comes first and matches all of its names: move one of them, or remove it`}},
		{"each alternative by another rule", `rules:
- {id: a, pattern: "x.{_}"}
- {id: b, pattern: "y"}
- {id: c, pattern: "(x.z|y)"}
`, []string{`r.yaml:4:3: rule "c" never matches: rule "b" at r.yaml:3:3 comes first and matches all of its names: move one of them, or remove it`}},
		{"one alternative is left", `rules:
- {id: a, pattern: "x.{_}"}
- {id: c, pattern: "(x.z|y)"}
`, nil},
		{"narrower condition first", `rules:
- {id: a, pattern: "x", when: {origin: a, kind: gauge}}
- {id: b, pattern: "x", when: {origin: a*}}
- {id: c, pattern: "x", when: {origin: [ab, ac]}}
`, []string{`r.yaml:4:3: rule "c" never matches: rule "b" at r.yaml:3:3 comes first and matches all of its names: move one of them, or remove it`}},
		{"narrower capture first", `rules:
- {id: a, pattern: "x.{y:int}", name: x}
- {id: b, pattern: "x.{y}", name: x}
- {id: c, pattern: "x.{y:udp|tcp}", name: x}
`, []string{`r.yaml:4:3: rule "c" never matches: rule "b" at r.yaml:3:3 comes first and matches all of its names: move one of them, or remove it`}},
		{"a rule that lets everything through", `rules:
- {id: a, pattern: "{rest...}", continue: "{rest}", tags: {a: b}}
- {id: b, pattern: "x"}
`, nil},
		{"impossible condition", `rules:
- {id: a, pattern: "x", when: {kind: ["!gauge", "!counter", "!timer"]}}
`, []string{`r.yaml:2:3: rule "a" never matches: its conditions on kind exclude each other: no metric can match`}},
		{"the same expression twice", `rules:
- {id: a, regex: "x[0-9]+"}
- {id: b, regex: "x[0-9]+"}
`, []string{`r.yaml:3:3: rule "b" never matches: rule "a" at r.yaml:2:3 comes first and matches all of its names: move one of them, or remove it`}},
		{"metadata that adds nothing", `metrics:
- {name: x, help: a}
- {name: x, unit: ms}
- {name: "{_}", unit: ms, help: c}
- {name: xyz, unit: ms}
`, []string{`r.yaml:5:3: rule "r/metrics/xyz" never matches: rule "r/metrics/{_}" at r.yaml:4:3 comes first and says the same of all of its names: move one of them, or remove it`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, warnings, err := tagger.Load(tagger.Source{File: "r.yaml", Data: []byte(tc.rules)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range warnings {
				got = append(got, w.String())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}
