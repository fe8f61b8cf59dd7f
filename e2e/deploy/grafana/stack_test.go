package grafana

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

var listensAt = regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:\d+)`)

// startStack runs the simulated foundation, two exporters and a Prometheus that scrapes them. One exporter reads the
// reverse log proxy, names an environment and has everything on that can be; the other one reads the gateway with a
// token of UAA, and names none.
func startStack(t *testing.T) prometheusServer {
	t.Helper()
	ctx := t.Context()
	f, err := foundation.New(foundation.Options{
		Seed: 1, Interval: 2 * time.Second, RequestsPerSecond: 50, HTTPS: foundation.HTTPSOptions{On: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	running, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- f.Run(running) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	exporter := peer.Exporter(t)
	first := startExporter(t, exporter, proxyReader(t, f, startSink(t)))
	second := startExporter(t, exporter, gatewayReader(t, f))
	if err := f.AwaitReaders(ctx, 2); err != nil {
		t.Fatal(err)
	}
	misbehave(f)
	return startPrometheus(t, first, second)
}

// startSink takes what is pushed.
func startSink(t *testing.T) string {
	t.Helper()
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(sink.Close)
	return sink.URL
}

func proxyReader(t *testing.T, f *foundation.Foundation, pushTo string) string {
	t.Helper()
	files, err := f.WriteClientFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	downstream, err := f.WriteDownstreamFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`
nozzle:
  deterministic_name: proxy
  allow_overlap: true # nobody sends to these two
  syslog: {enabled: true, listen_address: "127.0.0.1:0"}
  otlp: {enabled: true, listen_address: "127.0.0.1:0"}
  rlp: {enabled: true, address: %q, tls: {ca_file: %q, cert_file: %q, key_file: %q}}
  ingress: {enabled: true, listen_address: "127.0.0.1:0", tls: {ca_file: %q, cert_file: %q, key_file: %q}}
metrics: {environment: demo, max_series_per_owner: 1000000}
remote_write: {enabled: true, url: %q, interval: 1s}
web: {listen_address: "127.0.0.1:0"}
`, f.RLPAddress(), files.CA, files.Certificate, files.Key, downstream.CA, downstream.Certificate, downstream.Key, pushTo)
}

func gatewayReader(t *testing.T, f *foundation.Foundation) string {
	t.Helper()
	files, err := f.WriteClientFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id, secret := f.UAAClient()
	return fmt.Sprintf(`
nozzle:
  shard_id: gateway
  selectors: [timer]
  gateway: {enabled: true, url: %q, tls: {ca_file: %q}}
uaa: {url: %q, client_id: %q, client_secret: %q, tls: {ca_file: %q}}
web: {listen_address: "127.0.0.1:0"}
`, f.GatewayURL(), files.CA, f.UAAURL(), id, secret, files.CA)
}

func startExporter(t *testing.T, exporter, config string) (address string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exporter.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return peer.Start(t, listensAt, exporter, "run", "--config", file).Found
}

// misbehave sends what a healthy foundation does not: a label with two values, and two names of one series.
func misbehave(f *foundation.Foundation) {
	for _, name := range []string{"bbs.Labelled", "bbs.Unsteady", "Unsteady"} {
		tags := map[string]string{"origin": "bbs", "deployment": "cf"}
		if name == "bbs.Labelled" {
			tags["component"] = "somebody"
		}
		gauge := &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{name: {Value: 1}}}
		f.Publish(&loggregator_v2.Envelope{
			Timestamp: time.Now().UnixNano(), SourceId: "bbs", Tags: tags,
			Message: &loggregator_v2.Envelope_Gauge{Gauge: gauge},
		})
	}
}

func startPrometheus(t *testing.T, exporters ...string) prometheusServer {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 2s, scrape_timeout: 2s}
scrape_configs: [{job_name: loggregator_exporter, static_configs: [{targets: [%q, %q]}]}]
`, exporters[0], exporters[1])
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := peer.Start(t, listensAt, peer.Prometheus().File(t), "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	peer.AwaitReady(t.Context(), t, "http://"+p.Found)
	return prometheusServer{"http://" + p.Found}
}
