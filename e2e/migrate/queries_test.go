package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// today are names that firehose_exporter has today in place of some that dashboards still query: the original is
// evaluated with these, and with others that are spelled otherwise today, see original.
var today = strings.NewReplacer(
	"firehose_exporter_", "firehose_", "firehose_http_start_stop_request_total", "firehose_http_total",
	"firehose_http_start_stop_requests", "firehose_http_total",
	"firehose_value_metric__log_cache_", "firehose_value_metric_log_cache_log_cache_",
	"firehose_counter_event__log_cache_", "firehose_counter_event_log_cache_log_cache_",
	"firehose_http_start_stop_response_size_bytes", "firehose_http_response_size_bytes",
	"firehose_http_start_stop_server_request_duration_seconds", "firehose_http_duration_seconds",
	"firehose_total_http_start_stop_processed", "firehose_total_http_metrics_received",
	"firehose_total_http_start_stop_", "firehose_total_http_metrics_",
	"firehose_last_http_start_stop_", "firehose_last_http_metric_",
	"sum_over_time(firehose_counter_event_stager_staging_requests_failed_delta",
	"increase(firehose_counter_event_stager_staging_requests_failed_total", "_failed_delta", "_failed_total",
	"responses_5_xx_tota{", "responses_5_xx_total{", "firehose_cpu", "firehose_container_metric_cpu_percentage",
)

// processed matches the names of firehose_exporter's own counters that have other ones today.
var processed = regexp.MustCompile(`(firehose_total_\w+)_processed\b`)

// migrated is what `exporter migrate --expr -o json` says of a query.
type migrated struct {
	Expr, Migrated string
	OK             bool
	Notes          []string
}

func migrateAll(t *testing.T, queries []byte) []migrated {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), peer.Exporter(t), "migrate", "--expr", "-o", "json",
		"--metrics.environment", "production")
	cmd.Stdin = bytes.NewReader(queries)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var all []migrated
	for line := range bytes.Lines(out) {
		var m migrated
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, m)
	}
	return all
}

// needs matches the note that says which labels of requests a query needs.
var needs = regexp.MustCompile(`^needs metrics\.http\.labels to list (.*) as well$`)

// needed returns the labels of requests that queries need.
func needed(queries []migrated) (labels []string) {
	for i := range queries {
		for _, note := range queries[i].Notes {
			if m := needs.FindStringSubmatch(note); m != nil {
				labels = append(labels, strings.Split(m[1], ", ")...)
			}
		}
	}
	slices.Sort(labels)
	return slices.Compact(labels)
}

// olderLabel is a matcher that selected nothing else in older versions, and nothing at all today, though
// firehose_exporter's documentation names the label.
var olderLabel = regexp.MustCompile(`(firehose_http_\w+\{[^}]*?),bosh_deployment=~"[^"]*"`)

// original is a query as firehose_exporter's names of today have it, with values for variables. Today a slash and an
// underscore before a word are two underscores, and every counter ends in _total.
func (s *server) original(query string) string {
	query = strings.ReplaceAll(olderLabel.ReplaceAllString(query, "$1"), "[[cf_component]]", "p_redis")
	query = withValues(processed.ReplaceAllString(today.Replace(query), "${1}_received"))
	return oldName.ReplaceAllStringFunc(query, func(name string) string {
		for _, emitted := range s.names {
			if strings.ReplaceAll(emitted, "__", "_") == name || emitted == name+"_total" {
				return emitted
			}
		}
		return name
	})
}

var oldName = regexp.MustCompile(`firehose_(?:value_metric|counter_event)_\w+`)

// otherVariables are those that stand for any value.
var otherVariables = regexp.MustCompile(`\$\{?[a-zA-Z_]\w*\}?`)

// equalsVariable matches a comparison with a variable, which has any value.
var equalsVariable = regexp.MustCompile(`="\$\w+"`)

// wholeBound matches a bucket as firehose_exporter writes it. Prometheus 3 stores whole bounds as 1.0.
var wholeBound = regexp.MustCompile(`\ble="(\d+)"`)

func withValues(query string) string {
	query = wholeBound.ReplaceAllString(query, `le="$1.0"`)
	query = equalsVariable.ReplaceAllString(query, `=~".*"`)
	return otherVariables.ReplaceAllString(valuesOfVariables.Replace(query), ".*")
}

// hasOriginal says whether firehose_exporter of today has anything of what a query asks for, and Prometheus answers it.
func hasOriginal(query string) bool {
	summary := strings.Contains(query, "request_duration_seconds{") && strings.Contains(query, "quantile")
	return !summary && !strings.Contains(query, "firehose_slow_consumer_alert") && !isVariable.MatchString(query)
}

// more names a file of queries, one a line, that are run as well.
var more = flag.String("queries", "", "a file of further queries")

// tally is what became of queries.
type tally struct{ all, rewritten, wrong, empty, incomparable int }

func (n *tally) String() string {
	return fmt.Sprintf("%d of %d queries rewritten (%.1f %%), %d with another result, %d without any, %d that have no original",
		n.rewritten, n.all, 100*float64(n.rewritten)/float64(n.all), n.wrong, n.empty, n.incomparable)
}

// run compares the results of a query before and after.
func (n *tally) run(t *testing.T, s *server, m *migrated) {
	t.Helper()
	n.all++
	if !m.OK {
		t.Logf("left as it is: %s: %s", m.Expr, m.Notes)
		return
	}
	n.rewritten++
	if values := labelValues.FindStringSubmatch(m.Expr); values != nil {
		n.runValues(t, s, m, values[1:])
		return
	}
	if !hasOriginal(m.Expr) {
		n.incomparable++
		t.Logf("without an original: %s", m.Expr)
		return
	}
	n.compare(t, s, m.Expr, m.Migrated)
}

// threshold matches the comparison at the end of an alert's query.
var threshold = regexp.MustCompile(`\s*(?:[<>]=?|[!=]=)\s*[-+]?[\d.e]+$`)

// compare compares the results of two queries. Where the first has none since its threshold is not reached, they are
// compared without it as well.
func (n *tally) compare(t *testing.T, s *server, before, after string) {
	t.Helper()
	old, err := s.ask(t, s.original(before))
	if err != nil {
		t.Error(err)
	}
	now, err := s.ask(t, withValues(after))
	if err != nil {
		t.Error(err)
	}
	if len(old) == 0 {
		if was, is := threshold.ReplaceAllString(before, ""), threshold.ReplaceAllString(after, ""); was != before && is != after {
			n.compare(t, s, was, is)
		} else {
			n.empty++
			t.Logf("without a result: %s", before)
		}
	}
	if d := compare(old, now, exactnessOf(before)); d != "" {
		n.wrong++
		t.Errorf("another result: %s\n%s\n%s", d, before, after)
	}
}

// labelValues matches the query of a variable for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.*),\s*(\w+)\)$`)

// runValues compares the values that variables have before and after.
func (n *tally) runValues(t *testing.T, s *server, m *migrated, before []string) {
	t.Helper()
	after := labelValues.FindStringSubmatch(m.Migrated)
	if before[1] == "__name__" || after == nil {
		n.incomparable++
		t.Logf("without an original: %s", m.Expr)
		return
	}
	old, now := s.values(t, s.original(before[0]), before[1]), s.values(t, withValues(after[1]), after[2])
	if len(old) == 0 {
		n.empty++
		t.Logf("without a result: %s", m.Expr)
	}
	if !slices.Equal(old, now) {
		n.wrong++
		t.Errorf("other values: %q, were %q\n%s\n%s", now, old, m.Expr, m.Migrated)
	}
}

// isVariable matches queries of variables, which Prometheus does not answer.
var isVariable = regexp.MustCompile(`^(?:label_values|label_names|metrics|query_result)\(`)

// TestQueries: queries of the shapes that the dashboards and alerts of prometheus-boshrelease have give, rewritten, the
// same result as before. So does every name that the foundation emits.
func TestQueries(t *testing.T) {
	queries, err := os.ReadFile("testdata/queries.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := migrateAll(t, queries)
	if want := bytes.Count(queries, []byte("\n")); len(all) != want || want < 150 {
		t.Fatalf("%d results of %d queries", len(all), want)
	}
	var further []migrated
	if *more != "" {
		if queries, err = os.ReadFile(*more); err != nil {
			t.Fatal(err)
		}
		further = migrateAll(t, queries)
	}
	s := startServer(t, needed(slices.Concat(all, further)))
	names := migrateAll(t, []byte(strings.Join(s.names, "\n")+"\n"))
	var shapes, bare, others tally
	for i := range all {
		shapes.run(t, s, &all[i])
	}
	for i := range names {
		bare.run(t, s, &names[i])
	}
	for i := range further {
		others.run(t, s, &further[i])
	}
	t.Logf("every %v, from %v to %v", *interval, s.start.Format(time.TimeOnly), s.end.Format(time.TimeOnly))
	t.Logf("shapes: %v", &shapes)
	t.Logf("names: %v", &bare)
	if *more != "" {
		t.Logf("%s: %v", *more, &others)
	}
	if 100*shapes.rewritten < 97*shapes.all || 100*bare.rewritten < 97*bare.all {
		t.Error("less than 97 % rewritten")
	}
}
