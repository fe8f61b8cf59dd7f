package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain lets test scripts run the command, and finds goroutines that tests leave behind.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"exporter": main})
}

type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the command lines in testdata/script, each as a process of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"await": await, "terminate": terminate},
		Setup: func(env *testscript.Env) error {
			var listen net.ListenConfig
			for i, name := range []string{"BUSY", "FREE"} {
				listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				env.Setenv(name, listener.Addr().String())
				if i == 0 {
					env.Defer(func() { _ = listener.Close() })
				} else if err := listener.Close(); err != nil {
					return err
				}
			}
			writeCertificate(t, filepath.Join(env.WorkDir, "tls"))
			return nil
		},
	})
}

// await waits until somebody listens at an address.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for {
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", args[0])
		if err == nil {
			ts.Check(conn.Close())
			return
		}
		runtime.Gosched()
	}
}

// terminate sends SIGTERM to the commands in the background; testscript's own kill cannot.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
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
