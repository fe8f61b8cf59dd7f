package compat

import (
	"bytes"
	_ "embed"
	"strings"
	"testing"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
)

//go:embed testdata/firehose_exporter.tsv
var corpus string

type row struct{ origin, name, unit, exposed string }

// corpusRows are metrics that components emit, with the names that firehose_exporter was seen to give them.
func corpusRows(tb testing.TB) map[metric.Kind][]row {
	tb.Helper()
	kinds := map[string]metric.Kind{"gauge": metric.KindGauge, "counter": metric.KindCounter}
	rows := map[metric.Kind][]row{}
	n := 0
	for line := range strings.Lines(corpus) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if f[0] == "origin" {
			continue
		}
		kind, ok := kinds[f[2]]
		if !ok || len(f) != 5 {
			tb.Fatalf("%q", line)
		}
		n++
		rows[kind] = append(rows[kind], row{f[0], f[1], f[3], f[4]})
	}
	if n != 1189 {
		tb.Fatalf("%d rows", n)
	}
	return rows
}

func dialect(tb testing.TB) *Resolver {
	tb.Helper()
	d, err := New(Options{Namespace: "firehose", Environment: "test", NodeIndex: "0"})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestCorpus(t *testing.T) {
	d := dialect(t)
	for kind, rows := range corpusRows(t) {
		for _, r := range rows {
			if got := d.Name(r.origin, r.name, kind); got != r.exposed {
				t.Errorf("%s %s %s: got %s, want %s", r.origin, r.name, kind, got, r.exposed)
			}
		}
	}
}

func TestName(t *testing.T) {
	d := dialect(t)
	for _, c := range []struct {
		origin, name string
		kind         metric.Kind
		want         string
	}{
		{"gorouter", "latency.uaa", metric.KindGauge, "firehose_value_metric_gorouter_latency_uaa"},
		{"", "bare", metric.KindGauge, "firehose_value_metric__bare"},
		{"rep", "cpu", metric.KindGauge, "firehose_container_metric_cpu_percentage"},
		{"rep", "memory_quota", metric.KindGauge, "firehose_container_metric_memory_bytes_quota"},
		{"rep", "absolute_usage", metric.KindGauge, "firehose_value_metric_rep_absolute_usage"},
		{"bbs", "system_cpu", metric.KindGauge, "firehose_system_cpu"},
		{"bbs", "system_disk", metric.KindCounter, "firehose_system_disk"},
		{"bbs", "x_total", metric.KindCounter, "firehose_counter_event_bbs_x_total_total"},
		{"bbs", "StagingFailed_delta", metric.KindCounter, "firehose_staging_failed_delta"},
		{"bbs", "x_delta", metric.KindGauge, "firehose_value_metric_bbs_x_delta"},
		{"bbs", "http_total", metric.KindCounter, "firehose_http_total"},
		{"bbs", "ABCDef", metric.KindGauge, "firehose_value_metric_bbs_abc_def"},
		{"bbs", "a___b", metric.KindGauge, "firehose_value_metric_bbs_a___b"},
		{"bbs", "a_B", metric.KindGauge, "firehose_value_metric_bbs_a_b"},
		{"bbs", "__", metric.KindGauge, "firehose_value_metric_bbs__"},
		{"bbs", "-", metric.KindGauge, "firehose_value_metric_bbs_"},
		{"bbs", "x]", metric.KindGauge, "firehose_value_metric_bbs_x"},
		{"bbs", "x]", metric.KindCounter, "firehose_counter_event_bbs_x__total"},
		{"bbs", "p99Latency", metric.KindGauge, "firehose_value_metric_bbs_p_99_latency"},
		{"bbs", "This_is_-_a/-._/._with:0_-._/totals", metric.KindGauge, "firehose_value_metric_bbs_this_is___a_______with_0_____totals"},
		// Letters and bytes that are not legal.
		{"bbs", "caf\u00e9Bar", metric.KindGauge, "firehose_value_metric_bbs_caf_bar"},
		{"bbs", "a\xffb", metric.KindGauge, "firehose_value_metric_bbs_a_b"},
	} {
		if got := d.Name(c.origin, c.name, c.kind); got != c.want {
			t.Errorf("%q %q: got %s, want %s", c.origin, c.name, got, c.want)
		}
	}
}

func TestNamespace(t *testing.T) {
	for namespace, want := range map[string]string{
		"firehose":   "",
		"cf_old":     "",
		"":           "must not be empty: start with a letter and use letters, digits and _, as in firehose",
		"_x":         `"_x" cannot start a metric name: start with a letter and use letters, digits and _, as in firehose`,
		"1x":         `"1x" cannot start a metric name: start with a letter and use letters, digits and _, as in firehose`,
		"a-b":        `"a-b" cannot start a metric name: start with a letter and use letters, digits and _, as in firehose`,
		"fireHose":   `"fireHose" would become "fire_hose", as firehose_exporter makes snake case of whole names: write that`,
		"firehose_":  `"firehose_" would become "firehose", as firehose_exporter makes snake case of whole names: write that`,
		"firehose_2": "",
	} {
		_, err := New(Options{Namespace: namespace})
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%q: %v, want %s", namespace, err, want)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, name := range []string{"router__0.latency", "LRPsRunning", "a\xff", "é_É", "__", "Ǆx", "\u0130x", "x_cpu"} {
		f.Add("router__0", name, true)
	}
	d := dialect(f)
	f.Fuzz(func(t *testing.T, origin, name string, gauge bool) {
		kind := metric.KindCounter
		if gauge {
			kind = metric.KindGauge
		}
		got := d.Name(origin, name, kind)
		if !model.LegacyValidation.IsValidMetricName(got) || !bytes.HasPrefix([]byte(got), []byte("firehose")) {
			t.Errorf("%q %q becomes %q", origin, name, got)
		}
		if got != d.Name(origin, name, kind) {
			t.Error("twice is not once")
		}
	})
}
