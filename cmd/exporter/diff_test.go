package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
			cfg := testConfig()
			cfg.Nozzle.UDP.Enabled = false
			cfg.Nozzle.Replay = nozzle.ReplayOptions{Enabled: true, File: capture}
			r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
			defer func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			}()
			awaitIdle(t, r)
			url := "http://" + r.Web.String()
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
				if status != 0 || errs != "" || out != "0 names, 0 series before, 0 series after\nnothing changes\n" {
					t.Errorf("status %d: %s%s", status, out, errs)
				}
				return
			}
			if status != 1 || out != "" || !strings.HasPrefix(errs, "--url: ") || !strings.Contains(errs, tt.want) {
				t.Errorf("status %d: %s%s", status, out, errs)
			}
		})
	}
}
