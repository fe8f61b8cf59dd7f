package prometheus

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/nozzle/foundation"
)

// unwell are the alerts on an exporter whose reverse log proxy is not there, whose certificate and rules were spoilt, and whose port for
// datagrams gets what is none.
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
	rulesFile, config, datagrams := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "exporter.yml"), freePort(t)
	write(t, rulesFile, "version: 1\n")
	write(t, config, fmt.Sprintf(`
nozzle:
  rlp: {enabled: true, address: "127.0.0.1:1", tls: {ca_file: %q, cert_file: %q, key_file: %q}}
  udp: {enabled: true, listen_address: %q}
tagger: {rules_files: [%q]}
web: {listen_address: "127.0.0.1:0", enable_lifecycle: true}
`, certificates.CA, certificates.Certificate, certificates.Key, datagrams, rulesFile))
	exporter := peer.Start(t, regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:\d+)`), peer.Exporter(t), "run", "--config", config).Found
	address := startServer(t, exporter)

	write(t, certificates.Certificate, "no certificate\n")
	write(t, rulesFile, "version: 1\nrules: [{pattern: {}}]\n")
	reload, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+exporter+"/-/reload", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(reload)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode == http.StatusOK {
		t.Fatal("spoilt rules were loaded: ", response.Status, err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "udp", datagrams)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a datagram socket has nothing to say
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		if _, err := conn.Write([]byte("counter:1|c")); err != nil {
			t.Fatal(err)
		}
		active := activeAlerts(t, address)
		delete(active, "LoggregatorExporterReconnects") // as often as the time that this test takes allows
		if got := slices.Sorted(maps.Keys(active)); slices.Equal(got, unwell) {
			return
		} else if time.Since(began) > 3*time.Minute {
			t.Fatalf("active: %v, want %v", got, unwell)
		}
	}
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

func freePort(t *testing.T) string {
	t.Helper()
	free, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	return free.LocalAddr().String()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
