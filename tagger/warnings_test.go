package tagger_test

import (
	"fmt"
	"slices"
	"testing"

	"loggregator_exporter/tagger"
)

const (
	all  = "matches all of its names"
	same = "says the same of all of its names"
)

// never is the warning that a rule never matches because of an earlier one.
func never(rule, at, earlier, earlierAt, why string) string {
	return fmt.Sprintf("r.yaml:%s: rule %q never matches: rule %q at r.yaml:%s comes first and %s: "+
		"move one of them, or remove it",
		at, rule, earlier, earlierAt, why)
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		name, rules string
		want        []string
	}{
		{"the same pattern twice", `rules:
- {id: a, pattern: "x.{y}", name: x}
- {id: b, pattern: "x.{z}", name: z}
`, []string{never(`b`, `3:3`, `a`, `2:3`, all)}},
		{"a wider pattern first", `rules:
- {id: a, pattern: "{rest...}", drop: true}
- {id: b, pattern: "x.{z:int}", name: z}
- {id: c, regex: "x[0-9]+", name: z}
`, []string{
			never(`b`, `3:3`, `a`, `2:3`, all),
			never(`c`, `4:3`, `a`, `2:3`, all),
		}},
		{"a prefix first", `rules:
- {id: a, prefix: "{component}__{index:int}"}
- {id: b, pattern: "router__0.requests"}
`, []string{never(`b`, `3:3`, `a`, `2:3`, all)}},
		{"each alternative by another rule", `rules:
- {id: a, pattern: "x.{_}"}
- {id: b, pattern: "y"}
- {id: c, pattern: "(x.z|y)"}
`, []string{never(`c`, `4:3`, `b`, `3:3`, all)}},
		{"one alternative is left", `rules:
- {id: a, pattern: "x.{_}"}
- {id: c, pattern: "(x.z|y)"}
`, nil},
		{"narrower condition first", `rules:
- {id: a, pattern: "x", when: {origin: a, kind: gauge}}
- {id: b, pattern: "x", when: {origin: a*}}
- {id: c, pattern: "x", when: {origin: [ab, ac]}}
`, []string{never(`c`, `4:3`, `b`, `3:3`, all)}},
		{"narrower capture first", `rules:
- {id: a, pattern: "x.{y:int}", name: x}
- {id: b, pattern: "x.{y}", name: x}
- {id: c, pattern: "x.{y:udp|tcp}", name: x}
`, []string{never(`c`, `4:3`, `b`, `3:3`, all)}},
		{"a rule that lets everything through", `rules:
- {id: a, pattern: "{rest...}", continue: "{rest}", tags: {a: b}}
- {id: b, pattern: "x"}
`, nil},
		{"impossible condition", `rules:
- {id: a, pattern: "x", when: {kind: ["!gauge", "!counter", "!timer", "!histogram", "!summary"]}}
`, []string{`r.yaml:2:3: rule "a" never matches: its conditions on kind exclude each other: no metric can match`}},
		{"the same expression twice", `rules:
- {id: a, regex: "x[0-9]+"}
- {id: b, regex: "x[0-9]+"}
`, []string{never(`b`, `3:3`, `a`, `2:3`, all)}},
		{"metadata that adds nothing", `metrics:
- {name: x, help: a}
- {name: x, unit: ms}
- {name: "{_}", unit: ms, help: c}
- {name: xyz, unit: ms}
`, []string{never(`r/metrics/xyz`, `5:3`, `r/metrics/{_}`, `4:3`, same)}},
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
