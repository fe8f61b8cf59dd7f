package console

import (
	"html"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/diff"
	"loggregator_exporter/metric"
	"loggregator_exporter/web/api"
	"loggregator_exporter/web/overview"
)

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`\s+`)
)

// read returns what a reader sees of a page below its bar.
func read(t *testing.T, f *fake, path string) string {
	t.Helper()
	_, body, _ := strings.Cut(get(t, f, path), `<main`)
	body, _, _ = strings.Cut(body, `<footer`)
	return words(body)
}

// words are those that HTML shows. Lines may end at wbr, which is no blank but behind a comma.
func words(body string) string {
	body = strings.ReplaceAll(strings.ReplaceAll("<"+body, ",<wbr>", ", "), "<wbr>", "")
	return strings.TrimSpace(blanks.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(body, " ")), " "))
}

func TestContents(t *testing.T) {
	for _, tc := range []struct {
		path string
		want []string
	}{
		{"/", []string{
			"■ critical: The source syslog is not connected. for 7 min No agent has a certificate that tls.ca_file accepts: issue " +
				"them again, or name the right CA. Runbook Show what is behind this 1 more thing needs attention warning",
			"2 of 3 sources connected · last envelope just now · 48,211 series of 812 metrics · last scrape 4 s ago",
			"1 thing can be made better notice 41 names are taken by no rule.",
			"Received 4,850/s envelopes Converted 4,120/s envelopes Samples in them 9,250/s Stored 9,110/s samples",
			"loggregator.doppler ingress 210/s never came", "malformed 2.0/s, < 0.1 %", "over limit 0.6/min, < 0.1 %",
			"rlp connected 2 4,210/s 812,345,678 just now none",
			"syslog not connected 0 0/s 123,456 7 min ago client certificate, 7 min ago",
			"loggregator.doppler ingress all 210/s 900", "cf / doppler a1 10.0.16.2 600 10 s ago", "not said 100 1 min ago", "others : the counter of each VM 200",
			`syslog no header of a syslog message (RFC 5424) 10.0.16.8 "GET / <b>HTTP</b>/1.1" 700 7 min ago syslog other errors 1 7 min ago`,
			`syslog log message logs hold no metric origin "cell", ip "10.0.16.4" 100,000,000 7 min ago`,
			"Prometheus/3.15.0 10.0.16.7 4 s ago openmetrics 1.0.0, gzip 14.0 MiB 182 ms 15 s",
			"vm_promscrape 10.0.16.9 14 s ago aborted text 0.0.4 19.0 MiB its limit: 16.0 MiB 2.4 s 30 s",
			"Undescribed names 12 , of 41 untagged", "Memory 210 MiB, heap 150 MiB", "Behind by 12 s Pushes 3,200/s samples Waiting 2,000 samples, 3.0 MiB of at most 64.0 MiB",
		}},
		{"/?ledger=total", []string{"Stored 1,400,000,000 samples", "conflict 20,000", "loggregator.doppler ingress 900 never came"}},
		{"/names", []string{
			"names now: all 812 tagged 760 untagged 41 undescribed 12 conflict 3 over limit or invalid 8 dropped 0 filtered 0",
			"names with samples not stored since the start: outdated 1 filtered 7", "812 of 5,000 names", "Raw name ↑", "First Previous Next 51 to 53 of 812",
			"tagged router__0.memoryStats.numBytesAllocated router__0 gauge count cf_num_bytes_allocated " +
				"go-runtime/memory-stats 3 2 s ago",
			"undescribed shop.queues.orders.depth shop, shop2 of 3 gauge cf_shop_queues_orders_depth none 12 12 s ago",
			"conflict rep.memoryStats.numFrees its series belongs to memoryStats.numFrees rep counter cf_num_frees_total " +
				"go-runtime/memory-stats 0 2 without a series 2 s ago",
		}},
		{"/names?owner=0e98fd00-47b2-4589-94f0-385f78b3a04d", []string{
			"Only names of the app checkout in shop / prod, 0e98fd00-47b2-4589-94f0-385f78b3a04d . Show all",
		}},
		{"/names?metric=cf_x&sort=series&order=desc", []string{"Only names of the metric cf_x . Show all", "Series ↓"}},
		{"/names?reason=outdated&sort=samples&order=desc", []string{
			"12,346 samples since the start. Of them 1 is at none of the names below: without a name, or of names that came after the " +
				"first 1000, which alone are counted one by one. Names with more samples than these may be missing.",
			"Those of the names below were older than the value that the series had: the last by 3s. Synchronize clocks.",
			"Raw name Samples ↓ Origin", "conflict rep.memoryStats.numFrees 12,345 last 30 s ago rep counter",
		}},
		{"/explain", []string{"Name as a component sends it"}},
		{"/explain?name=router__0.memoryStats.numBytesAllocated&origin=router__0", []string{
			`cf_num_bytes_allocated{ bosh_deployment="cf" , component="router" , index="0" , origin="router__0" , type="vm_memory" }`,
			"partly The name is exposed for one sender, but refused for 1 more: the series belongs to another name. Write a rule. Show " +
				"Did you mean memoryStats.numFrees cf_num_frees metric",
			"Not stored since the start of any sender duplicate 3 samples were there already. The last came 1 s ago. The first was sent " +
				"by origin router__0 source id router instance 0. Nothing is lost. Show",
			"as sent by router__0, source id router, instance 0", "all 2 live 1 refused 1",
			"Kind gauge Unit bytes Metric cf_num_bytes_allocated Help Bytes allocated and still in use. Series 1 of this name; all names that " +
				"lead to it , its labels by number of series Metric cf_other_size_bytes Values values are divided by 8, to bytes Help Sizes of " +
				"others. Series 1,200 of this name;",
			"go-runtime.yaml, line 12", `- id: go-runtime/memory-stats pattern: "{component}__{index:int}.memoryStats.{stat}"`,
			"bosh_deployment cf the envelope's tag deployment",
			`live cf_num_bytes_allocated{component="router", index="0", type="vm_memory"}`, "48,211,968 1 s ago",
			"the series belongs to another name The series belongs to memoryStats.numBytesAllocated of source id router",
		}},
		{"/rules", []string{
			"Files 2 with 42 rules, of which 11 take no live name",
			"rules.yaml 2 1 12 open rules.yaml in the workbench", "go-runtime.yaml built in 40 10 400",
			"41 names without a rule , of which no entry describes 12 ( proposals ), 7 in quarantine",
			"rules/queues shop.queues.{queue}.{leaf} text - id: x Edit a copy in the workbench rules.yaml:3 rules 12 24 shop.queues.orders.depth",
			"rules/old drops old.{x} rules.yaml:9 rules none 0",
		}},
		{"/rules?view=workbench", []string{"before the rules in force", "The result comes as soon as you write."}},
		{"/rules?view=workbench&file=rules.yaml", []string{"in place of rules.yaml", "version: 1 rules: []"}},
		{"/rules?view=workbench&name=a{b}", []string{`- pattern: "a\\{b\\}"`}},
		{"/rules?view=workbench&rule=rules/queues", []string{
			"before the rules in force", "rules: # a copy of rules/queues",
		}},
		{"/rules?view=workbench&file=go-runtime.yaml", []string{"in place of go-runtime.yaml", "This file is built in."}},
		{"/rules?view=proposals", []string{
			"Try the doubtful ones 5,000 live names 41 without a rule 12 of these also undescribed 7 in quarantine 40 would get one without doubt 6 more by 1 doubtful rule", "learned/queues.queue doubtful",
			"queues.{queue}.{leaf} : 6 names with 3 values become 2 base names",
			`queues.orders.depth → queues.depth with queue="orders"`, "for queue: the same 2 names stand behind them",
		}},
		{"/cardinality", []string{
			"metrics.max_series 2,000,000 48,211 2.4 %",
			"metrics.max_series_per_metric 8,000 12,000 150 % cf_http_request_duration_seconds 2 are full: new series of them are refused; " +
				"those that were there when the limit was lowered stay.",
			"rep.memoryStats.numFrees cf_num_frees_total conflict the series belongs to memoryStats.numFrees 12,345",
			"Metrics by number of series, growth since 1 h ago all 812", "cf_http_request_duration_seconds 12,000 132,000 78 % +400 app_id 900",
			"cf_container_cpu_ratio 9,000 9,000 5.4 % -10",
			"48,211 series of 812 metrics, in 168,211 lines", "A histogram or summary with one set of labels is one series here",
			"all apps components Owner Series ↓ Share Names checkout shop / prod 0e98fd00-47b2-4589-94f0-385f78b3a04d 4,000 8.3 % 12", "Grown most since 1 h ago", `bosh_deployment="cf" 48,000`,
		}},
		{"/cardinality?metric=cf_x", []string{"of cf_x , 48,211 series in 168,211 lines: names that make it , all metrics"}},
		{"/cardinality?label=zone&value=z1", []string{
			`of 48,211 series (168,211 lines) with zone="z1" : all series`,
			"Search metrics, labels and values /", "Metric Series ↓ Lines Share of lines cf_http", "Labels by number of values",
			"Label values by number of series",
		}},
		{"/cardinality?list=metrics&search=cf&sort=name", []string{
			"all lists", "Metrics by number of series, growth since 1 h ago 812 Metric ↑ Series", "First Previous Next 51 to 52 of 812",
		}},
		{"/config", []string{
			"exporter.yml", "Command line: exporter demo -c exporter.yml --uaa.client_secret=(hidden)",
			"Rule files are watched: soon after one of them has changed, the exporter reloads by itself", "Put changed rules in force: rules.yaml", "metrics.expiration : 10m0s 5m0s",
			"These have changed as well, but need a restart: nozzle.rlp.address : rlp:8082 rlp:8083",
			"set by you 2 derived 1 all 4", "uaa.client_secret Its secret. (hidden) environment LOGGREGATOR_EXPORTER_UAA_CLIENT_SECRET exporter.yml:9 says (hidden) , overridden by a restart",
		}},
		{"/config?list=derived", []string{"A change takes effect nozzle.udp.enabled Take datagrams. true default false derived by a restart Program"}},
		{"/config?search=expiration", []string{"metrics.expiration Time without a sample. 10m0s default by a reload"}},
	} {
		text := read(t, newFake(t), tc.path)
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", tc.path, want, text)
			}
		}
	}
}

// What a page asks is what its address says.
func TestQuestions(t *testing.T) {
	f := newFake(t)
	get(t, f, "/names?search=a+b&state=conflict&metric=m&rule=r&owner=o&sort=series&order=desc&cursor=c")
	get(t, f, "/explain?name=n&origin=o&kind=timer&unit=ms&source_id=s&tags=a%3D1%0D%0Ab%3D2%3D%0A&series=3&cursor=c")
	get(t, f, "/rules?file=f&unused=true&search=s&cursor=c")
	get(t, f, "/cardinality?metric=m&owners=apps&limit=7")
	ask(t, f, http.MethodPost, "/rules?replaces=f&limit=9", "application/yaml", "rules: []")
	for _, tc := range []struct{ got, want any }{
		{f.askedNames, []api.NamesQuery{{
			Search: "a b", State: "conflict", Metric: "m", Rule: "r", Owner: "o", Sort: "series", Descending: true, Limit: 50, Cursor: "c",
		}}},
		{f.askedExplain, []api.ExplainQuery{{
			Name: "n", Origin: "o", Kind: "timer", Unit: "ms", SourceID: "s", Series: 3, Cursor: "c",
			Tags: []metric.Label{{Name: "a", Value: "1"}, {Name: "b", Value: "2="}},
		}}},
		{f.askedRules, []api.RulesQuery{{File: "f", Unused: true, Search: "s", Sort: "place", Limit: 50, Cursor: "c"}}},
		{f.askedMetrics, []api.CardinalityQuery{
			{Search: "o", List: "owners", Limit: 100}, {Metric: "m", Owners: "apps", Limit: 7},
		}},
		{f.askedTry, []api.TryQuery{{Text: []byte("rules: []"), Replaces: "f", Limit: 9}}},
	} {
		if !reflect.DeepEqual(tc.got, tc.want) {
			t.Errorf("asked %+v, want %+v", tc.got, tc.want)
		}
	}
}

// The workbench shows what a rule file would change, and its mistakes.
func TestWorkbench(t *testing.T) {
	f := newFake(t)
	show := func() string {
		body := ask(t, f, http.MethodPost, "/rules", "application/yaml", "").Body.String()
		_, body, _ = strings.Cut(body, `<section id="result"`)
		return words(body)
	}
	text := show()
	for _, want := range []string{
		"12 names change of 5,000 that were compared: those that change, and those of the same metrics Here a name counts once for each sender, kind and unit; each of these can have several series. Below, Its rules counts each name once. Series and conflicts are those of the names compared, not of all.", "48,211 → 48,199 series", "3 → 1 names in conflict", "12 series: renamed",
		"Your names Name Becomes Rule shop.queues.mail.depth cf_shop_queues_mail_depth{} cf_queue_depth{queue=\"mail\"} rules/queues " +
			"its title fails line 9 cf_b{} as without this file metric: got \"cf_b\", want \"cf_c\" none {nam: a} unknown key",
		"line 4 b : can never match: rule a takes all its names", "rules/queues 3 12", "rules/none takes no live name, nearest is shop.queue : upper and lower case count 6 none", "By rules/queues",
		`shop.queues.orders.depth of shop: renamed, label gained cf_shop_queues_orders_depth cf_queue_depth unit none bytes values times 1 1,024 kind gauge counter queue="orders" zone="z1" 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	f.report = api.TryReport{
		Report: &diff.Report{}, Rules: []api.Rule{{RuleRef: api.RuleRef{ID: "rules/same", Line: 3}, Names: 12}},
	}
	text = show()
	if want := "Nothing changes on the live names Its rules Rule Line Live names, each once rules/same 3 12"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	f.report = api.TryReport{Errors: []api.RuleError{{Line: 4, Column: 5, Rule: "a", Text: "unknown key <nane>"}, {Text: "no rules"}}}
	text = show()
	if want := "2 mistakes line 4, column 5 a : unknown key <nane> no rules"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}

// The verdict is that of the most severe problem.
func TestVerdict(t *testing.T) {
	for _, tc := range []struct {
		severities string
		want       verdict
	}{
		{"", verdict{"ok", "✓", "All is well", "All is well"}},
		{"notice", verdict{"ok", "✓", "All is well", "All is well"}},
		{overview.KindNothing + " notice", verdict{"note", "●", overview.KindNothing + " is there", "Nothing yet"}},
		{"warning notice", verdict{"warn", "▲", "warning is there", "1 thing needs attention"}},
		{"critical warning notice", verdict{"bad", "■", "critical is there", "2 things need attention"}},
	} {
		var problems []overview.Problem
		for s := range strings.FieldsSeq(tc.severities) {
			problems = append(problems, overview.Problem{Kind: s, Severity: overview.Severity(s), Sentence: s + " is there"})
		}
		if got := judge(problems); got != tc.want {
			t.Errorf("%q: %+v, want %+v", tc.severities, got, tc.want)
		}
	}
}

func TestParts(t *testing.T) {
	step := func(text, pattern, rest string, captures, tags map[string]string) api.Step {
		return api.Step{Stage: "rule", Text: text, Rule: &api.RuleRef{Pattern: pattern}, Rest: rest, Captures: captures, Tags: tags}
	}
	type m = map[string]string
	for _, tc := range []struct {
		name  string
		steps []api.Step
		want  string // pieces with their classes
	}{
		{"a.b", nil, "a.b"},
		{"router__0.memoryStats.x", []api.Step{step("router__0.memoryStats.x", "{component}__{index:int}.memoryStats.{stat}", "",
			m{"component": "router", "index": "0", "stat": "x"}, m{"component": "router", "index": "0"})}, "[a router]__[b 0].memoryStats.[base x]"},
		{"rep.q.rep", []api.Step{
			step("rep.q.rep", "{component}", "q.rep", m{"component": "rep"}, m{"component": "rep"}),
			step("q.rep", "q.{queue}", "", m{"queue": "rep"}, m{"queue": "rep"}),
		}, "[a rep].q.[b rep]"},
		{"a.b", []api.Step{step("a.b", "{x}.{y}", "", m{"x": "gone", "y": "b"}, m{})}, "a.b"},
		{"a.b", []api.Step{step("other", "{x}", "", m{"x": "other"}, m{})}, "a.b"},
	} {
		var b strings.Builder
		for _, p := range partsOf(tc.name, tc.steps, m{}) {
			if p.Class == "" {
				b.WriteString(p.Text)
			} else {
				b.WriteString("[" + p.Class + " " + p.Text + "]")
			}
		}
		if b.String() != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, b.String(), tc.want)
		}
	}
}

// The time beside a reload is that of the reload; what is in force after one that failed is older.
func TestReload(t *testing.T) {
	f := newFake(t)
	if text, want := read(t, f, "/config"), "Last reload successful 2 h ago Started"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	f.config.Reload.LastAttempt, f.config.Pending = time.Time{}, nil
	if text := read(t, f, "/config?list=all"); strings.Contains(text, "by a reload") {
		t.Errorf("a change takes effect by a reload, where nothing can be loaded again, in\n%s", text)
	}
	if text, want := read(t, f, "/config"), "Last reload none since the start"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	f.config.Reload.Successful, f.config.Reload.Error = false, "no such file"
	f.config.Reload.LastAttempt = now.Add(-10 * time.Second)
	want := "Last reload failed 10 s ago Loaded 2 h ago Why it failed no such file"
	if text := read(t, f, "/config"); !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}

// A part of a histogram is explained by the name of that, and each bucket says which one it is.
func TestExplainedPart(t *testing.T) {
	f := newFake(t)
	f.explained.PartOf, f.explained.Type, f.explained.RawName = "wait", "histogram", "wait_bucket"
	f.explained.Live = []api.LiveSeries{
		{State: "part", Metric: "cf_wait", Labels: map[string]string{"a": "b"}, Tags: map[string]string{"le": "0.5"}},
		{State: "part", Metric: "cf_wait", Labels: map[string]string{"a": "b"}, Tags: map[string]string{}},
	}
	text := read(t, f, "/explain?name=wait_bucket")
	for _, want := range []string{
		"wait_bucket, a part of the histogram wait ↓", "rules go by the name of the histogram, wait , whose parts have one series",
		`part cf_wait{a="b"} bucket le="0.5" its envelopes`, `part cf_wait{a="b"} its envelopes`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
