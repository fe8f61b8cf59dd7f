package resolver_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

const app = "693c90af-a273-4c58-a053-b90fea4fa377"

// page is a store with a resolver of its own, for tests of what envelopes become.
type page struct {
	tb    testing.TB
	store *store.Store
}

// newPage makes a store whose resolver has rule files or statsd_exporter mapping files, and the catalogue.
func newPage(tb testing.TB, rules ...string) page {
	tb.Helper()
	s, err := store.New(store.Options{Resolver: newResolver(tb, rules...), Expiration: time.Hour, MaxSeries: 1000})
	if err != nil {
		tb.Fatal(err)
	}
	return page{tb, s}
}

// write takes an envelope with tags given as names and values, and returns the outcomes in words.
func (p page) write(e metric.Envelope, tags ...string) string {
	e.Arrived = time.Now().UnixNano()
	e.Timestamp = e.Arrived
	for i := 0; i < len(tags); i += 2 {
		e.AddTag([]byte(tags[i]), []byte(tags[i+1]))
	}
	var tally metric.Tally
	p.store.Writer().Write(&e, &tally)
	var out []string
	for outcome, n := range tally {
		for range n {
			out = append(out, metric.Outcome(outcome).String())
		}
	}
	return strings.Join(out, " ")
}

// want checks the series of the page, and the counts of histograms.
func (p page) want(want string) {
	p.tb.Helper()
	var b strings.Builder
	var r store.Reader
	for _, f := range p.store.Families() {
		r.Reset(&f)
		for _, s := range r.Next() {
			v := s.Value
			if s.Histogram != nil {
				v = float64(s.Histogram.Count)
			}
			fmt.Fprintf(&b, "%s %s{%s} %v\n", f.Type, f.Name, s.Labels, v)
		}
	}
	if got := b.String(); got != want {
		p.tb.Errorf("got\n%swant\n%s", got, want)
	}
}

func gauge(source, name string, value float64) metric.Envelope {
	return metric.Envelope{
		Kind: metric.KindGauge, SourceID: []byte(source), Points: []metric.Point{{Name: []byte(name), Value: value}},
	}
}

func counter(source, name string, total uint64) metric.Envelope {
	return metric.Envelope{Kind: metric.KindCounter, SourceID: []byte(source), Name: []byte(name), Total: total}
}

func timer(source, instance, name string) metric.Envelope {
	return metric.Envelope{
		Kind: metric.KindTimer, SourceID: []byte(source), InstanceID: []byte(instance), Name: []byte(name), Stop: 2e8,
	}
}

// What rules, mappings and tags that a rule reads give a timer stays, and conditions see its envelope.
func TestTimersKeepLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, `rules:
- {id: web, pattern: "web.timing.{action}", name: web.timing}
- {id: users, pattern: db.query, when: {kind: timer, tags: {table: users}}, name: db.query.users}
- {id: template, pattern: db.fetch, tags: {status: "{$tag.table}"}}
- {id: source, pattern: db.src, when: {kind: timer, source_id: shop}, name: db.src.shop}
`)
		for _, name := range []string{"web.timing.login", "web.timing.logout", "db.query", "db.fetch", "db.src"} {
			p.write(timer("shop", "0", name), "origin", "shop", "table", "users", "job", "shop-vm", "request_id", "r1")
			p.write(timer("shop", "0", name), "origin", "shop", "table", "users", "job", "shop-vm", "request_id", "r2")
		}
		p.write(timer("shop", "1", "db.query"), "origin", "shop", "table", "orders")
		const vm = `bosh_job_name="shop-vm",component="shop",instance_id="0",origin="shop",source_id="shop",`
		p.want(`histogram cf_db_fetch_seconds{` + vm + `status="users",table="users"} 2
histogram cf_db_query_seconds{component="shop",instance_id="1",origin="shop",source_id="shop",table="orders"} 1
histogram cf_db_query_users_seconds{` + vm + `table="users"} 2
histogram cf_db_src_shop_seconds{` + vm + `table="users"} 2
histogram cf_web_timing_seconds{action="login",` + vm + `table="users"} 2
histogram cf_web_timing_seconds{action="logout",` + vm + `table="users"} 2
`)
	})
}

func TestTimersOfMappings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, `mappings:
- match: 'st2\.action\.(\w+)\.(\w+)\.executions'
  match_type: regex
  match_metric_type: observer
  name: st2_action_executions_seconds
  labels: {st2_library: "${1}", st2_action: "${2}"}
`)
		p.write(timer("st2", "", "st2.action.core.local.executions"), "origin", "st2")
		p.want(
			`histogram st2_action_executions_seconds{component="st2",origin="st2",source_id="st2",st2_action="local",st2_library="core"} 1
`,
		)
	})
}

// Timers of two apps are two histograms; a tag that nothing reads makes no others.
func TestTimersOfTwoOwners(t *testing.T) {
	const other = "22222222-857e-46ff-87dd-3f4e7da552a6"
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t)
		p.write(timer(app, "0", "checkout.time"), "origin", "doppler", "user", "a")
		p.write(timer(app, "0", "checkout.time"), "origin", "doppler", "user", "b")
		p.write(timer(other, "0", "checkout.time"), "origin", "doppler")
		p.want(
			`histogram cf_checkout_time_seconds{app_id="` + other + `",component="doppler",instance_id="0",origin="doppler",source_id="` + other + `"} 1
histogram cf_checkout_time_seconds{app_id="` + app + `",component="doppler",instance_id="0",origin="doppler",source_id="` + app + `"} 2
`,
		)
	})
}

// A reload that makes rules read other tags keeps what it does not change.
func TestTimersAndReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t)
		p.write(timer("shop", "0", "a"), "table", "users")
		p.write(timer("shop", "0", "b"), "table", "users")
		o := store.Options{
			Resolver:   newResolver(t, `rules: [{pattern: a, when: {tags: {table: users}}, name: c}]`),
			Expiration: time.Hour, MaxSeries: 1000,
		}
		if _, err := p.store.Reload(o); err != nil {
			t.Fatal(err)
		}
		p.write(timer("shop", "0", "a"), "table", "users")
		p.want(`histogram cf_a_seconds{component="shop",instance_id="0",source_id="shop"} 1
histogram cf_b_seconds{component="shop",instance_id="0",source_id="shop"} 1
histogram cf_c_seconds{component="shop",instance_id="0",source_id="shop",table="users"} 1
`)
	})
}

// An app's id is a label of all that the app's source id stands on.
func TestAppID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t)
		p.write(gauge(app, "threads", 50), "origin", "rep")
		p.write(counter(app, "orders", 7), "origin", "app-metrics")
		p.write(counter(app, "named", 7), "app_id", "another")
		p.write(gauge("bbs", "x", 1))
		p.want(`counter cf_named_total{app_id="another",source_id="` + app + `"} 7
counter cf_orders_total{app_id="` + app + `",component="app-metrics",origin="app-metrics",source_id="` + app + `"} 7
gauge cf_threads{app_id="` + app + `",component="rep",origin="rep",source_id="` + app + `"} 50
gauge cf_x{component="bbs",source_id="bbs"} 1
`)
	})
}

// The label instance that a rule or mapping sets stays; the tag instance of an envelope gets another name.
func TestLabelsCalledInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, `rules: [{pattern: "db.{instance}.{job}.connections", name: db.connections}]`, `mappings:
- {match: "truenas.*.ram", name: physical_memory, labels: {job: truenas, instance: "$1"}}
`)
		p.write(gauge("s", "db.primary.batch.connections", 1), "instance", "of-envelope", "job", "vm")
		p.write(gauge("s", "truenas.nas1.ram", 2), "instance", "of-envelope")
		p.want(
			`gauge cf_db_connections{bosh_job_name="vm",component="s",envelope_instance="of-envelope",instance="primary",job="batch",source_id="s"} 1
gauge physical_memory{component="s",envelope_instance="of-envelope",instance="nas1",job="truenas",source_id="s"} 2
`,
		)
	})
}

// The prom scraper makes the label unit of a gauge its unit, and leaves it a tag of a counter; status_group is a
// status.
func TestTagsOfTheScraper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t)
		p.write(counter("gorouter", "my_responses", 3), "status_group", "2xx", "unit", "responses")
		p.write(gauge("gorouter", "level", 5), "unit", "a tag")
		p.want(`gauge cf_level{component="gorouter",source_id="gorouter",unit="a tag"} 5
counter cf_my_responses_total{component="gorouter",source_id="gorouter",status="2xx"} 3
`)
	})
}

// A name that a mapping makes empty is no name: its samples are invalid, and counted by the name that was sent.
func TestEmptyMappedName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, `mappings:
- {match: 'app\.(\w*)\.?(.*)', match_type: regex, name: "$2", labels: {part: "$1"}}
`)
		for range 2 {
			if got := p.write(gauge("s", "app.web", 1)); got != "invalid" {
				t.Error(got)
			}
		}
		if got := p.write(gauge("s", "app.web.x", 2)); got != "stored" {
			t.Error(got)
		}
		p.want("gauge x{component=\"s\",part=\"web\",source_id=\"s\"} 2\n")
		all := p.store.Refusals()
		if len(all) != 1 || all[0].RawName != "app.web" || all[0].Count != 2 ||
			!strings.Contains(all[0].Reason, "empty name") {
			t.Errorf("%+v", all)
		}
	})
}

// The trace names where each label came from.
func TestSources(t *testing.T) {
	tg, _, err := tagger.New(tagger.Options{Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	r := resolver.New(resolver.Options{Tagger: tg, Naming: naming.Style{Namespace: "cf"}})
	var trace resolver.Trace
	id := store.Identity{
		Kind:     metric.KindGauge,
		Name:     "x",
		SourceID: app,
		Tags:     []metric.Label{{Name: "ip", Value: "10.0.0.1"}},
	}
	r.Explain(&id, &trace)
	want := map[string]string{
		"app_id": "source id", "source_id": "envelope field source_id", "bosh_job_ip": "envelope tag ip",
	}
	for label, source := range want {
		if trace.Sources[label] != source {
			t.Errorf("%s: %q, want %q", label, trace.Sources[label], source)
		}
	}
	if len(trace.Sources) != len(want) {
		t.Errorf("%v", trace.Sources)
	}
}

// What OpenTelemetry sends is named by its units, and rules look at its kinds.
func TestKindsAndUnitsOfOpenTelemetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, `rules:
- {id: only, pattern: "http.{method}", when: {kind: histogram}, name: http}
- {id: not, pattern: "queue.{name}", when: {kind: ["!histogram"]}, name: queue}
metrics:
- {name: http, kind: counter, help: Told.}
`)
		sent := func(kind metric.Kind, name, unit string) metric.Envelope {
			return metric.Envelope{
				Kind: kind, Name: []byte(name), Unit: []byte(unit), Total: 5, Began: 1,
				Distribution: &metric.Distribution{Count: 5},
			}
		}
		point := func(name, unit string) metric.Envelope {
			return metric.Envelope{
				Kind: metric.KindGauge, Points: []metric.Point{{Name: []byte(name), Unit: []byte(unit), Value: 0.5}},
			}
		}
		for _, e := range []metric.Envelope{
			sent(metric.KindHistogram, "http.get", "ms"), sent(metric.KindSummary, "http.get", "ms"),
			sent(metric.KindHistogram, "queue.a", "{item}"), sent(metric.KindCounter, "cpu.time", "s"),
			sent(metric.KindCounter, "io", "By"), sent(metric.KindCounter, "packets", "{packet}"),
			point("utilization", "1"), point("speed", "{item}/min"), point("rate", "{fault}"),
		} {
			if got := p.write(e, "unit", "u", "le", "1", "quantile", "0.5"); got != "stored" {
				t.Errorf("%s %s: %s", e.Kind, e.Name, got)
			}
		}
		const both = `envelope_le="1",envelope_quantile="0.5"`
		p.want(`counter cf_cpu_time_seconds_total{` + both + `} 5
summary cf_http_get_seconds{` + both + `,unit="u"} 0
histogram cf_http_seconds{` + both + `,method="get",unit="u"} 5
counter cf_io_bytes_total{` + both + `} 5
counter cf_packets_total{` + both + `} 5
histogram cf_queue_a{` + both + `,unit="u"} 5
gauge cf_rate{` + both + `,unit="u"} 0.5
gauge cf_speed_per_second{` + both + `,unit="u"} 0.008333333333333333
gauge cf_utilization_ratio{` + both + `,unit="u"} 0.5
`)
	})
}
