package bosh

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/e2e/deploy/service"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

// agent is what sends to an exporter.
type agent interface {
	Emit(e *loggregator_v2.Envelope)
	Run(ctx context.Context) error
}

// TestSenders: with the manifests that the ops files make, the agents of a VM accept the exporter's certificate by the
// name that they ask for, the exporter accepts theirs, and a metric arrives.
func TestSenders(t *testing.T) {
	a, release := newAuthority(t), releaseDir(t)
	for name, c := range map[string]struct {
		job, at, listen, logged string
		files                   []string
		agent                   func(config *tls.Config, address string) agent
		server                  string // the name that the agent asks for
	}{
		"aggregate drain": {
			job: nozzleJob, at: nozzle, listen: "SYSLOG", logged: `listening for syslog agents.* address=(\S+)`,
			files: []string{"operations/add-exporter.yml", "operations/aggregate-drain.yml"}, server: exporterHost,
			agent: func(config *tls.Config, address string) agent {
				return foundation.NewSyslogAgent(foundation.SyslogAgentOptions{Address: address, TLS: config})
			},
		},
		"in the collector's place": {
			job: sidecarJob, at: sidecar, listen: "OTLP", logged: `listening for metrics of OpenTelemetry.* address=(\S+)`,
			files: []string{"operations/add-sidecar.yml", "operations/sidecar-otlp.yml"}, server: "otel-collector",
			agent: func(config *tls.Config, address string) agent {
				o := foundation.NewOTLPAgent(foundation.OTLPAgentOptions{Retries: true})
				o.Connect(config, int(netip.MustParseAddrPort(address).Port()))
				return o
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := apply(release, "testdata/cf-deployment.yml", nil, c.files...)
			if err != nil {
				t.Fatal(err)
			}
			properties, err := find(doc, c.at+"/properties")
			if err != nil {
				t.Fatal(err)
			}
			r, err := render(t, release, c.job, &set{properties: fill(properties, a).(map[string]any)})
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			if err := r.install(root, c.job, exporter(t)); err != nil {
				t.Fatal(err)
			}
			config := filepath.Join(root, "var/vcap/jobs", c.job, "config/exporter.yml")
			cmd := exec.CommandContext(context.WithoutCancel(t.Context()), exporter(t), "run", "--config", config)
			cmd.Env = append(cmd.Environ(), "LOGGREGATOR_EXPORTER_WEB_LISTEN_ADDRESS=127.0.0.1:0",
				"LOGGREGATOR_EXPORTER_NOZZLE_"+c.listen+"_LISTEN_ADDRESS=127.0.0.1:0")
			running := service.Start(t, cmd, `Listening on.* address=(\S+)`, c.logged)
			send(t, c.agent(a.client(t, c.server), running.Found[1]))
			peer.Until(peer.Within(t, peer.Patience), t, "the gauge", func() string {
				page := string(peer.Get(t, "http://"+running.Found[0]+"/metrics").Body)
				if !strings.Contains(page, "\ncf_active_locks{") {
					return "there is none"
				}
				return ""
			})
		})
	}
}

// send lets an agent send a gauge, and runs it until the test ends.
func send(t *testing.T, a agent) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	gauge := &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{"ActiveLocks": {Value: 3}}}
	a.Emit(&loggregator_v2.Envelope{
		Timestamp: time.Now().UnixNano(), SourceId: "bbs", Tags: map[string]string{"origin": "bbs"},
		Message: &loggregator_v2.Envelope_Gauge{Gauge: gauge},
	})
}

// client returns the configuration of an agent's connections to a server of a name.
func (a *authority) client(t *testing.T, server string) *tls.Config {
	t.Helper()
	own, err := tls.X509KeyPair([]byte(a.cert), []byte(a.key))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.ca)) {
		t.Fatal("no CA")
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: server, RootCAs: roots, Certificates: []tls.Certificate{own},
	}
}
