package prometheus

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"loggregator_exporter/e2e/deploy/service"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

// unwell are the alerts on an exporter whose reverse log proxy is not there, whose certificate and rules were
// spoilt, and whose port for datagrams gets what is none.
var unwell = []string{
	"LoggregatorExporterCertificateExpires", "LoggregatorExporterMalformed", "LoggregatorExporterReloadFailed",
	"LoggregatorExporterSourceDown", "LoggregatorExporterSourceMute",
}

// TestUnwell: what goes wrong at a real exporter is what the alerts are about.
func TestUnwell(t *testing.T) {
	dir := t.TempDir()
	f, err := foundation.New(foundation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := f.WriteClientFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	rulesFile, config := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "exporter.yml")
	write(t, rulesFile, "version: 1\n")
	write(t, config, fmt.Sprintf(`
nozzle:
  rlp: {enabled: true, address: "127.0.0.1:1", tls: {ca_file: %q, cert_file: %q, key_file: %q}}
  udp: {enabled: true, listen_address: "127.0.0.1:0"}
tagger: {rules_files: [%q]}
web: {listen_address: "127.0.0.1:0", enable_lifecycle: true}
`, certificates.CA, certificates.Certificate, certificates.Key, rulesFile))
	running := service.Start(t, exec.CommandContext(context.WithoutCancel(t.Context()), peer.Exporter(t), "run", "--config", config),
		`Listening on.*address=(127\.0\.0\.1:\d+)`, `listening for dropsonde.* address=(\S+)`)
	exporter, datagrams := running.Found[0], running.Found[1]
	address := startServer(t, exporter)

	write(t, certificates.Certificate, "no certificate\n")
	write(t, rulesFile, "version: 1\nrules: [{pattern: {}}]\n")
	if answer, err := peer.Ask(t.Context(), http.MethodPost, "http://"+exporter+"/-/reload"); err != nil || answer.Status == http.StatusOK {
		t.Fatal("spoilt rules were loaded: ", answer.Status, err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "udp", datagrams)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a datagram socket has nothing to say
	peer.Until(peer.Within(t, 10*time.Minute), t, "what is active", func() string {
		if _, err := conn.Write([]byte("counter:1|c")); err != nil {
			t.Fatal(err)
		}
		active := activeAlerts(t, address)
		delete(active, "LoggregatorExporterReconnects") // as often as the time that this test takes allows
		if got := slices.Sorted(maps.Keys(active)); !slices.Equal(got, unwell) {
			return fmt.Sprintf("%v, want %v", got, unwell)
		}
		return ""
	})
}

// activeAlerts are those that fire, or will when they stay for long enough.
func activeAlerts(t *testing.T, address string) map[string]bool {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct{ Labels map[string]string }
		}
	}
	ask(t, address, "/api/v1/alerts", &answer)
	out := map[string]bool{}
	for _, a := range answer.Data.Alerts {
		out[a.Labels["alertname"]] = true
	}
	return out
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
