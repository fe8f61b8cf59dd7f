package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"loggregator_exporter/web/api"
)

const webPasswords = "basic_auth_users: {probe: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}\n"

// consolePaths are the pages of the console, what they load, and some of what answers the same as JSON.
var consolePaths = []string{
	"/", "/names", "/explain?name=a.b", "/rules", "/rules?view=workbench", "/rules?view=proposals", "/cardinality", "/config",
	"/assets/console.css", "/assets/console.js", "/api/v1/status", "/api/v1/names",
}

// TestConsole: the console is there with web.enable_console, behind the password of web.config_file, and else only a
// page with links.
func TestConsole(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(passwords, []byte(webPasswords), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		on       bool
		file     string
		statuses [2]int // of / and of all others
		first    string // in the first page
	}{
		{"on", true, "", [2]int{200, 200}, `<link rel="stylesheet" href="assets/console.css?`},
		{"behind a password", true, passwords, [2]int{401, 401}, "Unauthorized"},
		{"off", false, "", [2]int{200, 404}, "<h1>loggregator_exporter</h1>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Web.EnableConsole, cfg.Web.ConfigFile = tc.on, tc.file
			r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
			for i, path := range consolePaths {
				resp, err := http.Get("http://" + r.Web.String() + path)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if want := tc.statuses[min(i, 1)]; resp.StatusCode != want {
					t.Errorf("%s: %d, want %d: %s", path, resp.StatusCode, want, body)
				}
				if i == 0 && !strings.Contains(string(body), tc.first) {
					t.Errorf("no %s in\n%s", tc.first, body)
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPortsOfConfig: the settings in force show the ports that the system has chosen, and the rest of an address as it
// was set.
func TestPortsOfConfig(t *testing.T) {
	cfg := testConfig()
	cfg.Web.ListenAddress = "localhost:0"
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	status, body := fetch(t, "http://"+r.Web.String()+"/api/v1/config")
	var answer struct{ Data api.Config }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	_, port, _ := net.SplitHostPort(r.Web.String())
	want := map[string]string{
		"web.listen_address": "localhost:" + port, "nozzle.udp.listen_address": r.Listening["udp"].String(),
		"nozzle.ingress.listen_address": "127.0.0.1:3560", "web.probe_address": "",
	}
	for _, s := range answer.Data.Settings {
		if value, ok := want[s.Key]; ok && s.Value != value {
			t.Errorf("%s is %s, want %s", s.Key, s.Value, value)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
