package tagger

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

var update = flag.Bool("update", false, "write golden files anew")

// exposed is a row of the corpus under metrics.naming: prometheus.
var legalName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

type exposed struct {
	row        corpusRow
	base, unit string
	named      string // what the name is made from: base, or what the catalogue says instead
	help       string
	typ        metric.Type
	name       naming.Name
}

func exposeCorpus(t *testing.T) []exposed {
	t.Helper()
	tg := newCatalogueTagger(t)
	style := naming.Style{Namespace: "cf"}
	var result Result
	var all []exposed
	for _, row := range readCorpus(t) {
		tg.Apply(row.subject(), &result, nil)
		e := exposed{row: row, base: strings.Clone(result.Base), unit: result.Unit, help: result.Help}
		e.typ = typeOf(result.Kind)
		e.named = strings.Clone(cmp.Or(result.MetricBase, result.Base))
		e.name = style.Name(e.named, e.unit, e.typ)
		all = append(all, e)
	}
	return all
}

// TestGoldenNames: a changed metric name breaks dashboards, so none changes unseen.
func TestGoldenNames(t *testing.T) {
	var names strings.Builder
	unitless := make(map[string]bool)
	names.WriteString("origin\traw_name\tmetric\ttype\tunit\n")
	for _, e := range exposeCorpus(t) {
		unit := e.unit
		if unit == "" {
			unit = "-"
			unitless[e.base] = true
		}
		_, _ = fmt.Fprintf(&names, "%s\t%s\t%s\t%s\t%s\n", e.row.origin, e.row.name, e.name.Metric, e.typ, unit)
	}
	compareGolden(t, "metrics.golden", names.String())
	compareGolden(t, "unitless.golden", strings.Join(slices.Sorted(maps.Keys(unitless)), "\n")+"\n")
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join(corpusDir, file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	had := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(had) || had[i] != line {
			t.Errorf("%s:%d: %s", file, i+1, line)
		}
	}
	t.Errorf("%s differs: run with -update if the change of names is meant", file)
}

// sameThing lists the base names that share a metric name, since they are spellings of one metric unless said
// otherwise.
var sameThing = map[string]string{
	"cf_uptime_seconds":            "Uptime uptime uptime_in_seconds",
	"cf_num_cpus":                  "numCPUS numCpus",
	"cf_doppler_proxy_app_streams": "dopplerProxy.appStreams doppler_proxy.app_streams",
	"cf_doppler_proxy_firehoses":   "dopplerProxy.firehoses doppler_proxy.firehoses",
	"cf_haproxy_heartbeat":         "haproxy.heartbeat haproxy/heartbeat",
	"cf_rabbitmq_heartbeat":        "rabbitmq.heartbeat rabbitmq/heartbeat",
	"cf_service_broker_heartbeat":  "service_broker.heartbeat service_broker/heartbeat",
}

// TestNamesOfFamilies holds what a reader of the golden file looks for: legal names, one metric under each, of one
// type, in one unit, with one help text.
func TestNamesOfFamilies(t *testing.T) {
	byName := make(map[string]exposed)
	bases := make(map[string][]string)
	for _, e := range exposeCorpus(t) {
		name := e.name.Metric
		if !legalName.MatchString(name) || !strings.HasPrefix(name, "cf_") {
			t.Errorf("%s: illegal name %s", e.row, name)
		}
		if e.help == "" {
			t.Errorf("%s: no help", e.row)
		}
		if first, ok := byName[name]; ok {
			if first.typ != e.typ || first.name.Unit != e.name.Unit || first.help != e.help {
				t.Errorf("%s: %s, and %s: %v %q %q, %v %q %q", name, first.row, e.row,
					first.typ, first.name.Unit, first.help, e.typ, e.name.Unit, e.help)
			}
		} else {
			byName[name] = e
		}
		if !slices.Contains(bases[name], e.base) {
			bases[name] = append(bases[name], e.base)
		}
	}
	for name, all := range bases {
		slices.Sort(all)
		if got := strings.Join(all, " "); len(all) > 1 && got != sameThing[name] {
			t.Errorf("%s stands for several base names: %s", name, got)
		}
		family, total := strings.CutSuffix(name, "_total")
		if total && byName[name].typ == metric.TypeCounter && byName[family].name.Metric != "" {
			t.Errorf("%s is a counter's family in OpenMetrics, and another family", family)
		}
		if cfExporterNames()[name] {
			t.Errorf("%s is a name of cf_exporter", name)
		}
	}
}

// TestNamesLoseNoWord: what a base name says stands in the metric's name, and nothing stands there twice in a row.
func TestNamesLoseNoWord(t *testing.T) {
	for _, e := range exposeCorpus(t) {
		words := strings.Split(e.name.Metric, "_")
		for i := 1; i < len(words); i++ {
			if words[i] == words[i-1] && e.base != "log_cache_cache_period" { // the period of the cache of Log Cache
				t.Errorf("%s: %s stutters", e.row, e.name.Metric)
			}
		}
		for _, word := range naming.Words(e.named) {
			replaced := e.unit != "" && naming.UnitOfName("x."+word) == e.unit || word == "in"
			if !replaced && !slices.Contains(words, word) {
				t.Errorf("%s: %s has lost %q", e.row, e.name.Metric, word)
			}
		}
	}
}

// kindsOfEmitters are the kinds that the emitters' sources contradict.
var kindsOfEmitters = map[string]string{
	"origin_mappings":      "counter", // loggregator-agent-release: cmd/*/app
	"requests.outstanding": "gauge",   // cloud_controller_ng: statsd_updater.rb counts it up and down
}

// TestKindsOfCorpus: kinds are those of the corpus, whatever the envelope says.
func TestKindsOfCorpus(t *testing.T) {
	for _, e := range exposeCorpus(t) {
		want := e.row.kind
		if want == "timer" { // statsd timings arrive as values
			want = "gauge"
		}
		if strings.HasPrefix(e.row.name, "CF.Router.") && e.base == "responses" { // the collector's snapshot of a counter
			want = "counter"
		}
		want = cmp.Or(kindsOfEmitters[e.base], want)
		if e.typ.String() != want {
			t.Errorf("%s: %v, want %s", e.row, e.typ, want)
		}
	}
}

// cfExporterNames are the metrics of cf_exporter, which share the namespace cf.
func cfExporterNames() map[string]bool {
	names := make(map[string]bool)
	for _, one := range []string{
		"application", "buildpack", "domain", "events", "isolation_segment", "organization", "route",
		"route_binding", "security_group", "service_binding", "service",
		"service_instance", "service_plan", "space", "stack", "task",
	} {
		names["cf_"+one+"_info"] = true
	}
	for _, many := range []string{
		"applications", "buildpacks", "domains", "domain", "events", "isolation_segments", "organizations",
		"routes", "route_bindings", "security_groups", "service_bindings",
		"services", "service_instances", "service_plans", "spaces", "stacks", "tasks",
	} {
		for _, format := range []string{
			"cf_%s_scrapes_total", "cf_%s_scrape_errors_total", "cf_last_%s_scrape_error",
			"cf_last_%s_scrape_timestamp", "cf_last_%s_scrape_duration_seconds",
		} {
			names[fmt.Sprintf(format, many)] = true
		}
	}
	for _, owner := range []string{"organization", "space"} {
		for _, what := range []string{
			"non_basic_services_allowed", "instance_memory_mb_limit", "total_app_instances_quota",
			"total_app_tasks_quota", "total_memory_mb_quota",
			"total_private_domains_quota", "total_reserved_route_ports_quota", "total_routes_quota",
			"total_service_keys_quota", "total_services_quota",
		} {
			names["cf_"+owner+"_"+what] = true
		}
	}
	for _, other := range []string{
		"application_instances", "application_instances_running", "application_memory_mb",
		"application_disk_quota_mb", "application_buildpack",
		"tasks_count", "tasks_memory_mb_sum", "tasks_disk_quota_mb_sum", "tasks_oldest_created_at",
	} {
		names["cf_"+other] = true
	}
	return names
}
