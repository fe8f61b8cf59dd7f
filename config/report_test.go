package config

import (
	"path/filepath"
	"reflect"
	"testing"
)

// TestReport says of settings where they come from, and masks secrets.
func TestReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "exporter.yml")
	writeFile(t, file, `metrics:
  environment: lab
  labels:
    add: [{name: a, value: b}]
nozzle:
  filters: [{drop: {name: "x*"}}]
remote_write:
  enabled: true
  url: https://user:secret@example.com/push?token=secret
  headers: [{name: X-Scope, value: secret}]
`)
	t.Setenv("LOGGREGATOR_EXPORTER_METRICS_MAX_SERIES", "5000")
	t.Setenv("LOGGREGATOR_EXPORTER_UAA_CLIENT_SECRET", "secret")
	cfg, _, err := loadWithOrigins(t, "--config", file, "--log.level=debug")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][3]string{}
	for _, r := range cfg.Report() {
		got[r.Key] = [3]string{r.Value, r.From, r.Place}
	}
	for key, want := range map[string][3]string{
		"metrics.environment":  {"lab", "file", file + ":2"},
		"metrics.labels.add":   {`[{"name":"a","value":"b"}]`, "file", file + ":4"},
		"nozzle.filters":       {`[{"drop":{"name":["x*"]}}]`, "file", file + ":6"},
		"remote_write.url":     {"https://example.com/push (hidden)", "file", file + ":9"},
		"remote_write.headers": {`[{"name":"X-Scope","value":"(hidden)"}]`, "file", file + ":10"},
		"metrics.max_series":   {"5000", "environment", "LOGGREGATOR_EXPORTER_METRICS_MAX_SERIES"},
		"uaa.client_secret":    {"(hidden)", "environment", "LOGGREGATOR_EXPORTER_UAA_CLIENT_SECRET"},
		"log.level":            {"debug", "flag", "--log.level"},
		"log.format":           {"logfmt", "default", ""},
		"nozzle.udp.enabled":   {"true", "derived", "true when no other source is enabled, else false"},
		"web.enable_console":   {"true", "default", ""},
		"metrics.labels.drop":  {"", "default", ""},
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if n := len(cfg.Report()); n != len(Settings()) {
		t.Errorf("%d of %d settings", n, len(Settings()))
	}
}

// TestOverridden says of a setting also what the layers below say, masked as what is in force.
func TestOverridden(t *testing.T) {
	file := filepath.Join(t.TempDir(), "exporter.yml")
	writeFile(t, file, "metrics:\n  max_series: 300\nuaa:\n  client_secret: secret\nlog:\n  level: warn\n")
	t.Setenv("LOGGREGATOR_EXPORTER_METRICS_MAX_SERIES", "200")
	t.Setenv("LOGGREGATOR_EXPORTER_UAA_CLIENT_SECRET", "other")
	t.Setenv("LOGGREGATOR_EXPORTER_LOG_LEVEL", "error")
	cfg, _, err := loadWithOrigins(t, "--config", file, "--log.level=debug")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]Overridden{}
	for _, r := range cfg.Report() {
		if r.Overridden != nil {
			got[r.Key] = r.Overridden
		}
	}
	want := map[string][]Overridden{
		"metrics.max_series": {{"file", file + ":2", "300"}},
		"uaa.client_secret":  {{"file", file + ":4", "(hidden)"}},
		"log.level": {
			{"environment", "LOGGREGATOR_EXPORTER_LOG_LEVEL", "error"}, {"file", file + ":6", "warn"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
