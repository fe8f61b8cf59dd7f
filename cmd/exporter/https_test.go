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

// TestServeHTTPS: configuration files as operators write them, with the secret of the UAA client in a file, read a
// foundation from outside of it.
func TestServeHTTPS(t *testing.T) {
	for _, source := range []string{"gateway", "firehose"} {
		t.Run(source, func(t *testing.T) {
			f, err := foundation.New(foundation.Options{Apps: -1, HTTPS: foundation.HTTPSOptions{On: true}})
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
			id, secret := f.UAAClient()
			if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			url := map[string]string{"gateway": f.GatewayURL(), "firehose": f.FirehoseURL()}[source]
			cfg := loadText(t, dir, fmt.Sprintf(`
nozzle:
  idle_timeout: 1h
  %s: {enabled: true, url: %q, tls: {ca_file: ca.crt}}
uaa: {url: %q, client_id: %s, client_secret_file: secret, tls: {ca_file: ca.crt}}
web: {listen_address: "127.0.0.1:0"}
`, source, url, f.UAAURL(), id))
			r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- f.Serve(ctx) }()
			if err := f.AwaitReaders(ctx, 1); err != nil {
				t.Fatal(err)
			}
			if err := f.Round(ctx); err != nil {
				t.Fatal(err)
			}
			text := awaitPage(t, r, "\ncf_num_bytes_allocated{",
				`loggregator_exporter_source_up{source="`+source+`"} 1`+"\n",
				`loggregator_exporter_uaa_token_requests_total{outcome="ok"} 1`+"\n")
			if strings.Contains(text, secret) {
				t.Error("the secret is on the page")
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}

// loadText loads a configuration file in a folder, by the command line.
func loadText(t *testing.T, dir, text string) *config.Config {
	t.Helper()
	file := filepath.Join(dir, "exporter.yml")
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
	return cfg
}
