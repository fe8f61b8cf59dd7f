package main

import (
	"strings"
	"testing"

	"loggregator_exporter/config"
	"loggregator_exporter/web/api"
)

// TestCommandLine shows the command line as it was given, but for what may be secret.
func TestCommandLine(t *testing.T) {
	settings := []api.Setting{
		{Key: "uaa.client_secret", Value: "(hidden)", Kind: config.KindSecret.String(), Secret: true},
		{Key: "uaa.url", Value: "https://uaa (hidden)", Kind: config.KindString.String()},
		{Key: "web.enable_lifecycle", Value: "true", Kind: config.KindBool.String()},
		{Key: "metrics.max_series", Value: "3000", Kind: config.KindInt.String()},
	}
	for given, want := range map[string]string{
		"/usr/bin/exporter": "exporter",
		"./exporter demo -c B.yaml --metrics.max_series=3000 --web.enable_lifecycle": "exporter demo -c B.yaml " +
			"--metrics.max_series=3000 --web.enable_lifecycle",
		"exporter run --uaa.client_secret=s3cret --metrics.max_series 7": "exporter run --uaa.client_secret=(hidden) " +
			"--metrics.max_series 7",
		"exporter run --uaa.client_secret s3cret --config b": "exporter run --uaa.client_secret (hidden) --config b",
		"exporter --uaa.url=https://u:p@uaa --uaa.url https://u:p@uaa": "exporter --uaa.url=https://uaa (hidden) " +
			"--uaa.url https://uaa (hidden)",
		"exporter --web.enable_lifecycle --uaa.client_secret --uaa.client_secret": "exporter --web.enable_lifecycle " +
			"--uaa.client_secret (hidden)",
	} {
		if got := strings.Join(commandLine(strings.Fields(given), settings), " "); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", given, got, want)
		}
	}
}
