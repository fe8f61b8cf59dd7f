package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"loggregator_exporter/nozzle"
)

// TestCases plays captures of inputs that are easily taken wrongly, each with its rule or mapping file where it has one, and
// compares the page: the series, and the ledger of samples. -update writes the pages; a new page is read before it is kept.
func TestCases(t *testing.T) {
	dirs, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			cfg := testConfig()
			cfg.Nozzle.UDP.Enabled = false
			cfg.Nozzle.Replay = nozzle.ReplayOptions{Enabled: true, File: filepath.Join(dir, "in.capture")}
			for _, rules := range []string{"rules.yaml", "mapping.yml"} {
				if _, err := os.Stat(filepath.Join(dir, rules)); err == nil {
					cfg.Tagger.RulesFiles = append(cfg.Tagger.RulesFiles, filepath.Join(dir, rules))
				}
			}
			r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
			awaitIdle(t, r)
			_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
			if err := stop(); err != nil {
				t.Error(err)
			}
			compareGolden(t, filepath.Join(dir, "page.txt"), caseLines(page))
		})
	}
}

// caseLines returns the lines of a page that a case is about: the series of envelopes, without buckets of timers that saw
// nothing, and what became of the samples.
func caseLines(page string) string {
	var b strings.Builder
	for line := range strings.Lines(page) {
		name := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), "# UNIT ")
		own := false
		for _, prefix := range []string{"loggregator_exporter_", "go_", "process_", "promhttp_"} {
			own = own || strings.HasPrefix(name, prefix)
		}
		ledger := strings.HasPrefix(line, "loggregator_exporter_samples_total{") ||
			strings.HasPrefix(line, "loggregator_exporter_refused_samples_total{") ||
			strings.HasPrefix(line, "loggregator_exporter_label_overrides_total{")
		if !own || ledger && !strings.HasSuffix(line, " 0\n") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
}
