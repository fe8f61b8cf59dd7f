package migrate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"loggregator_exporter/e2e/peer"
)

// today are names that firehose_exporter has today in place of some that dashboards still query: the original is
// evaluated with these.
var today = strings.NewReplacer(
	"firehose_http_start_stop_requests", "firehose_http_total",
	"firehose_http_start_stop_response_size_bytes", "firehose_http_response_size_bytes",
	"firehose_http_start_stop_server_request_duration_seconds", "firehose_http_duration_seconds",
	"firehose_total_http_start_stop_", "firehose_total_http_metrics_",
	"sum_over_time(firehose_counter_event_stager_staging_requests_failed_delta",
	"increase(firehose_counter_event_stager_staging_requests_failed_total", "_failed_delta", "_failed_total", "responses_5_xx_tota{", "responses_5_xx_total{",
	"firehose_cpu", "firehose_container_metric_cpu_percentage",
)

// startServer runs a Prometheus that holds a simulated foundation.
func startServer(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "samples"))
	if err != nil {
		t.Fatal(err)
	}
	start, end := simulate(t, bufio.NewWriterSize(file, 1<<20))
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	data, config := filepath.Join(dir, "data"), filepath.Join(dir, "prometheus.yml")
	out, err := exec.CommandContext(t.Context(), peer.Promtool().File(t), "tsdb", "create-blocks-from", "openmetrics",
		file.Name(), data).CombinedOutput()
	if err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	address := peer.Start(t, regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:\d+)`), peer.Prometheus().File(t),
		"--config.file="+config, "--storage.tsdb.path="+data, "--storage.tsdb.retention.time=100y",
		"--web.listen-address=127.0.0.1:0").Found
	peer.AwaitReady(peer.Within(t, peer.Patience), t, "http://"+address)
	return &server{address: address, start: start.Unix(), end: end.Unix()}
}

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

// TestQueries: queries of the shapes that the dashboards and alerts of prometheus-boshrelease have give, rewritten, the
// same result as before.
func TestQueries(t *testing.T) {
	queries, err := os.ReadFile("testdata/queries.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := migrateAll(t, queries)
	if want := bytes.Count(queries, []byte("\n")); len(all) != want || want < 150 {
		t.Fatalf("%d results of %d queries", len(all), want)
	}
	s := startServer(t)
	rewritten, wrong, empty := 0, 0, 0
	for _, m := range all {
		if !m.OK {
			t.Logf("left as it is: %s: %s", m.Expr, m.Notes)
			continue
		}
		rewritten++
		old, err := s.ask(t, valuesOfVariables.Replace(today.Replace(m.Expr)))
		if err != nil {
			t.Error(err)
		}
		now, err := s.ask(t, valuesOfVariables.Replace(m.Migrated))
		if err != nil {
			t.Error(err)
		}
		if len(old) == 0 {
			empty++
			t.Logf("without a result: %s", m.Expr)
		}
		if d := compare(old, now, strings.Contains(m.Expr, "quantile=")); d != "" {
			wrong++
			t.Errorf("another result: %s\n%s\n%s", d, m.Expr, m.Migrated)
		}
	}
	t.Logf("%d of %d queries rewritten (%.1f %%), %d with another result, %d without any",
		rewritten, len(all), 100*float64(rewritten)/float64(len(all)), wrong, empty)
	if 100*rewritten < 97*len(all) {
		t.Error("less than 97 % rewritten")
	}
}
