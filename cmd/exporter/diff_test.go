package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"loggregator_exporter/diff"
	"loggregator_exporter/nozzle"
)

// TestDiffURL takes names from a running exporter, and lets it say what it makes of them.
func TestDiffURL(t *testing.T) {
	captures, err := filepath.Glob("testdata/cases/*/in.capture")
	if err != nil || len(captures) == 0 {
		t.Fatal(captures, err)
	}
	for _, capture := range captures {
		t.Run(filepath.Base(filepath.Dir(capture)), func(t *testing.T) {
			url := replay(t, capture)
			for _, names := range [][]string{{"--url", url}, {"--capture", capture}} {
				status, out, errs := command(t, append([]string{"diff", "--old-url", url, "-o", "json"}, names...)...)
				var report diff.Report
				if err := json.NewDecoder(bytes.NewBufferString(out)).Decode(&report); err != nil {
					t.Fatalf("%v: status %d: %v: %s", names, status, err, errs)
				}
				if len(report.Groups) > 0 || report.Names == 0 || report.SeriesBefore == 0 {
					t.Errorf("%v: %s", names, out)
				}
			}
		})
	}
}

// replay starts an exporter that has read a capture, and returns its address.
func replay(t *testing.T, capture string) string {
	t.Helper()
	cfg := testConfig()
	cfg.Nozzle.UDP.Enabled = false
	cfg.Nozzle.Replay = nozzle.ReplayOptions{Enabled: true, File: capture}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	awaitIdle(t, r)
	return "http://" + r.Web.String()
}

// TestDiffURLCauses: what changes against a running exporter is told by the settings that differ, or the rules.
func TestDiffURLCauses(t *testing.T) {
	url := replay(t, "testdata/cases/app-id-for-every-kind/in.capture")
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("version: 1\nrules: [{id: c, pattern: cpu, name: processor}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ flag, value, want string }{
		{"--metrics.namespace", "foundation", "\nmetrics.namespace: foundation instead of cf\n"},
		{"--metrics.units", "keep", "\nmetrics.units: keep instead of convert\n"},
		{"--new-rules", rules, "\nrule c, where no rule matched\n"},
	} {
		status, out, errs := command(t, "diff", "--url", url, "--old-url", url, tt.flag, tt.value)
		if status != 1 || strings.Count(out, "\n\n") != 1 || !strings.Contains(out, tt.want) {
			t.Errorf("%s %s: status %d: %s%s", tt.flag, tt.value, status, out, errs)
		}
	}
}

// TestDiffURLErrors: what does not answer as an exporter's API is told with the flag and the address.
func TestDiffURLErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"page":       {200, "<html>", "has status 200 and no answer of this exporter's API: is it another program"},
		"older":      {404, `{"status":"error"}`, "has status 404 and no answer of this exporter's API: is it another program"},
		"password":   {401, "", "wants other credentials: give --username and --password-file"},
		"refused":    {400, `{"status":"error","error":"limit: too high"}`, "status 400: limit: too high"},
		"cut":        {200, `{"status":"success","data":{"names":[{"na`, "no answer of this exporter's API"},
		"other data": {200, `{"status":"success","data":7}`, "the answer of http://"},
		"other kind": {200, `{"status":"success","data":{"names":[{"name":"a","kind":"b"}]}}`, `name "a": kind "b" is none of`},
		"no names":   {200, `{"status":"success","data":{"names":[],"next":""}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer server.Close()
			status, out, errs := command(t, "diff", "--url", server.URL, "--old-url", server.URL)
			if tt.want == "" {
				tt.want = "--url name holds none"
			} else if !strings.HasPrefix(errs, "--url: ") {
				t.Error(errs)
			}
			if status != 2 || out != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("status %d: %s%s", status, out, errs)
			}
		})
	}
}

// TestDiffStatus: the exit status tells what breaks from what could not be compared.
func TestDiffStatus(t *testing.T) {
	t.Chdir(t.TempDir())
	for file, text := range map[string]string{
		"names": "queue.orders.depth\n", "rename": "version: 1\nrules: [{pattern: \"queue.{queue}.{leaf}\", name: \"{leaf}\"}]\n",
		"help": "version: 1\nmetrics: [{name: queue.orders.depth, help: Waiting orders.}]\n", "none": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		status int
		args   string
		want   string
	}{
		{0, "--names names --new-rules help", ""},
		{1, "--names names --new-rules rename", "something breaks"},
		{1, "--names names --new-rules rename -o junit", "something breaks"},
		{2, "--names none --new-rules help", "none holds no names"},
		{2, "--names names --new-rules missing", "missing"},
		{2, "--names names --new-rules names", "names:1:1"},
		{2, "--names names --new-rules rename --dashboards names", "names"},
		{2, "--names names --new-rule rename", "the nearest known flag is --new-rules"},
		{2, "--names names --new-rules rename -o xml", "want text, json or junit"},
		{2, "--names names --new-rules rename extra", "takes flags only"},
		{2, "--names names --new-url http://127.0.0.1:0", "asking the exporter"},
	} {
		status, out, errs := command(t, append([]string{"diff"}, strings.Fields(tt.args)...)...)
		if status != tt.status || !strings.Contains(errs, tt.want) || status == 2 && out != "" {
			t.Errorf("%s: status %d, want %d and %q: %s%s", tt.args, status, tt.status, tt.want, out, errs)
		}
	}
}
