package nozzle

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// TestPortFile: readers see the old file or the new one at any time, and a file that is right already is not touched.
func TestPortFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ingress_port.yml")
	if err := writePortFile(path, 1, ""); err != nil {
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
			if err := writePortFile(path, port, ""); err != nil {
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
	if err := writePortFile(path, 1, ""); err != nil {
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

// heldSink holds what it gets until it is released.
type heldSink struct{ entered, release chan struct{} }

func (s heldSink) Add(e *metric.Envelope, tally *metric.Tally) {
	s.entered <- struct{}{}
	<-s.release
	tally[metric.Stored] += uint64(e.Samples())
}

func (heldSink) Flush(*metric.Tally) {}

// TestIngressAccountsBeforeItEnds: what the sink has when the source ends is in the ledger.
func TestIngressAccountsBeforeItEnds(t *testing.T) {
	ca, log := newAuthority(t), newRecordingLog()
	ledger, reg := newTestLedger(t)
	sink := heldSink{make(chan struct{}), make(chan struct{})}
	source, err := newIngress(IngressOptions{ListenAddress: "127.0.0.1:0", TLSConfig: ca.server(t, "metron")},
		testEnv(ledger, func() Sink { return sink }, log.log))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	address, err := source.Addr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := dialIngress(t, address.String(), metronClient(t, ca)).BatchSender(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&loggregator_v2.EnvelopeBatch{Batch: wiretest.EnvelopesV2()[:1]}); err != nil {
		t.Fatal(err)
	}
	receive(t, sink.entered)
	cancel()
	for receive(t, log.lines).message != "a client is gone" { // nothing but the sink is left to wait for
	}
	select {
	case err := <-done:
		t.Fatalf("it ended before its sink: %v", err)
	case <-time.After(100 * time.Millisecond): // no more than a chance to see a defect
	}
	close(sink.release)
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
	if n := total(t, reg, "envelopes_received_total"); n != 1 {
		t.Errorf("%d envelopes received", n)
	}
}

// TestIngressEndsAmidAHandshake: a client that says nothing does not hold up the end, and is nothing to complain
// about then.
func TestIngressEndsAmidAHandshake(t *testing.T) {
	ca := newAuthority(t)
	r := runIngress(t, IngressOptions{TLSConfig: ca.server(t, "metron")})
	connect := func(config *tls.Config) <-chan error {
		raw, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		done := make(chan error, 1)
		go func() { done <- tls.Client(raw, config).HandshakeContext(t.Context()) }()
		return done
	}
	client := func() *tls.Config {
		config := metronClient(t, ca)
		config.NextProtos = []string{"h2"}
		return config
	}
	silent := client()
	if err := receive(t, connect(silent)); err != nil {
		t.Fatal(err)
	}
	for receive(t, r.lines).message != "a client connected" {
	}
	amid, goOn := make(chan struct{}), make(chan struct{})
	slow := client()
	certificate := &slow.Certificates[0]
	slow.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		close(amid)
		<-goOn
		return certificate, nil
	}
	slow.MaxVersion = tls.VersionTLS12 // else a client is done before its certificate is looked at
	failed := connect(slow)
	receive(t, amid)
	r.stop()
	close(goOn)
	if err := receive(t, failed); err == nil {
		t.Error("the handshake went on")
	}
	if n := total(t, r.reg, "source_refusals_total"); n != 0 {
		t.Errorf("%d refusals", n)
	}
}

// TestIngressPortFile: an agent finds the port that was chosen, also while the exporter is being restarted; where the
// file cannot be written the source fails and says so.
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
	source, err := newIngress(IngressOptions{
		ListenAddress: "127.0.0.1:0", TLSConfig: ca.server(t, "metron"),
		PortFile: filepath.Join(path, "x"),
	}, testEnv(ledger, nil, log))
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Run(t.Context()); err == nil ||
		!strings.HasPrefix(err.Error(), "nozzle.ingress.port_file: cannot write ") {
		t.Fatal(err)
	}
}
