package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
)

// TestServeRLP: a configuration file as an operator writes it, with certificates in files, reads a foundation's
// reverse log proxy; before the proxy is there the exporter is healthy, and not ready.
func TestServeRLP(t *testing.T) {
	f, err := foundation.New(foundation.Options{VMs: 60, Apps: -1, Interval: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := f.WriteClientFiles(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "exporter.yml")
	text := fmt.Sprintf(`
nozzle:
  idle_timeout: 1h
  rlp:
    enabled: true
    address: %s
    tls: {ca_file: ca.crt, cert_file: client.crt, key_file: client.key}
web: {listen_address: "127.0.0.1:0"}
metrics:
  environment: test
  labels: {rename: [{from: source_id, to: source}], drop: [origin], add: [{name: region, value: eu}]}
`, f.RLPAddress())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Parse([]string{"--config", file}); err != nil {
		t.Fatal(err)
	}
	cfg, warnings, err := config.Load(flags)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	url := "http://" + r.Web.String()
	if status, body := fetch(t, url+"/-/ready"); status != 503 || body != "not ready: no source is connected: rlp\n" {
		t.Errorf("ready before the proxy serves: %d %s", status, body)
	}
	if status, body := fetch(t, url+"/-/healthy"); status != 200 {
		t.Errorf("not healthy before the proxy serves: %d %s", status, body)
	}

	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx) }()
	if err := f.AwaitReaders(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if err := f.Round(ctx); err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(awaitPage(t, r, "\ncf_num_bytes_allocated{"), "\ncf_num_bytes_allocated{")
	line, _, _ = strings.Cut(line, "\n")
	for _, want := range []string{`environment="test"`, `region="eu"`, `source="`, `component="`} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	if strings.Contains(line, "origin=") || strings.Contains(line, "source_id=") {
		t.Errorf("labels that were dropped or renamed: %s", line)
	}
	if status, body := fetch(t, url+"/-/ready"); status != 200 {
		t.Errorf("not ready though it reads: %d %s", status, body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
