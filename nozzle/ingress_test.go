package nozzle

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/watch"
)

func runIngress(t *testing.T, options IngressOptions) *listener {
	t.Helper()
	l, env := newListener(t)
	if options.ListenAddress == "" {
		options.ListenAddress = "127.0.0.1:0"
	}
	source, err := newIngress(options, env)
	if err != nil {
		t.Fatal(err)
	}
	l.stop = run(t, source.Run)
	l.address = listening(t, source.Addr)
	return &l
}

// metronClient is what a forwarder agent shows and demands.
func metronClient(tb testing.TB, ca *authority) *tls.Config {
	tb.Helper()
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: "metron", RootCAs: ca.pool,
		Certificates: []tls.Certificate{ca.issue(tb, "metron")},
	}
}

func dialIngress(tb testing.TB, address string, config *tls.Config) loggregator_v2.IngressClient {
	tb.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return loggregator_v2.NewIngressClient(conn)
}

// TestIngress: all three calls of the API deliver, whatever an agent's downstream sees.
func TestIngress(t *testing.T) {
	ca := newAuthority(t)
	r := runIngress(t, IngressOptions{TLSConfig: ca.server(t, "metron")})
	if r.ledger.Ready() {
		t.Fatal("nobody is connected, and it is ready")
	}
	client := dialIngress(t, r.address, metronClient(t, ca))
	all := wiretest.EnvelopesV2()
	var want []*loggregator_v2.Envelope // what holds a metric
	for _, e := range all {
		if p := wiretest.OracleV2(e); len(p.Points) > 0 || p.Kind.String() == "counter" || p.Kind.String() == "timer" {
			want = append(want, e)
		}
	}
	expect := func(how string) {
		t.Helper()
		for _, e := range want {
			wiretest.RequireEqual(t, how, receive(t, r.got), wiretest.OracleV2(e))
		}
	}

	batches, err := client.BatchSender(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := batches.Send(&loggregator_v2.EnvelopeBatch{Batch: all}); err != nil {
		t.Fatal(err)
	}
	expect("BatchSender")
	if line := r.await(t, "a client connected"); line.attrs["client"] != "metron" || !r.ledger.Ready() {
		t.Fatalf("%+v", line)
	}
	if _, err := batches.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}

	single, err := client.Sender(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if err := single.Send(e); err != nil {
			t.Fatal(err)
		}
	}
	expect("Sender")
	if _, err := single.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}

	if _, err := client.Send(t.Context(), &loggregator_v2.EnvelopeBatch{Batch: all}); err != nil {
		t.Fatal(err)
	}
	expect("Send")
	requireTotals(t, r.reg, uint64(3*len(all)), "envelopes_received_total", "envelopes_total")
	r.stop()
	if r.ledger.Ready() {
		t.Fatal("stopped, and ready")
	}
}

// TestIngressKnowsItsClients: it is up while a client is connected, not before and not after.
func TestIngressKnowsItsClients(t *testing.T) {
	ca := newAuthority(t)
	r := runIngress(t, IngressOptions{TLSConfig: ca.server(t, "metron")})
	for range 2 {
		conn, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(credentials.NewTLS(metronClient(t, ca))))
		if err != nil {
			t.Fatal(err)
		}
		conn.Connect()
		r.await(t, "a client connected")
		if !r.ledger.Ready() {
			t.Fatal("a client is connected, and it is not ready")
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		r.await(t, "a client is gone")
		if r.ledger.Ready() {
			t.Fatal("the client is gone, and it is ready")
		}
	}
}

// TestIngressRefusals: each kind of bad client has a line and a count of its own, and a good client is served beside
// them.
func TestIngressRefusals(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	files := ca.filesFor(t, t.TempDir(), "metron")
	r := runIngress(t, IngressOptions{TLS: files})
	good := dialIngress(t, r.address, metronClient(t, ca))
	handshake := func(config *tls.Config) func() {
		return func() {
			raw, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			conn := tls.Client(raw, config)
			if conn.Handshake() == nil {
				_, _ = conn.Read(make([]byte, 1)) // until it is turned away
			}
			// A connection that is closed with something unread is reset, which might overtake an alert.
			_ = raw.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, raw)
			_ = raw.Close()
		}
	}
	outdated := ca.issueUntil(t, "metron", time.Now().Add(-time.Minute))
	for _, c := range []struct {
		reason, advice string
		try            func()
	}{
		{
			watch.ReasonClientCertificate, "nozzle.ingress.tls.ca_file",
			handshake(&tls.Config{
				ServerName: "metron", RootCAs: ca.pool,
				Certificates: []tls.Certificate{foreign.issue(t, "metron")},
			}),
		},
		{reasonNoClientCertificate, "shows no certificate", handshake(&tls.Config{ServerName: "metron", RootCAs: ca.pool})},
		{
			watch.ReasonServerCertificate, "needs the name metron",
			handshake(&tls.Config{
				ServerName: "reverselogproxy", RootCAs: ca.pool,
				Certificates: []tls.Certificate{ca.issue(t, "metron")},
			}),
		},
		{watch.ReasonTLS, "does not speak TLS", func() {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = conn.Read(make([]byte, 100))
			_ = conn.Close()
		}},
		{reasonClosed, "port scan", func() {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
		}},
		{watch.ReasonCertificateFiles, "mend the files", func() {
			if err := os.Rename(files.KeyFile, files.KeyFile+".away"); err != nil {
				t.Fatal(err)
			}
			handshake(metronClient(t, ca))()
			if err := os.Rename(files.KeyFile+".away", files.KeyFile); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		c.try()
		line := r.await(t, "refused")
		if line.attrs["reason"] != c.reason || !strings.Contains(line.attrs["advice"], c.advice) ||
			line.attrs["remote"] == "" || line.attrs["error"] == "" || line.level != slog.LevelWarn {
			t.Fatalf("want %s, %q: %+v", c.reason, c.advice, line)
		}
		if n := r.ledger.Source(nameIngress).refusals.snapshot()[c.reason]; n != 1 {
			t.Fatalf("%s counted %d times", c.reason, n)
		}
		if _, err := good.Send(t.Context(), &loggregator_v2.EnvelopeBatch{Batch: wiretest.EnvelopesV2()[:1]}); err != nil {
			t.Fatal(err)
		}
		receive(t, r.got)
	}
	// The same again is counted, and not told again within the minute; out of date is as bad as foreign.
	handshake(&tls.Config{ServerName: "metron", RootCAs: ca.pool, Certificates: []tls.Certificate{outdated}})()
	r.stop()
	if n := total(t, r.reg, "source_refusals_total"); n != 7 {
		t.Fatalf("%d refusals", n)
	}
	close(r.lines)
	for line := range r.lines {
		if line.message == "refused" {
			t.Fatalf("told twice: %+v", line)
		}
	}
}

// TestIngressOversized: 10 MiB are accepted, more end the stream with a reason, and the next stream is read.
func TestIngressOversized(t *testing.T) {
	ca := newAuthority(t)
	r := runIngress(t, IngressOptions{TLSConfig: ca.server(t, "metron")})
	client := dialIngress(t, r.address, metronClient(t, ca))
	envelope := func(size int) *loggregator_v2.EnvelopeBatch {
		return &loggregator_v2.EnvelopeBatch{Batch: []*loggregator_v2.Envelope{{
			SourceId: strings.Repeat("s", size),
			Message:  wiretest.GaugeV2("huge"),
		}}}
	}
	_, err := client.Send(t.Context(), envelope(10<<20))
	if status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	stream, err := client.BatchSender(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(envelope(10 << 20)); err != nil {
		t.Fatal(err)
	}
	if line := r.await(t, "refused"); line.attrs["reason"] != watch.ReasonOversized ||
		line.attrs["limit_bytes"] != "10485760" {
		t.Fatalf("%+v", line)
	}
	if _, err := client.Send(t.Context(), envelope(9<<20)); err != nil {
		t.Fatal(err)
	}
	if p := receive(t, r.got); len(p.SourceID) != 9<<20 {
		t.Fatalf("%d bytes", len(p.SourceID))
	}
}

// TestIngressMalformed: garbage is counted and reported once, and what follows it in the stream is taken.
func TestIngressMalformed(t *testing.T) {
	ca := newAuthority(t)
	r := runIngress(t, IngressOptions{TLSConfig: ca.server(t, "metron")})
	conn, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(credentials.NewTLS(metronClient(t, ca))))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, method := range []string{"BatchSender", "Sender"} {
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/loggregator.v2.Ingress/"+method,
			grpc.ForceCodecV2(rawCodec{}))
		if err != nil {
			t.Fatal(err)
		}
		good := wiretest.BatchOf(t, wiretest.EnvelopesV2()[0])
		if method == "Sender" {
			good = good[2:]
			for good[0] != 0x08 { // the length has one or two bytes
				good = good[1:]
			}
		}
		for _, message := range [][]byte{{0xff}, {}, good} {
			if err := stream.SendMsg(rawMessage(message)); err != nil {
				t.Fatal(err)
			}
		}
		wiretest.RequireEqual(t, method, receive(t, r.got), wiretest.OracleV2(wiretest.EnvelopesV2()[0]))
	}
	r.stop() // a message is accounted for after the sink has it
	// A batch without envelopes is nothing; an empty envelope is one without a message.
	requireMetrics(t, r.reg, `
# HELP loggregator_exporter_envelopes_total Envelopes by what became of them.
# TYPE loggregator_exporter_envelopes_total counter
loggregator_exporter_envelopes_total{outcome="converted",source="ingress"} 2
loggregator_exporter_envelopes_total{outcome="filtered",source="ingress"} 0
loggregator_exporter_envelopes_total{outcome="ignored",source="ingress"} 1
loggregator_exporter_envelopes_total{outcome="malformed",source="ingress"} 2
`, metricPrefix+"envelopes_total")
}

func TestIngressAddressInUse(t *testing.T) {
	ca := newAuthority(t)
	taken := runIngress(t, IngressOptions{TLSConfig: ca.server(t, "metron")})
	ledger, _ := newTestLedger(t)
	log, _ := newTestLog()
	source, err := newIngress(IngressOptions{ListenAddress: taken.address, TLSConfig: ca.server(t, "metron")},
		testEnv(ledger, nil, log))
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Run(t.Context()); err == nil ||
		!strings.HasPrefix(err.Error(), "nozzle.ingress.listen_address: cannot listen on "+taken.address) {
		t.Fatal(err)
	}
}

// TestIngressWarnsOfItsName: every agent would refuse a certificate without the name metron.
func TestIngressWarnsOfItsName(t *testing.T) {
	ca := newAuthority(t)
	r := runIngress(t, IngressOptions{TLSConfig: ca.server(t, "exporter")})
	if line := r.await(t, "forwarder agents will refuse our certificate"); !strings.Contains(line.attrs["error"],
		"metron") {
		t.Fatalf("%+v", line)
	}
	clients := ca.issueFor(t, "metron", x509.ExtKeyUsageClientAuth)
	if err := namesServer(&clients, "metron"); err == nil || !strings.Contains(err.Error(), "serverAuth") {
		t.Fatal(err)
	}
}

func TestIngressOptionErrors(t *testing.T) {
	ledger, _ := newTestLedger(t)
	for _, c := range []struct {
		options IngressOptions
		want    string
	}{
		{IngressOptions{ListenAddress: ":1"}, `nozzle.ingress.tls.ca_file: not set`},
	} {
		if _, err := newIngress(c.options, testEnv(ledger, nil, slog.Default())); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.options, err, c.want)
		}
	}
}
