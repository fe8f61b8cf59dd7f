package nozzle

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/internal/wiretest"
)

const (
	drainName     = "exporter.service.cf.internal"
	syslogMessage = `<14>1 2026-11-18T11:06:40.123456+00:00 - s [0] - [gauge@47450 name="n" value="1" unit="u"] ` + "\n"
)

// framed writes a message with its octet count.
func framed(message string) string { return fmt.Sprintf("%d %s", len(message), message) }

// runningSyslog is a source that listens.
type runningSyslog struct {
	listener

	t      *testing.T
	source *Syslog
}

func runSyslog(t *testing.T, options SyslogOptions) *runningSyslog {
	t.Helper()
	l, env := newListener(t)
	r := &runningSyslog{listener: l, t: t}
	r.start(env, options)
	return r
}

func (r *runningSyslog) start(env *Env, options SyslogOptions) {
	r.t.Helper()
	if options.ListenAddress == "" {
		options.ListenAddress = "127.0.0.1:0"
	}
	if options.MaxMessageBytes == 0 {
		options.MaxMessageBytes = 64 << 10
	}
	if options.MaxConnections == 0 {
		options.MaxConnections = 100
	}
	var err error
	if r.source, err = newSyslog(options, env); err != nil {
		r.t.Fatal(err)
	}
	r.stop = run(r.t, r.source.Run)
	r.address = listening(r.t, r.source.Addr)
}

// dial connects, without TLS where there is no configuration.
func (r *runningSyslog) dial(config *tls.Config) net.Conn {
	r.t.Helper()
	raw, err := net.Dial("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = raw.Close() })
	if config == nil {
		return raw
	}
	conn := tls.Client(raw, config)
	if err := conn.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// send writes text, which is taken.
func (r *runningSyslog) send(conn net.Conn, text string) {
	r.t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		r.t.Fatal(err)
	}
}

// await returns the next log line with a message.
func (r *runningSyslog) await(message string) logLine {
	r.t.Helper()
	return awaitLine(r.t, r.lines, message)
}

func (r *runningSyslog) value(name string) float64 {
	r.t.Helper()
	return value(r.t, r.reg, name)
}

// refusals is how often a reason was counted.
func (r *runningSyslog) refusals(reason string) uint64 {
	a := r.ledger.Source(nameSyslog)
	return a.refusals.snapshot()[reason]
}

// agentTLS is what an agent shows and trusts.
func agentTLS(tb testing.TB, ca *authority) *tls.Config {
	tb.Helper()
	config := ca.client(tb)
	config.ServerName = drainName
	return config
}

// issueRSA makes a certificate with the kind of key that BOSH makes, whose cipher suites TLS 1.2 agents are limited
// to.
func (a *authority) issueRSA(tb testing.TB, name string) tls.Certificate {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// requireOutcomes compares what became of envelopes.
func (r *runningSyslog) requireOutcomes(want map[string]float64) {
	r.t.Helper()
	got := map[string]float64{}
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != metricPrefix+"envelopes_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if v := m.GetCounter().GetValue(); l.GetName() == "outcome" && v > 0 {
					got[l.GetValue()] += v
				}
			}
		}
	}
	wiretest.RequireEqual(r.t, "outcomes", got, want)
	sum := 0.0
	for _, n := range got {
		sum += n
	}
	if n := r.value("envelopes_received_total"); n != sum {
		r.t.Errorf("%v received, %v with an outcome", n, sum)
	}
}

func requireLint(tb testing.TB, reg *prometheus.Registry) {
	tb.Helper()
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		tb.Fatal(problems, err)
	}
}
