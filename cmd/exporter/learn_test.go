package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/capture"
	"loggregator_exporter/tagger/learn"
)

var learnBlock = regexp.MustCompile("(?ms)^```(?:tsv|yaml) (names|learned)\n(.*?)^```$")

// TestLearnDocumentation runs the example of docs/learn.md: its names give its rule file, whose tests pass.
func TestLearnDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/learn.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(map[string]string)
	for _, b := range learnBlock.FindAllSubmatch(text, -1) {
		blocks[string(b[1])] = string(b[2])
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("names.tsv", []byte(blocks["names"]), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := command(t, "learn", "--names", "names.tsv", "--tests", "learned_test.yaml")
	if status != 0 || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	if out != blocks["learned"] {
		t.Errorf("got\n%s\nwant\n%s", out, blocks["learned"])
	}
	if err := os.WriteFile("learned.yaml", []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"test", "learned_test.yaml"},
		{"check", "--tagger.rules_files", "learned.yaml"},
		{"explain", "--rules", "learned.yaml", "--origin", "shop", "queues.invoices.depth"},
	} {
		status, out, errs := command(t, args...)
		if status != 0 || errs != "" || strings.Contains(out, "warning") {
			t.Errorf("%v: status %d: %s%s", args, status, out, errs)
		}
	}
}

// TestLearnFromCapture: the names, origins and tags of a capture are learned from, and those before a cut as well.
func TestLearnFromCapture(t *testing.T) {
	var text bytes.Buffer
	w, err := capture.NewWriter(&text, capture.Options{Header: capture.Header{Start: time.Unix(1700000000, 0)}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // again and again, as in any stream
		w.RecordV1("udp", wiretest.MarshalV1(t, wiretest.ValueV1()), time.Unix(1700000001, 0))
		for _, e := range wiretest.EnvelopesV2() {
			w.RecordV2("rlp", wiretest.BatchOf(t, e), time.Unix(1700000002, 0))
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(t.TempDir(), "whole.cap")
	cut := filepath.Join(t.TempDir(), "cut.cap")
	for file, data := range map[string][]byte{whole: text.Bytes(), cut: text.Bytes()[:text.Len()-1]} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	status, out, errs := command(t, "learn", "--no-catalogue", "-o", "json", "--capture", whole)
	if status != 0 || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	var p learn.Proposal
	if err := json.Unmarshal([]byte(out), &p); err != nil || p.Names < 5 {
		t.Errorf("%v: %s", err, out)
	}
	status, _, errs = command(t, "learn", "--capture", cut)
	if status != 0 || !strings.Contains(errs, "warning: "+cut) || !strings.Contains(errs, "cut off") {
		t.Errorf("status %d: %s", status, errs)
	}
}

// TestLearnFromParts: of the parts of a histogram that a running exporter has, the histogram's own name is learned from,
// once: rules see no other.
func TestLearnFromParts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"success","data":{"names":[
{"name":"took_bucket","kind":"counter","part_of":"took"},{"name":"took_sum","kind":"counter","part_of":"took"},{"name":"hits","kind":"counter"}]}}`)
	}))
	defer server.Close()
	status, out, errs := command(t, "learn", "--url", server.URL, "-o", "json")
	var p learn.Proposal
	if err := json.Unmarshal([]byte(out), &p); err != nil || status != 0 || p.Names != 2 {
		t.Errorf("status %d, %d names: %v %s", status, p.Names, err, errs)
	}
}
