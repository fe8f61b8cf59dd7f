package tagger_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

func load(tb testing.TB, quarantine bool, rules ...string) *tagger.Tagger {
	tb.Helper()
	var sources []tagger.Source
	for i, r := range rules {
		sources = append(sources, tagger.Source{File: fmt.Sprintf("r%d.yaml", i+1), Data: []byte(r)})
	}
	t, _, err := tagger.New(tagger.Options{UserRules: sources, Quarantine: quarantine})
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func tagText(labels []metric.Label) string {
	items := make([]string, len(labels))
	for i, l := range labels {
		items[i] = l.Name + "=" + l.Value
	}
	return strings.Join(items, ",")
}

const chainRules = `
rules:
- {id: p2, prefix: "{component}__{index:int}"}
- {id: p2z, prefix: "{component}_{zone:zone}/{index:int}"}
- {id: p0, prefix: "{component:origin}"}
- {id: mark, pattern: "{x...}", when: {unit: mark}, continue: "{x}", tags: {marked: "yes"}, kind: counter, expire: 1m}
- {id: mem, pattern: "memoryStats.{stat}", name: "{stat}", tags: {type: vm_memory}, kind: gauge, expire: 2m}
- {id: drop, pattern: "secret.{_...}", drop: true}
- {id: deep, pattern: "d.{rest...}", continue: "{rest}"}
- {id: optional, pattern: "o!({rest...})?", continue: "{rest}"}
- {id: fixed, pattern: "fixed.{leaf}", name: "{leaf}", tags: {component: memory}}
- {id: keep, pattern: "keep.{rest...}", name: "{rest}", quarantine: false}
`

func TestChain(t *testing.T) {
	tg := load(t, true, chainRules)
	for _, tc := range []struct {
		origin, name, unit      string
		base, tags, rule, extra string
	}{
		{"", "router__0.memoryStats.x", "", "x", "component=router,index=0,type=vm_memory", "mem", "gauge 2m0s"},
		{"router__0", "memoryStats.x", "", "x", "component=router,index=0,type=vm_memory", "mem", "gauge 2m0s"},
		{"router_z1/7", "memoryStats.x", "", "x", "component=router,zone=z1,index=7,type=vm_memory", "mem", "gauge 2m0s"},
		{
			"router_z1/7", "router_z1/7.memoryStats.x", "",
			"x", "component=router,zone=z1,index=7,type=vm_memory", "mem", "gauge 2m0s",
		},
		{"router", "router__0.router__0.x", "", "x", "component=router,index=0", "p2", ""},
		{"router__0", "router.x", "", "x", "index=0,component=router", "p0", ""},
		{"router__0", "cell__3.x", "", "x", "component=cell,index=3", "p2", ""},
		{"router__0", "other.x", "", "other.x", "component=router,index=0", "", ""},
		{"cc", "CC.x", "", "x", "component=CC", "p0", ""},
		{"cc", "cc.cc.x", "", "x", "component=cc", "p0", ""},
		{"cc", "memoryStats.x", "mark", "x", "marked=yes,type=vm_memory", "mem", "counter 1m0s"},
		{"cc", "cc.x", "mark", "x", "component=cc,marked=yes", "mark", "counter 1m0s"},
		{"", "secret.3", "", "secret.3", "", "drop", "dropped"},
		{"cc", "cc.secret.x", "", "secret.x", "component=cc", "drop", "dropped"},
		{"", "d.d.d.d.d.d.d.d.d.d.x", "", "d.d.x", "", "deep", ""},
		{"", "o!", "", "o!", "", "optional", ""},
		{"", "keep.3.x", "", "3.x", "", "keep", ""},
		{"", "", "", "", "", "", ""},
		{"router__0", "fixed.x", "", "x", "component=router,index=0", "fixed", ""},
		{"", "router__0.fixed.x", "", "x", "component=router,index=0", "fixed", ""},
		{"router", "fixed.x", "", "x", "component=memory", "fixed", ""},
		{"cell__4", "a.9.b", "", "a.b", "component=cell,index=4,index_2=9", "quarantine", ""},
		{"", "cell__4.a.9.b", "", "a.b", "component=cell,index=4,index_2=9", "p2", ""},
	} {
		s := tagger.Subject{Origin: tc.origin, Name: tc.name, Unit: tc.unit, Kind: metric.KindGauge}
		var r tagger.Result
		tg.Apply(&s, &r, nil)
		extra := ""
		if r.Expiry > 0 {
			extra = r.Kind.String() + " " + r.Expiry.String()
		}
		if r.Dropped {
			extra = "dropped"
		}
		if r.Base != tc.base || tagText(r.Tags) != tc.tags || r.Rule != tc.rule || extra != tc.extra {
			t.Errorf("%s %s: %q {%s} by %q (%s), want %q {%s} by %q (%s)",
				tc.origin, tc.name, r.Base, tagText(r.Tags), r.Rule, extra, tc.base, tc.tags, tc.rule, tc.extra)
		}
	}
}

// TestKeepDropped asks for what a name would become without the rules that drop it.
func TestKeepDropped(t *testing.T) {
	tg := load(t, false, chainRules+`
- {id: drop-again, pattern: "secret.b", drop: true}
- {id: secret, pattern: "secret.{_:int}.{leaf}", name: "{leaf}"}
`, "mappings: [{match: mapped.*, action: drop, name: x}, {match: mapped.a, name: made}]")
	for name, want := range map[string]string{
		"secret.3.a": "a secret", "secret.b": "secret.b ", "p.secret.3.a": "a secret", "mapped.a": "made r2/mapped.a",
	} {
		var got tagger.Result
		tg.Apply(&tagger.Subject{Name: name, Origin: "p", KeepDropped: true}, &got, nil)
		if text := got.Base + " " + got.Rule; got.Dropped || text != want {
			t.Errorf("%s: %q, want %q", name, text, want)
		}
	}
}

func TestQuarantine(t *testing.T) {
	tg := load(t, true)
	const guid = "e35995c2-b7d9-4e0f-800a-bfc312446dd4"
	for _, tc := range []struct{ name, base, tags string }{
		{"requests." + guid + ".count", "requests.count", "guid=" + guid},
		{"requests:" + guid, "requests", "guid=" + guid},
		{"app_" + guid + "_cpu", "app_cpu", "guid=" + guid},
		{"app_" + strings.ReplaceAll(guid, "-", "_") + "_cpu", "app_cpu", "guid=" + strings.ReplaceAll(guid, "-", "_")},
		{guid + ".cpu", "cpu", "guid=" + guid},
		{"x" + guid, "x" + guid, ""},
		{guid, guid, ""},
		{"a.10.0.16.5.b", "a.b", "ip=10.0.16.5"},
		{"a.10-0-16-5.b", "a.b", "ip=10-0-16-5"},
		{"a.worker_10_0_16_12.b", "a.worker.b", "ip=10_0_16_12"},
		{"a.0.b.1", "a.b", "index=0,index_2=1"},
		{"0.a", "a", "index=0"},
		{"a/z1/0.b", "a.b", "zone=z1,index=0"},
		{"a.az2.b", "a.b", "zone=az2"},
		{"system.load.1m", "system.load.1m", ""},
		{"lb.v1.x2", "lb.v1.x2", ""},
		{"apps_v3_latency", "apps_v3_latency", ""},
		{"nfsv3driver.p99", "nfsv3driver.p99", ""},
		{"dea-13.x", "dea-13.x", ""},
		{"v1.2.3.x", "v1.2.3.x", ""},
		{"latency.p99.9", "latency.p99.9", ""},
		{"gc/Quantile/0.95", "gc/Quantile/0.95", ""},
		{"pool.0.p", "pool.p", "index=0"},
		{"p1x.2", "p1x", "index=2"},
		{"99", "99", ""},
		{"a..0", "a.", "index=0"},
		{
			"a.0.x.1.x.2.x.3.x.4.x.5.x.6.x.7.x.8", "a.x.x.x.x.x.x.x.x.8",
			"index=0,index_2=1,index_3=2,index_4=3,index_5=4,index_6=5,index_7=6,index_8=7",
		},
	} {
		var r tagger.Result
		tg.Apply(&tagger.Subject{Name: tc.name}, &r, nil)
		rule := ""
		if tc.tags != "" {
			rule = "quarantine"
		}
		if r.Base != tc.base || tagText(r.Tags) != tc.tags || r.Rule != rule {
			t.Errorf("%s: %q {%s} by %q, want %q {%s} by %q", tc.name, r.Base, tagText(r.Tags), r.Rule, tc.base, tc.tags, rule)
		}
		load(t, false).Apply(&tagger.Subject{Name: tc.name}, &r, nil)
		if r.Base != tc.name || len(r.Tags) > 0 || r.Rule != "" {
			t.Errorf("%s without quarantine: %q {%s} by %q", tc.name, r.Base, tagText(r.Tags), r.Rule)
		}
	}
}

// TestUserRulesComeFirst checks the order of files and layers, and that metadata is merged field by field.
func TestUserRulesComeFirst(t *testing.T) {
	tg := load(t, false,
		"rules:\n- {id: one, pattern: x, tags: {from: one}}\nmetrics:\n- {name: x, unit: ms}\n",
		"rules:\n- {id: two, pattern: '{_}', tags: {from: two}}\n"+
			"metrics:\n- {name: '{_}', unit: bytes, help: text, kind: counter}\n")
	var x, y tagger.Result
	tg.Apply(&tagger.Subject{Name: "x", Unit: "kb"}, &x, nil)
	tg.Apply(&tagger.Subject{Name: "y", Unit: "kb"}, &y, nil)
	want := tagger.Result{
		Base: "x", Tags: []metric.Label{{Name: "from", Value: "one"}}, Rule: "one", Described: true,
		Kind: metric.KindCounter, Unit: "milliseconds", Help: "text",
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
	want = tagger.Result{
		Base: "y", Tags: []metric.Label{{Name: "from", Value: "two"}}, Rule: "two", Described: true,
		Kind: metric.KindCounter, Unit: "bytes", Help: "text",
	}
	if diff := cmp.Diff(want, y); diff != "" {
		t.Error(diff)
	}
}

// TestApplyAllocatesNothing asserts the promise of Apply for names without templates of several parts.
func TestApplyAllocatesNothing(t *testing.T) {
	tg := load(t, true, chainRules)
	var r tagger.Result
	subjects := []tagger.Subject{
		{Origin: "router__0", Name: "memoryStats.numFrees", Unit: "count"},
		{Origin: "x", Name: "router_z1/0.requests.total"},
		{Origin: "cc", Name: "cc.log_count.info", Unit: "gauge"},
		{Name: "nothing.matches.this"},
		{Name: "secret.x"},
	}
	for i := range subjects {
		tg.Apply(&subjects[i], &r, nil)
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range subjects {
			tg.Apply(&subjects[i], &r, nil)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestConcurrentUse lets the race detector look at a Tagger that serves several goroutines.
func TestConcurrentUse(t *testing.T) {
	tg := load(t, true, chainRules, "rules:\n- {id: re, regex: 'abc(?P<x>.*)', name: abc}\n")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var r tagger.Result
			for i := range 200 {
				tg.Apply(&tagger.Subject{Origin: "cc", Name: fmt.Sprintf("abc%d", i)}, &r, &tagger.Trace{})
				if r.Tag("x") != fmt.Sprint(i) {
					t.Errorf("abc%d: %v", i, r.Tags)
				}
			}
		})
	}
	wg.Wait()
}

func TestTrace(t *testing.T) {
	tg := load(t, true, `rules:
- {id: other, pattern: "memoryStats.{stat:int}", name: x}
- {id: conditional, pattern: "memoryStats.{stat}", when: {kind: counter}, name: x}
- {id: elsewhere, pattern: "requests.{x}", name: x}
- {id: regex, regex: "memoryStats[0-9]", name: x}
- {id: p2, prefix: "{component}__{index:int}"}
- {id: mem, pattern: "memoryStats.{stat}", name: "{stat}", tags: {type: vm_memory, component: c}, unit: ms}
metrics:
- {name: "x{_}", help: text}
`)
	var r tagger.Result
	var tr tagger.Trace
	tg.Apply(&tagger.Subject{Origin: "o__2", Name: "router__0.memoryStats.x9"}, &r, &tr)
	want := tagger.Trace{Steps: []tagger.Step{
		{
			Stage: tagger.StageOrigin, Text: "o__2", Rule: "p2", Pattern: "{component}__{index:int}", Place: "r1.yaml:6:3",
			Captures: []metric.Label{{Name: "component", Value: "o"}, {Name: "index", Value: "2"}},
			Tags:     []metric.Label{{Name: "component", Value: "o"}, {Name: "index", Value: "2"}},
		},
		{
			Stage: tagger.StageRule, Text: "router__0.memoryStats.x9", Rule: "p2", Pattern: "{component}__{index:int}",
			Place:    "r1.yaml:6:3",
			Captures: []metric.Label{{Name: "component", Value: "router"}, {Name: "index", Value: "0"}},
			Tags:     []metric.Label{{Name: "component", Value: "router"}, {Name: "index", Value: "0"}},
			Rest:     "memoryStats.x9",
			Tried: []tagger.Attempt{
				{
					Rule: "regex", Pattern: "memoryStats[0-9]", Place: "r1.yaml:5:3",
					Reason: `the regular expression does not match`,
				},
			},
		},
		{
			Stage: tagger.StageRule, Text: "memoryStats.x9", Rule: "mem", Pattern: "memoryStats.{stat}", Place: "r1.yaml:7:3",
			Captures: []metric.Label{{Name: "stat", Value: "x9"}},
			Tags:     []metric.Label{{Name: "type", Value: "vm_memory"}},
			Kept:     []metric.Label{{Name: "component", Value: "c"}},
			Base:     "x9",
			Metadata: []string{"unit milliseconds"},
			Tried: []tagger.Attempt{
				{
					Rule: "other", Pattern: "memoryStats.{stat:int}", Place: "r1.yaml:2:3",
					Reason: `matches as far as "memoryStats.", then "x9" is not {stat:int}`,
				},
				{
					Rule: "conditional", Pattern: "memoryStats.{stat}", Place: "r1.yaml:3:3",
					Reason: `the pattern matches, but when.kind does not hold`,
				},
				{
					Rule: "regex", Pattern: "memoryStats[0-9]", Place: "r1.yaml:5:3",
					Reason: `the regular expression does not match`,
				},
			},
		},
		{
			Stage: tagger.StageMetadata, Text: "x9", Rule: "r1/metrics/x{_}", Pattern: "x{_}", Place: "r1.yaml:9:3",
			Metadata: []string{`help "text"`},
		},
	}}
	if diff := cmp.Diff(want, tr); diff != "" {
		t.Error(diff)
	}
}

// TestTraceOfNothing shows a name that no rule matches, and what is near.
func TestTraceOfNothing(t *testing.T) {
	tg := load(t, true, `rules:
- {id: requests, pattern: "requests.{x}.total", name: requests}
- {id: latency, pattern: "latency.{x}", name: latency}
`)
	var r tagger.Result
	var tr tagger.Trace
	tg.Apply(&tagger.Subject{Name: "requests.uaa.totals", Origin: "cf__1"}, &r, &tr)
	want := tagger.Trace{Steps: []tagger.Step{
		{Stage: tagger.StageOrigin, Text: "cf__1", Tags: []metric.Label{{Name: "component", Value: "cf__1"}}},
		{Stage: tagger.StageRule, Text: "requests.uaa.totals", Tried: []tagger.Attempt{
			{
				Rule: "requests", Pattern: "requests.{x}.total", Place: "r1.yaml:2:3",
				Reason: `matches only as far as "requests.uaa.total", and "s" is left`,
			},
		}},
	}}
	if diff := cmp.Diff(want, tr); diff != "" {
		t.Error(diff)
	}
	wantNear := []tagger.Suggestion{{Rule: "requests", Pattern: "requests.{x}.total", Place: "r1.yaml:2:3"}}
	if diff := cmp.Diff(wantNear, tg.Nearest("requests.uaa.totals", 3)); diff != "" {
		t.Error(diff)
	}
	if near := tg.Nearest("zzz", 3); len(near) > 0 {
		t.Errorf("%v is near to nothing", near)
	}
}

// TestMetricText: a rule's word comes before an entry's, the first entry's before the next, and templates are
// filled in.
func TestMetricText(t *testing.T) {
	tg := load(t, false, `
rules:
- {pattern: "a.{x}", name: a, metric: "a.of.{x}.{$origin}"}
- {pattern: "b", unit: ms}
metrics:
- {name: [a, b], metric: first}
- {name: "{_}", metric: second}
`)
	for name, want := range map[string]string{"a.1": "a.of.1.o", "b": "first", "c": "second", "d.e": ""} {
		var r tagger.Result
		var tr tagger.Trace
		tg.Apply(&tagger.Subject{Origin: "o", Name: name}, &r, &tr)
		if r.MetricBase != want {
			t.Errorf("%s: metric %q, want %q", name, r.MetricBase, want)
		}
		if name == "a.1" && !slices.Contains(tr.Steps[1].Metadata, "metric a.of.{x}.{$origin}") {
			t.Errorf("the trace says %q", tr.Steps[1].Metadata)
		}
		r.Reset()
		if r.MetricBase != "" {
			t.Errorf("%s: Reset leaves %q", name, r.MetricBase)
		}
	}
}

// TestTagsRead: a timer's identity covers the tags that rules for timers read, so none may be missing.
func TestTagsRead(t *testing.T) {
	tg := load(t, false, `
origins:
- {pattern: "o.{x}", tags: {cell: "{$tag.cell}"}}
rules:
- {pattern: "a", when: {tags: {table: users, schema: "!"}}}
- {pattern: "b.{x}", name: "b.{$tag.verb}", tags: {c: "{x}/{$tag.code}", d: "{$source_id}"}, metric: "b.{$tag.unit}"}
- {pattern: "c", when: {kind: gauge, tags: {gauges: "1"}}}
- {pattern: "d", when: {kind: "!gauge", tags: {others: "1"}}}
- {pattern: "e", labels: {rename: {queue: queue_name}, drop: [vhost]}}
metrics:
- {name: x, when: {tags: {entry: y}}, unit: ms}
`, `mappings:
- {match: a.*, name: a, honor_labels: true, labels: {honored: "$1"}}
- {match: b.*, name: a, labels: {plain: "$1"}}
`)
	for kind, want := range map[metric.Kind]string{
		metric.KindTimer:   "cell code entry honored others queue schema table unit verb",
		metric.KindCounter: "cell code entry honored others queue schema table unit verb",
		metric.KindGauge:   "cell code entry gauges honored queue schema table unit verb",
	} {
		if got := strings.Join(tg.TagsRead(kind), " "); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
	if got := load(t, true).TagsRead(metric.KindTimer); len(got) > 0 {
		t.Errorf("no rule reads %q", got)
	}
}
