package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"loggregator_exporter/diff"
)

var diffBlock = regexp.MustCompile("(?ms)^```\\w+ (\\S+)\n(.*?)^```$")

// TestDiffDocumentation runs the example and the job of docs/diff.md. -update writes the report.
func TestDiffDocumentation(t *testing.T) {
	page, err := filepath.Abs("../../docs/diff.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	blocks := make(map[string]string)
	for _, b := range diffBlock.FindAllSubmatch(text, -1) {
		name, content := string(b[1]), string(b[2])
		blocks[name] = content
		if filepath.Ext(name) == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b[2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	status, out, errs := command(t, "diff", "--names", "names.tsv", "--new-rules", "rules.yaml", "--dashboards", "dashboards",
		"--rules-dir", "alerts")
	if status != 1 || errs != "something breaks\n" {
		t.Errorf("status %d: %s", status, errs)
	}
	if *update {
		changed := strings.Replace(string(text), "```text report\n"+blocks["report"]+"```", "```text report\n"+out+"```", 1)
		if err := os.WriteFile(page, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if out != blocks["report"] {
		t.Errorf("got\n%s\nwant\n%s", out, blocks["report"])
	}
	runJob(t, blocks["ci"])
	for _, k := range diff.Kinds {
		breaks := "no"
		if k.Breaks() {
			breaks = "yes"
		}
		if !regexp.MustCompile("(?m)^\\| `" + string(k) + "` \\| .* \\| " + breaks + " \\|$").Match(text) {
			t.Errorf("docs/diff.md has no row for %s, which breaks: %s", k, breaks)
		}
	}
}

// runJob runs the lines of a job for CI, of which the first is Git's.
func runJob(t *testing.T, job string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(job), "\n")
	if len(lines) != 3 {
		t.Fatalf("the job has %d lines", len(lines))
	}
	if err := os.WriteFile("old.yaml", []byte("version: 1\nrules: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1} {
		line, _, _ := strings.Cut(lines[i+1], " > ")
		words := strings.Fields(line)
		status, out, errs := command(t, words[1:]...)
		if words[0] != "exporter" || status != want {
			t.Errorf("%s: status %d: %s", line, status, errs)
		}
		if want == 0 {
			continue
		}
		var report struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
		}
		if err := xml.Unmarshal([]byte(out), &report); err != nil || report.Tests != 6 || report.Failures != 5 {
			t.Errorf("%v, %+v: %s", err, report, out)
		}
	}
}
