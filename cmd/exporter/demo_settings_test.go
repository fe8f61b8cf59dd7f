package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
)

// TestDemoSettings: what the console of the demo shows as set is in force.
func TestDemoSettings(t *testing.T) {
	f, err := foundation.New(foundation.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(t.TempDir(), "demo.yml"), "nozzle: {shard_id: other, selectors: [gauge], filters: [{drop: {name: x*}}]}\n"+
		"metrics: {max_series: 7, labels: {add: [{name: a, value: b}]}}\nweb: {enable_lifecycle: true}\n")
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	addDemoFlags(flags)
	if err := flags.Parse([]string{"-c", file, "--log.format=json"}); err != nil {
		t.Fatal(err)
	}
	settings, warnings, err := loadDemo(flags)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	cfg := demoConfig(settings, f)
	var set []string
	for _, r := range cfg.Report() {
		if r.From == "file" || r.From == "flag" {
			set = append(set, r.Key+" "+r.Value)
		}
	}
	want := []string{
		"nozzle.shard_id other", "nozzle.selectors gauge", `nozzle.filters [{"drop":{"name":["x*"]}}]`, "metrics.max_series 7",
		`metrics.labels.add [{"name":"a","value":"b"}]`, "web.enable_lifecycle true", "log.format json",
	}
	if !slices.Equal(set, want) {
		t.Errorf("set are %q, want %q", set, want)
	}
	if s := cfg.Nozzle.Stream; s.ShardID != "other" || !slices.Equal(s.Selectors, []string{"gauge"}) || len(s.Filters) != 1 ||
		cfg.Metrics.MaxSeries != 7 || len(cfg.Metrics.Labels.Add) != 1 || !cfg.Web.EnableLifecycle || cfg.Log.Format != "json" ||
		cfg.Log.Level != "warn" || !cfg.Nozzle.RLP.Enabled {
		t.Errorf("in force are %+v", cfg)
	}
	if again := config.AwaitRestart(cfg, demoConfig(settings, f)); len(again) > 0 {
		t.Errorf("the same settings need a restart: %q", again)
	}
}
