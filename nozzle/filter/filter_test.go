package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"pgregory.net/rapid"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

func dropIf(m Match) Filter { return Filter{Drop: &m} }

func keepIf(m Match) Filter { return Filter{Keep: &m} }

func mustCompile(tb testing.TB, rules ...Filter) *List {
	tb.Helper()
	f, err := New(rules)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

const appGUID = "f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11"

// filterEnvelope is a view of an envelope: "gauge a b" or "counter c", then source id, then tags.
func filterEnvelope(what, source string, tags ...string) *metric.Envelope {
	words := strings.Fields(what)
	kind, _ := metric.ParseKind(words[0])
	e := &metric.Envelope{Kind: kind, SourceID: []byte(source)}
	for _, name := range words[1:] {
		if kind == metric.KindGauge {
			e.Points = append(e.Points, metric.Point{Name: []byte(name)})
		} else {
			e.Name = []byte(name)
		}
	}
	for i := 0; i < len(tags); i += 2 {
		e.AddTag([]byte(tags[i]), []byte(tags[i+1]))
	}
	return e
}

func TestFilter(t *testing.T) {
	container := []Filter{
		keepIf(Match{Kind: []string{"gauge"}, Name: []string{"cpu", "mem*"}}),
		dropIf(Match{AppID: []string{"*"}}),
	}
	for name, tc := range map[string]struct {
		rules    []Filter
		envelope *metric.Envelope
		want     string // the names that pass
	}{
		"no rule matches": {
			[]Filter{dropIf(Match{Kind: []string{"timer"}})},
			filterEnvelope("counter c", "x"), "c",
		},
		"a kind": {
			[]Filter{dropIf(Match{Kind: []string{"timer", "counter"}})},
			filterEnvelope("counter c", "x"), "",
		},
		"a histogram, which no selector asks for": {
			[]Filter{dropIf(Match{Kind: []string{"timer"}})},
			filterEnvelope("histogram h", "x"), "h",
		},
		"a summary by its kind": {
			[]Filter{dropIf(Match{Kind: []string{"summary"}})},
			filterEnvelope("summary s", "x"), "",
		},
		"an origin": {
			[]Filter{dropIf(Match{Origin: []string{"rep"}})},
			filterEnvelope("gauge a", "x", "origin", "rep"), "",
		},
		"another origin": {
			[]Filter{dropIf(Match{Origin: []string{"rep"}})},
			filterEnvelope("gauge a", "x", "origin", "reps"), "a",
		},
		"an origin by a pattern": {
			[]Filter{dropIf(Match{Origin: []string{"router__?"}})},
			filterEnvelope("gauge a", "x", "origin", "router__0"), "",
		},
		"of a tag sent twice the last": {
			[]Filter{dropIf(Match{Origin: []string{"rep"}})},
			filterEnvelope("gauge a", "x", "origin", "rep", "origin", "bbs"), "a",
		},
		"all fields have to match": {
			[]Filter{dropIf(Match{Origin: []string{"rep"}, Deployment: []string{"cf"}})},
			filterEnvelope("gauge a", "x", "origin", "rep"), "a",
		},
		"a pattern needs a value": {
			[]Filter{dropIf(Match{Deployment: []string{"*"}})},
			filterEnvelope("gauge a", "x"), "a",
		},
		"the first match decides": {
			[]Filter{keepIf(Match{SourceID: []string{"x"}}), dropIf(Match{})},
			filterEnvelope("gauge a", "x"), "a",
		},
		"the last one is for the rest": {
			[]Filter{keepIf(Match{SourceID: []string{"x"}}), dropIf(Match{})},
			filterEnvelope("gauge a", "y"), "",
		},
		"points by name": {
			container, filterEnvelope("gauge cpu disk memory mem_quota cpu", appGUID),
			"cpu memory mem_quota cpu",
		},
		"no point is left":         {container, filterEnvelope("gauge disk", appGUID), ""},
		"points of what is no app": {container, filterEnvelope("gauge disk cpu", "rep"), "disk cpu"},
		"a counter by name": {
			[]Filter{dropIf(Match{Name: []string{"c*"}})},
			filterEnvelope("counter c.d", "x"),
			"",
		},
		"a timer by name": {[]Filter{
			keepIf(Match{Name: []string{"http"}}),
			dropIf(Match{Kind: []string{"timer"}}),
		}, filterEnvelope("timer work", "x"), ""},
		"the gorouter's timers": {[]Filter{
			keepIf(Match{Name: []string{"http"}}),
			dropIf(Match{Kind: []string{"timer"}}),
		}, filterEnvelope("timer http", "x"), "http"},
		"an app's name": {
			[]Filter{dropIf(Match{AppName: []string{"load-*"}})},
			filterEnvelope("timer http", appGUID, "app_name", "load-1"), "",
		},
		"an app's id by tag": {
			[]Filter{dropIf(Match{AppID: []string{"7"}})},
			filterEnvelope("counter c", "x", "app_id", "7"), "",
		},
		"an app's id by the source": {
			[]Filter{dropIf(Match{AppID: []string{appGUID}})},
			filterEnvelope("counter c", appGUID), "",
		},
		"an organization and its space": {
			[]Filter{dropIf(Match{Org: []string{"o"}, Space: []string{"s"}})},
			filterEnvelope("counter c", "x", "organization_name", "o", "space_name", "s"), "",
		},
		"names first, then the envelope": {
			[]Filter{
				keepIf(Match{Name: []string{"a"}}), dropIf(Match{Origin: []string{"rep"}}),
				dropIf(Match{Name: []string{"b"}}),
			},
			filterEnvelope("gauge a b c", "x", "origin", "bbs"), "a c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewEvaluator(mustCompile(t, tc.rules...), []string{"gauge", "counter", "timer"})
			var tally metric.Tally
			before, got := tc.envelope.Samples(), []string{}
			if r.Pass(tc.envelope, &tally) {
				if tc.envelope.Kind != metric.KindGauge {
					got = append(got, string(tc.envelope.Name))
				}
				for _, p := range tc.envelope.Points {
					got = append(got, string(p.Name))
				}
				if n := int(tally[metric.Filtered]); before-len(got) != n {
					t.Errorf("%d of %d points are left, %d counted as filtered", len(got), before, n)
				}
			} else if tally != (metric.Tally{}) {
				t.Errorf("samples of a refused envelope are counted: %v", tally)
			}
			if words := strings.Join(got, " "); words != tc.want {
				t.Errorf("%q, want %q", words, tc.want)
			}
		})
	}
}

func TestFilterErrors(t *testing.T) {
	for _, tc := range []struct {
		rules []Filter
		want  string
	}{
		{[]Filter{{}}, "nozzle.filters[0]: must have either keep or drop, for example {drop: {kind: timer}}"},
		{
			[]Filter{{Keep: &Match{}, Drop: &Match{}}},
			"nozzle.filters[0]: must have either keep or drop, for example {drop: {kind: timer}}",
		},
		{
			[]Filter{dropIf(Match{}), keepIf(Match{})},
			"nozzle.filters[1]: is never reached: filter 0 decides everything that comes to it; move it to the end",
		},
		{
			[]Filter{dropIf(Match{Kind: []string{"gauge", "log"}})},
			`nozzle.filters[0].drop.kind[1]: "log" is not one of gauge, counter, timer, histogram, summary`,
		},
		{
			[]Filter{keepIf(Match{Origin: []string{""}})},
			`nozzle.filters[0].keep.origin[0]: is empty, which nothing matches: leave it out, or write "*" for any value`,
		},
		{
			[]Filter{keepIf(Match{Name: []string{"a", `b\`}})},
			`nozzle.filters[0].keep.name[1]: ends in \, which takes the meaning from the next character: write \\ for the ` +
				`character itself`,
		},
		{[]Filter{keepIf(Match{Name: []string{"a", "a"}})}, `nozzle.filters[0].keep.name[1]: "a" stands twice: remove one`},
		{
			[]Filter{keepIf(Match{Space: []string{}})},
			"nozzle.filters[0].keep.space: holds 0 patterns, want 1 to 10000; leave the key out to match anything",
		},
		{
			[]Filter{keepIf(Match{Space: []string{strings.Repeat("x", 1025)}})},
			"nozzle.filters[0].keep.space[0]: is 1025 bytes long, at most 1024 are possible",
		},
		{make([]Filter, 1001), "nozzle.filters: holds 1001 filters, at most 1000 are possible: put values that are " +
			"treated alike into one list"},
	} {
		_, err := New(tc.rules)
		if err == nil || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
		if e := (*Error)(nil); !errors.As(err, &e) {
			t.Errorf("%T", err)
		}
	}
}

// TestSelection: what filters refuse is not asked for, and what they keep always is.
func TestSelection(t *testing.T) {
	all := []string{"gauge", "counter", "timer"}
	for name, tc := range map[string]struct {
		selectors []string
		rules     []Filter
		rlp       string // kind:source or kind/name
		gateway   string
	}{
		"everything":     {all, nil, "gauge counter timer", "gauge&counter&timer"},
		"no counters":    {[]string{"gauge"}, nil, "gauge counter/dropped", "gauge&counter.name=dropped"},
		"a kind refused": {all, []Filter{dropIf(Match{Kind: []string{"timer"}})}, "gauge counter", "gauge&counter"},
		"refused in parts": {
			all,
			[]Filter{dropIf(Match{Kind: []string{"timer"}, Origin: []string{"x"}})},
			"gauge counter timer", "gauge&counter&timer",
		},
		"kept in parts": {
			all,
			[]Filter{keepIf(Match{Kind: []string{"timer"}, Origin: []string{"x"}}), dropIf(Match{Kind: []string{"timer"}})},
			"gauge counter timer", "gauge&counter&timer",
		},
		"everything refused": {all, []Filter{dropIf(Match{})}, "counter/dropped", "counter.name=dropped"},
		"two sources": {
			all,
			[]Filter{keepIf(Match{SourceID: []string{"a", "b"}}), dropIf(Match{})},
			"gauge:a gauge:b counter timer:a timer:b", "gauge&counter&timer",
		},
		"one source for gauges": {
			all,
			[]Filter{
				dropIf(Match{Kind: []string{"counter", "timer"}}), keepIf(Match{SourceID: []string{"a"}}),
				dropIf(Match{}),
			},
			"gauge:a counter/dropped", "gauge&counter.name=dropped",
		},
		"sources by pattern": {
			all,
			[]Filter{keepIf(Match{SourceID: []string{"a", "b*"}}), dropIf(Match{})},
			"gauge counter timer", "gauge&counter&timer",
		},
		"or anything else": {
			all,
			[]Filter{keepIf(Match{SourceID: []string{"a"}}), keepIf(Match{Origin: []string{"x"}}), dropIf(Match{})},
			"gauge counter timer", "gauge&counter&timer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked := NewSelection(tc.selectors, mustCompile(t, tc.rules...))
			var got []string
			for _, s := range asked.Selectors() {
				word := map[bool]string{
					s.GetGauge() != nil: "gauge", s.GetCounter() != nil: "counter",
					s.GetTimer() != nil: "timer",
				}[true]
				if s.GetCounter().GetName() != "" {
					word += "/" + s.GetCounter().GetName()
				}
				if s.GetSourceId() != "" {
					word += ":" + s.GetSourceId()
				}
				got = append(got, word)
			}
			wiretest.RequireEqual(t, "selectors", strings.Join(got, " "), tc.rlp)
			wiretest.RequireEqual(t, "query", strings.Join(asked.Query(), "&"), tc.gateway)
		})
	}
	many := Match{}
	for i := range maxSelectors {
		many.SourceID = append(many.SourceID, fmt.Sprint(i))
	}
	if n := len(NewSelection(all, mustCompile(t, keepIf(many), dropIf(Match{}))).Selectors()); n != 3 {
		t.Errorf("%d selectors", n)
	}
}

// TestSelectionLetsThrough: with any filters, what they keep is asked for, and nothing by two selectors.
func TestSelectionLetsThrough(t *testing.T) {
	draw := func(values ...string) *rapid.Generator[[]string] {
		return rapid.Custom(func(t *rapid.T) []string {
			if rapid.Bool().Draw(t, "any") {
				return nil
			}
			return rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, 2, rapid.ID[string]).Draw(t, "values")
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		kinds := draw("gauge", "counter", "timer").Draw(t, "selectors")
		var rules []Filter
		for range rapid.IntRange(0, 4).Draw(t, "rules") {
			m := Match{
				Kind:     draw("gauge", "counter", "timer").Draw(t, "kind"),
				SourceID: draw("a", "b", "c*").Draw(t, "source"), Name: draw("x", "dropped").Draw(t, "name"),
			}
			rule := dropIf(m)
			if rapid.Bool().Draw(t, "keep") {
				rule = keepIf(m)
			}
			if _, err := New(append(slices.Clip(rules), rule)); err == nil {
				rules = append(rules, rule)
			}
		}
		filter, err := New(rules)
		if err != nil {
			t.Fatal(err)
		}
		asked := NewSelection(kinds, filter).Selectors()
		r := &Evaluator{list: filter, kinds: everyKind}
		for _, kind := range []string{"gauge", "counter", "timer"} {
			for _, source := range []string{"a", "b", "c", "d"} {
				for _, name := range []string{"x", "y", "dropped"} {
					var tally metric.Tally
					wanted := slices.Contains(kinds, kind) && r.Pass(filterEnvelope(kind+" "+name, source), &tally)
					n := 0
					for _, s := range asked {
						if selectorKind(s) == kind && (s.SourceId == "" || s.SourceId == source) &&
							(s.GetCounter().GetName() == "" || s.GetCounter().GetName() == name) {
							n++
						}
					}
					if n > 1 || wanted && n != 1 {
						t.Fatalf("%s %s of %s: kept %v, asked for %d times", kind, name, source, wanted, n)
					}
				}
			}
		}
	})
}

func selectorKind(s *loggregator_v2.Selector) string {
	fields := s.ProtoReflect()
	return string(fields.WhichOneof(fields.Descriptor().Oneofs().ByName("Message")).Name())
}
