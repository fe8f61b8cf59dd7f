package tagger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

// upper resolves a metric to its base name in capitals and its tags, so that tests see what the resolver was given.
func upper(_ *tagger.Subject, r *tagger.Result) tagger.Resolved {
	labels := append([]metric.Label{{Name: "env", Value: "e"}}, r.Tags...)
	return tagger.Resolved{Metric: strings.ToUpper(r.Base), Labels: labels}
}

func TestRuleTests(t *testing.T) {
	tg := load(t, true, `rules:
- {id: a, pattern: "a.{x}", name: a, unit: ms, expire: 1m}
- {id: d, pattern: "d", drop: true}
`)
	f, err := tagger.ReadTests("t.yaml", []byte(`rules_files: [r.yaml, s.yaml]
catalogue: false
tests:
- title: all right
  given: {name: a.1, origin: o, kind: counter, unit: x, source_id: s, tags: {b: c}}
  expect: {base: a, tags: {x: "1"}, origin_tags: {component: o}, metric: A, labels: {x: "1", env: e}, kind: counter, unit: milliseconds, expire: 60s, rule: a}
- given: {name: d}
  expect: {dropped: true}
- given: {name: a.1, origin: o}
  expect: {base: b, tags: {y: "2"}, metric: B, labels: {}, kind: timer, unit: "", expire: 2m, rule: "", help: H, dropped: true, buckets: [1], drop_labels: [l], rename_labels: {a: b}, origin_tags: {}}
- given: {name: d}
  expect: {base: d}
`))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.RulesFiles, []string{"r.yaml", "s.yaml"}) || f.Catalogue || !f.Quarantine {
		t.Errorf("%v, catalogue %v, quarantine %v", f.RulesFiles, f.Catalogue, f.Quarantine)
	}
	var got []string
	for _, r := range f.Run(tg, upper) {
		got = append(got, r.Place+" "+r.Title)
		got = append(got, r.Failures...)
	}
	want := []string{
		"t.yaml:4:3 all right",
		"t.yaml:7:3 d",
		"t.yaml:9:3 o a.1",
		`base: got "a", want "b"`,
		`tags: got {x="1"}, want {y="2"}`,
		`metric: got "A", want "B"`,
		`labels: got {env="e", x="1"}, want {}`,
		`kind: got "gauge", want "timer"`,
		`unit: got "milliseconds", want ""`,
		`expire: got "1m0s", want "2m0s"`,
		`rule: got "a", want ""`,
		`help: got "", want "H"`,
		`dropped: got "false", want "true"`,
		`buckets: got {}, want {1}`,
		`drop_labels: got {}, want {l}`,
		`rename_labels: got {}, want {a="b"}`,
		`origin_tags: got {component="o"}, want {}`,
		"t.yaml:11:3 d",
		`dropped by rule "d", which the test does not expect`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	unchecked := []string{"metric cannot be checked here", "labels cannot be checked here"}
	if r := f.Run(tg, nil)[0]; !slices.Equal(r.Failures, unchecked) {
		t.Errorf("%q", r.Failures)
	}
}

func TestBadRuleTests(t *testing.T) {
	for data, want := range map[string]string{
		"":                             "t.yaml: the file holds no tests: add a list under tests",
		"tests: []":                    "t.yaml: the file holds no tests: add a list under tests",
		"tests:\n- expect: {base: a}":  "t.yaml:2:3: the test has no given: say at least given: {name: ...}",
		"tests:\n- given: {name: a}":   "t.yaml:2:3: the test expects nothing: add expect, such as expect: {base: ..., tags: {...}}",
		"tests:\n- given: {origin: a}": "t.yaml:2:10: given has no name: say name: ...",
		"tests:\n- given: {nam: a, name: b}\n  expect: {base: b}":           `t.yaml:2:11: unknown key "nam" in given (did you mean "name"?): known are kind, name, origin, source_id, tags, unit`,
		"tests:\n- given: {name: b, kind: log}\n  expect: {base: b}":        `t.yaml:2:26: no kind "log": use gauge, counter, timer, histogram, summary`,
		"tests:\n- given: {name: b}\n  expect: {name: b}":                   `t.yaml:3:12: unknown key "name" in expect (did you mean "base"?): known are base, buckets, drop_labels, dropped, expire, help, kind, labels, metric, origin_tags, rename_labels, rule, tags, unit`,
		"catalogue: maybe\ntests:\n- {given: {name: b}, expect: {base: b}}": `t.yaml:1:12: catalogue must be true or false, not text`,
	} {
		_, err := tagger.ReadTests("t.yaml", []byte(data))
		if err == nil {
			t.Errorf("%q: no error, want %s", data, want)
			continue
		}
		got := strings.Split(err.Error(), "\n")
		wanted := strings.Split(want, "\n")
		slices.Sort(got)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%q:\n got %s\nwant %s", data, err, want)
		}
	}
}

func TestReadGiven(t *testing.T) {
	for given, want := range map[string]string{
		"a.b":                                 "|a.b||gauge||[]",
		"{name: a, origin: o, kind: counter}": "o|a||counter||[]",
		`{"name": "a", "tags": {"b": "c"}, "unit": "ms", "source_id": "s"}`: `|a|ms|gauge|s|[{b c}]`,
		"{origin: o}":             "given has no name: say name: ...",
		"{name: a, kind: x}":      `no kind "x": use gauge, counter, timer, histogram, summary`,
		"{name: [a}":              "not valid YAML: while parsing a flow sequence: did not find expected ',' or ']'",
		"{name: a, surname: b, }": `unknown key "surname" in given (did you mean "name"?): known are kind, name, origin, source_id, tags, unit`,
	} {
		s, err := tagger.ReadGiven(given)
		got := fmt.Sprintf("%s|%s|%s|%s|%s|%v", s.Origin, s.Name, s.Unit, s.Kind, s.SourceID, s.Tags)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}

func FuzzReadGiven(f *testing.F) {
	f.Add("a.b")
	f.Add("{name: a, origin: o, kind: counter, tags: {a: b}}")
	f.Fuzz(func(t *testing.T, given string) {
		if s, err := tagger.ReadGiven(given); err == nil && s.Name == "" && given != "" {
			t.Errorf("%q has no name", given)
		}
	})
}

func FuzzRuleTests(f *testing.F) {
	f.Add([]byte("tests:\n- given: {name: a.1, tags: {a: b}}\n  expect: {base: a, tags: {x: y}, buckets: [1], dropped: false}\n"))
	f.Add([]byte("tests: [{given: {name: x}, expect: {labels: {}, expire: 3}}]"))
	tg := load(f, true, chainRules)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := tagger.ReadTests("t.yaml", data)
		if err != nil {
			return
		}
		if got := file.Run(tg, upper); len(got) != len(file.Cases) {
			t.Errorf("%d results of %d cases", len(got), len(file.Cases))
		}
	})
}
