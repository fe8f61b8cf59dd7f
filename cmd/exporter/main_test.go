package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"loggregator_exporter/internal/leaks"
)

// TestMain lets test scripts run the command, and sees to what tests find and leave behind.
func TestMain(m *testing.M) {
	testscript.Main(sheltered{m}, map[string]func(){"exporter": main})
}

type sheltered struct{ m *testing.M }

// Run takes away what the exporter would read of the tests' environment, and finds goroutines that tests leave behind.
func (s sheltered) Run() int {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name == "PORT" || name == "KUBERNETES_SERVICE_HOST" || name == "BOSH_INSTANCE_INDEX" ||
			strings.HasPrefix(name, "VCAP_") ||
			strings.HasPrefix(name, "CF_INSTANCE_") || strings.HasPrefix(name, "LOGGREGATOR_EXPORTER_") {
			_ = os.Unsetenv(name)
		}
	}
	return leaks.Check(s.m.Run())
}

// TestScripts runs the command lines in testdata/script, each as a process of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Setenv("BUSY", listener.Addr().String())
			env.Defer(func() { _ = listener.Close() })
			writeCertificate(t, filepath.Join(env.WorkDir, "tls"))
			return nil
		},
	})
}

// command runs a command line in this process.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = execute(args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// writeCertificate writes a certificate for the name exporter, which signed itself, and its key: tls.crt and tls.key.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "exporter"}, DNSNames: []string{"exporter"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyBytes, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: cert},
		"tls.key": {Type: "PRIVATE KEY", Bytes: keyBytes},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
