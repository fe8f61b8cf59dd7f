package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/config"
)

// certificatePEM makes certificates that end at some Unix times.
func certificatePEM(t *testing.T, ends ...int64) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, end := range ends {
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), NotAfter: time.Unix(end, 0)}
		der, err := x509.CreateCertificate(nil, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// expect compares what is exposed with the lines wanted, each a setting and a value.
func expect(t *testing.T, c *certificates, lines ...string) {
	t.Helper()
	var want strings.Builder
	if len(lines) > 0 {
		want.WriteString("# HELP loggregator_exporter_certificate_expiry_timestamp_seconds Unix time at which the " +
			"certificates of a file that " +
			"the configuration names are no longer valid; 0 if there are none that can be read.\n" +
			"# TYPE loggregator_exporter_certificate_expiry_timestamp_seconds gauge\n")
	}
	for _, line := range lines {
		setting, value, _ := strings.Cut(line, " ")
		want.WriteString(`loggregator_exporter_certificate_expiry_timestamp_seconds{setting="` + setting + `"} ` + value +
			"\n")
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(want.String())); err != nil {
		t.Error(err)
	}
}

// TestCertificates: a chain ends with its first certificate and a bundle with its last; files are read anew each
// time, and what cannot be read is 0 and harms nothing else.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Nozzle.RLP.Enabled, cfg.Nozzle.RLP.TLS.CAFile = true,
		write(t, filepath.Join(dir, "ca.crt"), certificatePEM(t, 2000, 3000, 1000))
	cfg.Nozzle.RLP.TLS.CertFile = write(t, filepath.Join(dir, "client.crt"),
		"text before\n"+certificatePEM(t, 2000, 1000, 3000))
	cfg.Nozzle.Ingress.TLS.CertFile = "of a source that is off"
	cfg.Nozzle.Gateway.Enabled, cfg.Nozzle.Gateway.TLS.CAFile = true, filepath.Join(dir, "missing.crt")
	cfg.UAA.TLS.CAFile = write(t, filepath.Join(dir, "uaa.crt"),
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END "+
			"PRIVATE KEY-----\n")
	cfg.RemoteWrite.Enabled, cfg.RemoteWrite.TLS.CertFile = true, dir
	cfg.Web.ConfigFile = filepath.Join(dir, "web.yml")
	c := newCertificates(cfg)
	others := []string{"nozzle.gateway.tls.ca_file 0", "nozzle.rlp.tls.ca_file 3000"}
	more := []string{"remote_write.tls.cert_file 0", "uaa.tls.ca_file 0"}
	expect(t, c, append(append(others, "nozzle.rlp.tls.cert_file 1000"), more...)...)

	write(t, filepath.Join(dir, "client.crt"), certificatePEM(t, 5000))
	write(t, filepath.Join(dir, "server.crt"), certificatePEM(t, 6000))
	write(t, cfg.Web.ConfigFile, "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: "+
		"ca.crt}\n")
	expect(t, c, append(append(append(others, "nozzle.rlp.tls.cert_file 5000"), more...),
		"web.config_file/tls_server_config.cert_file 6000", "web.config_file/tls_server_config.client_ca_file 3000")...)
}

// TestCertificatesOfNothing: without files there is no series.
func TestCertificatesOfNothing(t *testing.T) {
	expect(t, newCertificates(config.Default()))
}
