package nozzle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"pgregory.net/rapid"

	"loggregator_exporter/metric"
)

func dropIf(m FilterMatch) FilterOptions { return FilterOptions{Drop: &m} }
func keepIf(m FilterMatch) FilterOptions { return FilterOptions{Keep: &m} }

func mustFilter(tb testing.TB, rules ...FilterOptions) *Filter {
	tb.Helper()
	f, err := NewFilter(rules)
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
	container := []FilterOptions{keepIf(FilterMatch{Kind: []string{"gauge"}, Name: []string{"cpu", "mem*"}}), dropIf(FilterMatch{AppID: []string{"*"}})}
	for name, tc := range map[string]struct {
		rules    []FilterOptions
		envelope *metric.Envelope
		want     string // the names that pass
	}{
		"no rule matches":               {[]FilterOptions{dropIf(FilterMatch{Kind: []string{"timer"}})}, filterEnvelope("counter c", "x"), "c"},
		"a kind":                        {[]FilterOptions{dropIf(FilterMatch{Kind: []string{"timer", "counter"}})}, filterEnvelope("counter c", "x"), ""},
		"an origin":                     {[]FilterOptions{dropIf(FilterMatch{Origin: []string{"rep"}})}, filterEnvelope("gauge a", "x", "origin", "rep"), ""},
		"another origin":                {[]FilterOptions{dropIf(FilterMatch{Origin: []string{"rep"}})}, filterEnvelope("gauge a", "x", "origin", "reps"), "a"},
		"an origin by a pattern":        {[]FilterOptions{dropIf(FilterMatch{Origin: []string{"router__?"}})}, filterEnvelope("gauge a", "x", "origin", "router__0"), ""},
		"of a tag sent twice the last":  {[]FilterOptions{dropIf(FilterMatch{Origin: []string{"rep"}})}, filterEnvelope("gauge a", "x", "origin", "rep", "origin", "bbs"), "a"},
		"all fields have to match":      {[]FilterOptions{dropIf(FilterMatch{Origin: []string{"rep"}, Deployment: []string{"cf"}})}, filterEnvelope("gauge a", "x", "origin", "rep"), "a"},
		"a pattern needs a value":       {[]FilterOptions{dropIf(FilterMatch{Deployment: []string{"*"}})}, filterEnvelope("gauge a", "x"), "a"},
		"the first match decides":       {[]FilterOptions{keepIf(FilterMatch{SourceID: []string{"x"}}), dropIf(FilterMatch{})}, filterEnvelope("gauge a", "x"), "a"},
		"the last one is for the rest":  {[]FilterOptions{keepIf(FilterMatch{SourceID: []string{"x"}}), dropIf(FilterMatch{})}, filterEnvelope("gauge a", "y"), ""},
		"points by name":                {container, filterEnvelope("gauge cpu disk memory mem_quota cpu", appGUID), "cpu memory mem_quota cpu"},
		"no point is left":              {container, filterEnvelope("gauge disk", appGUID), ""},
		"points of what is no app":      {container, filterEnvelope("gauge disk cpu", "rep"), "disk cpu"},
		"a counter by name":             {[]FilterOptions{dropIf(FilterMatch{Name: []string{"c*"}})}, filterEnvelope("counter c.d", "x"), ""},
		"a timer by name":               {[]FilterOptions{keepIf(FilterMatch{Name: []string{"http"}}), dropIf(FilterMatch{Kind: []string{"timer"}})}, filterEnvelope("timer work", "x"), ""},
		"the gorouter's timers":         {[]FilterOptions{keepIf(FilterMatch{Name: []string{"http"}}), dropIf(FilterMatch{Kind: []string{"timer"}})}, filterEnvelope("timer http", "x"), "http"},
		"an app's name":                 {[]FilterOptions{dropIf(FilterMatch{AppName: []string{"load-*"}})}, filterEnvelope("timer http", appGUID, "app_name", "load-1"), ""},
		"an app's id by tag":            {[]FilterOptions{dropIf(FilterMatch{AppID: []string{"7"}})}, filterEnvelope("counter c", "x", "app_id", "7"), ""},
		"an app's id by the source":     {[]FilterOptions{dropIf(FilterMatch{AppID: []string{appGUID}})}, filterEnvelope("counter c", appGUID), ""},
		"an organization and its space": {[]FilterOptions{dropIf(FilterMatch{Org: []string{"o"}, Space: []string{"s"}})}, filterEnvelope("counter c", "x", "organization_name", "o", "space_name", "s"), ""},
		"names first, then the envelope": {
			[]FilterOptions{keepIf(FilterMatch{Name: []string{"a"}}), dropIf(FilterMatch{Origin: []string{"rep"}}), dropIf(FilterMatch{Name: []string{"b"}})},
			filterEnvelope("gauge a b c", "x", "origin", "bbs"), "a c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &filterRun{filter: mustFilter(t, tc.rules...), selected: everyKind}
			var tally metric.Tally
			before, got := tc.envelope.Samples(), []string{}
			if r.pass(tc.envelope, &tally) {
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
		rules []FilterOptions
		want  string
	}{
		{[]FilterOptions{{}}, "nozzle.filters[0]: must have either keep or drop, for example {drop: {kind: timer}}"},
		{[]FilterOptions{{Keep: &FilterMatch{}, Drop: &FilterMatch{}}}, "nozzle.filters[0]: must have either keep or drop, for example {drop: {kind: timer}}"},
		{[]FilterOptions{dropIf(FilterMatch{}), keepIf(FilterMatch{})}, "nozzle.filters[1]: is never reached: filter 0 decides everything that comes to it; move it to the end"},
		{[]FilterOptions{dropIf(FilterMatch{Kind: []string{"gauge", "log"}})}, `nozzle.filters[0].drop.kind[1]: "log" is not one of gauge, counter, timer`},
		{[]FilterOptions{keepIf(FilterMatch{Origin: []string{""}})}, `nozzle.filters[0].keep.origin[0]: is empty, which nothing matches: leave it out, or write "*" for any value`},
		{[]FilterOptions{keepIf(FilterMatch{Name: []string{"a", `b\`}})}, `nozzle.filters[0].keep.name[1]: ends in \, which takes the meaning from the next character: write \\ for the character itself`},
		{[]FilterOptions{keepIf(FilterMatch{Name: []string{"a", "a"}})}, `nozzle.filters[0].keep.name[1]: "a" stands twice: remove one`},
		{[]FilterOptions{keepIf(FilterMatch{Space: []string{}})}, "nozzle.filters[0].keep.space: holds 0 patterns, want 1 to 10000; leave the key out to match anything"},
		{[]FilterOptions{keepIf(FilterMatch{Space: []string{strings.Repeat("x", 1025)}})}, "nozzle.filters[0].keep.space[0]: is 1025 bytes long, at most 1024 are possible"},
		{make([]FilterOptions, 1001), "nozzle.filters: holds 1001 filters, at most 1000 are possible: put values that are treated alike into one list"},
	} {
		_, err := NewFilter(tc.rules)
		if err == nil || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
		if e := (*FilterError)(nil); !errors.As(err, &e) {
			t.Errorf("%T", err)
		}
	}
}

// TestGlob compares patterns with a slow matcher that tries everything.
func TestGlob(t *testing.T) {
	var slow func(p, s []rune) bool
	slow = func(p, s []rune) bool {
		switch {
		case len(p) == 0:
			return len(s) == 0
		case p[0] == '*':
			return slow(p[1:], s) || len(s) > 0 && slow(p, s[1:])
		case len(s) == 0:
			return false
		case p[0] == '\\':
			return p[1] == s[0] && slow(p[2:], s[1:])
		default:
			return (p[0] == '?' || p[0] == s[0]) && slow(p[1:], s[1:])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "é", "*", "?", `\*`, `\\`, `\a`}), 0, 8).Draw(t, "pattern"), "")
		text := rapid.StringOfN(rapid.SampledFrom([]rune(`abé*?\`)), 0, 8, -1).Draw(t, "text")
		g := newGlob(pattern)
		if got, want := g.match([]byte(text)), slow([]rune(pattern), []rune(text)); got != want {
			t.Fatalf("%q, %q: %v", pattern, text, got)
		}
	})
}

func FuzzGlob(f *testing.F) {
	for _, seed := range []string{"*", "a*b*c", `\?`, "*a*a*a*a*b"} {
		f.Add(seed, []byte("aaaaaaaaaaaaaaaaaaaa"))
	}
	f.Fuzz(func(t *testing.T, pattern string, text []byte) {
		if p, err := compilePatterns([]string{pattern}, "x"); err == nil {
			p.match(text)
		}
	})
}

// TestFilterInIntake: what is refused is counted, and losses that Loggregator reports are seen all the same.
func TestFilterInIntake(t *testing.T) {
	l, reg := newTestLedger(t)
	l.FilterBy(mustFilter(t, dropIf(FilterMatch{Name: []string{"b"}})), []string{"gauge"})
	sink := &nullSink{}
	lost := &loggregator_v2.Envelope{Tags: map[string]string{"origin": "loggregator.rlp", "direction": "egress"}, Message: &loggregator_v2.Envelope_Counter{
		Counter: &loggregator_v2.Counter{Name: "dropped", Delta: 7},
	}}
	batch := batchOf(t, lost, &loggregator_v2.Envelope{Message: gaugeV2("a", "b")}, &loggregator_v2.Envelope{Message: gaugeV2("b")})
	for _, source := range []string{"rlp", "udp"} {
		NewIntake(l.Source(source), sink).V2(batch, time.Unix(1, 0))
	}
	requireMetrics(t, reg, `
# HELP loggregator_exporter_envelopes_total Envelopes by what became of them.
# TYPE loggregator_exporter_envelopes_total counter
loggregator_exporter_envelopes_total{outcome="converted",source="rlp"} 1
loggregator_exporter_envelopes_total{outcome="converted",source="udp"} 2
loggregator_exporter_envelopes_total{outcome="filtered",source="rlp"} 2
loggregator_exporter_envelopes_total{outcome="filtered",source="udp"} 1
loggregator_exporter_envelopes_total{outcome="ignored",source="rlp"} 0
loggregator_exporter_envelopes_total{outcome="ignored",source="udp"} 0
loggregator_exporter_envelopes_total{outcome="malformed",source="rlp"} 0
loggregator_exporter_envelopes_total{outcome="malformed",source="udp"} 0
# HELP loggregator_exporter_samples_total Samples of converted envelopes by what became of them.
# TYPE loggregator_exporter_samples_total counter
loggregator_exporter_samples_total{outcome="conflict"} 0
loggregator_exporter_samples_total{outcome="dropped_by_rule"} 0
loggregator_exporter_samples_total{outcome="duplicate"} 0
loggregator_exporter_samples_total{outcome="filtered"} 2
loggregator_exporter_samples_total{outcome="invalid"} 0
loggregator_exporter_samples_total{outcome="outdated"} 0
loggregator_exporter_samples_total{outcome="over_limit"} 0
loggregator_exporter_samples_total{outcome="stored"} 3
`, metricPrefix+"envelopes_total", metricPrefix+"samples_total")
	if n := l.upstream.snapshot()[upstreamKey{"loggregator.rlp", "egress"}]; n != 14 {
		t.Errorf("%d lost", n)
	}
}

// TestFilterCosts: nothing where nothing is configured, no garbage where something is.
func TestFilterCosts(t *testing.T) {
	l, _ := newTestLedger(t)
	if in := NewIntake(l.Source("rlp"), &nullSink{}); in.filter != nil {
		t.Error("a filter without any rule is at work")
	}
	l.FilterBy(benchFilter(t), []string{"gauge", "counter", "timer"})
	in := NewIntake(l.Source("rlp"), &nullSink{})
	batch := benchBatch(t)
	if n := testing.AllocsPerRun(1000, func() { in.V2(batch, time.Unix(1, 0)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func benchFilter(tb testing.TB) *Filter {
	tb.Helper()
	return mustFilter(tb,
		dropIf(FilterMatch{Kind: []string{"timer"}, AppName: []string{"load-*"}}),
		dropIf(FilterMatch{Origin: []string{"rep*", "bbs"}}),
		dropIf(FilterMatch{Name: []string{"*debug*", "secret"}}),
		keepIf(FilterMatch{Deployment: []string{"cf"}}),
	)
}

func BenchmarkFilter(b *testing.B) {
	for _, name := range []string{"none", "four rules"} {
		b.Run(name, func(b *testing.B) {
			l, _ := newTestLedger(b)
			if name != "none" {
				l.FilterBy(benchFilter(b), []string{"gauge", "counter", "timer"})
			}
			in := NewIntake(l.Source("rlp"), &nullSink{})
			batch := benchBatch(b)
			b.ReportAllocs()
			for b.Loop() {
				in.V2(batch, time.Unix(1, 0))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/envelope")
		})
	}
}

// TestSelection: what filters refuse is not asked for, and what they keep always is.
func TestSelection(t *testing.T) {
	all := []string{"gauge", "counter", "timer"}
	for name, tc := range map[string]struct {
		selectors []string
		rules     []FilterOptions
		rlp       string // kind:source or kind/name
		gateway   string
	}{
		"everything":         {all, nil, "gauge counter timer", "gauge&counter&timer"},
		"no counters":        {[]string{"gauge"}, nil, "gauge counter/dropped", "gauge&counter.name=dropped"},
		"a kind refused":     {all, []FilterOptions{dropIf(FilterMatch{Kind: []string{"timer"}})}, "gauge counter", "gauge&counter"},
		"refused in parts":   {all, []FilterOptions{dropIf(FilterMatch{Kind: []string{"timer"}, Origin: []string{"x"}})}, "gauge counter timer", "gauge&counter&timer"},
		"kept in parts":      {all, []FilterOptions{keepIf(FilterMatch{Kind: []string{"timer"}, Origin: []string{"x"}}), dropIf(FilterMatch{Kind: []string{"timer"}})}, "gauge counter timer", "gauge&counter&timer"},
		"everything refused": {all, []FilterOptions{dropIf(FilterMatch{})}, "counter/dropped", "counter.name=dropped"},
		"two sources": {
			all,
			[]FilterOptions{keepIf(FilterMatch{SourceID: []string{"a", "b"}}), dropIf(FilterMatch{})},
			"gauge:a gauge:b counter timer:a timer:b", "gauge&counter&timer",
		},
		"one source for gauges": {
			all,
			[]FilterOptions{dropIf(FilterMatch{Kind: []string{"counter", "timer"}}), keepIf(FilterMatch{SourceID: []string{"a"}}), dropIf(FilterMatch{})},
			"gauge:a counter/dropped", "gauge&counter.name=dropped",
		},
		"sources by pattern": {all, []FilterOptions{keepIf(FilterMatch{SourceID: []string{"a", "b*"}}), dropIf(FilterMatch{})}, "gauge counter timer", "gauge&counter&timer"},
		"or anything else":   {all, []FilterOptions{keepIf(FilterMatch{SourceID: []string{"a"}}), keepIf(FilterMatch{Origin: []string{"x"}}), dropIf(FilterMatch{})}, "gauge counter timer", "gauge&counter&timer"},
	} {
		t.Run(name, func(t *testing.T) {
			o := StreamOptions{Selectors: tc.selectors, Filters: tc.rules}
			var got []string
			for _, s := range o.request().GetSelectors() {
				word := map[bool]string{s.GetGauge() != nil: "gauge", s.GetCounter() != nil: "counter", s.GetTimer() != nil: "timer"}[true]
				if s.GetCounter().GetName() != "" {
					word += "/" + s.GetCounter().GetName()
				}
				if s.GetSourceId() != "" {
					word += ":" + s.GetSourceId()
				}
				got = append(got, word)
			}
			requireEqual(t, "selectors", strings.Join(got, " "), tc.rlp)
			requireEqual(t, "query", o.query(), tc.gateway)
		})
	}
	many := FilterMatch{}
	for i := range maxSelectors {
		many.SourceID = append(many.SourceID, fmt.Sprint(i))
	}
	if n := len(StreamOptions{Selectors: all, Filters: []FilterOptions{keepIf(many), dropIf(FilterMatch{})}}.request().GetSelectors()); n != 3 {
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
		o := StreamOptions{Selectors: draw("gauge", "counter", "timer").Draw(t, "selectors")}
		for range rapid.IntRange(0, 4).Draw(t, "rules") {
			m := FilterMatch{Kind: draw("gauge", "counter", "timer").Draw(t, "kind"), SourceID: draw("a", "b", "c*").Draw(t, "source"), Name: draw("x", "dropped").Draw(t, "name")}
			rule := dropIf(m)
			if rapid.Bool().Draw(t, "keep") {
				rule = keepIf(m)
			}
			if _, err := NewFilter(append(slices.Clip(o.Filters), rule)); err == nil {
				o.Filters = append(o.Filters, rule)
			}
		}
		filter, err := NewFilter(o.Filters)
		if err != nil {
			t.Fatal(err)
		}
		r := &filterRun{filter: filter, selected: everyKind}
		for _, kind := range []string{"gauge", "counter", "timer"} {
			for _, source := range []string{"a", "b", "c", "d"} {
				for _, name := range []string{"x", "y", "dropped"} {
					var tally metric.Tally
					wanted := slices.Contains(o.Selectors, kind) && r.pass(filterEnvelope(kind+" "+name, source), &tally)
					n := 0
					for _, s := range o.request().GetSelectors() {
						if selectorKind(s) == kind && (s.SourceId == "" || s.SourceId == source) && (s.GetCounter().GetName() == "" || s.GetCounter().GetName() == name) {
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
