package nozzle

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPortFile: readers see the old file or the new one at any time, and a file that is right already is not touched.
func TestPortFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ingress_port.yml")
	if err := writePortFile(path, 1); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	bad := make(chan string, 1)
	go func() {
		defer close(bad)
		for {
			text, err := os.ReadFile(path)
			if s := string(text); err != nil || s != "ingress: 1\n" && s != "ingress: 65535\n" {
				bad <- s
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 200 {
		for _, port := range []int{65535, 1} {
			if err := writePortFile(path, port); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	if text, is := <-bad; is {
		t.Fatalf("a reader saw %q", text)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := writePortFile(path, 1); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || after.Mode().Perm() != 0o644 {
		t.Fatalf("%v, mode %v", err, after.Mode())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("left over: %v, %v", entries, err)
	}
}

// TestIngressPortFile: an agent finds the port that was chosen, also while the exporter is being restarted; where the file
// cannot be written the source fails and says so.
func TestIngressPortFile(t *testing.T) {
	ca := newAuthority(t)
	path := filepath.Join(t.TempDir(), "ingress_port.yml")
	r := runIngress(t, IngressOptions{TLSConfig: ca.server(t, "metron"), PortFile: path})
	_, port, _ := net.SplitHostPort(r.address)
	for range 2 {
		if text, err := os.ReadFile(path); err != nil || string(text) != "ingress: "+port+"\n" {
			t.Fatalf("%q, %v", text, err)
		}
		r.stop()
	}
	ledger, _ := newTestLedger(t)
	log, _ := newTestLog()
	source, err := NewIngress(IngressOptions{ListenAddress: "127.0.0.1:0", TLSConfig: ca.server(t, "metron"), PortFile: filepath.Join(path, "x")}, ledger, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "nozzle.ingress.port_file: cannot write ") {
		t.Fatal(err)
	}
}
