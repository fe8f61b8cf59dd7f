package nozzle

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/testing/protocmp"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/watch"
)

// testRLP serves the batches that a test puts into it.
type testRLP struct {
	loggregator_v2.UnimplementedEgressServer
	requests chan *loggregator_v2.EgressBatchRequest
	batches  chan *loggregator_v2.EnvelopeBatch
	end      chan struct{} // ends a stream in order
	ended    chan struct{} // tells that a stream ended

	address string
	server  *grpc.Server
}

func (s *testRLP) BatchedReceiver(r *loggregator_v2.EgressBatchRequest,
	stream loggregator_v2.Egress_BatchedReceiverServer,
) error {
	s.requests <- r
	defer func() { s.ended <- struct{}{} }()
	for {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-s.end:
			return nil
		case b := <-s.batches:
			if err := stream.Send(b); err != nil {
				return err
			}
		}
	}
}

// serveRLP starts a server at an address that holdPort returned.
func serveRLP(t *testing.T, address string, config *tls.Config) *testRLP {
	t.Helper()
	s := &testRLP{
		requests: make(chan *loggregator_v2.EgressBatchRequest, 100), batches: make(chan *loggregator_v2.EnvelopeBatch),
		end: make(chan struct{}), ended: make(chan struct{}, 100),
	}
	s.serve(t, address, grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.MaxSendMsgSize(64<<20)))
	return s
}

func (s *testRLP) serve(t *testing.T, address string, server *grpc.Server) {
	t.Helper()
	listener := listenHeld(t, address)
	s.address, s.server = address, server
	loggregator_v2.RegisterEgressServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := receive(t, done); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
}

// runningRLP is a source that runs.
type runningRLP struct {
	ledger *Ledger
	reg    *prometheus.Registry
	got    channelSink
	lines  chan logLine
	stop   func()
}

// allKinds is what most tests ask for. However long a test takes, silence is no reason for a new stream.
var allKinds = StreamOptions{Selectors: []string{"gauge", "counter", "timer"}, IdleTimeout: time.Hour}

func runRLP(t *testing.T, options RLPOptions, stream StreamOptions) *runningRLP {
	t.Helper()
	r := &runningRLP{got: make(channelSink, 1000)}
	r.ledger, r.reg = newTestLedger(t)
	log, lines := newTestLog()
	r.lines = lines
	source, err := newRLP(options, stream, testEnv(r.ledger, func() Sink { return r.got }, log))
	if err != nil {
		t.Fatal(err)
	}
	source.keeper.Retry = watch.Backoff{First: time.Millisecond, Limit: 20 * time.Millisecond}
	r.stop = run(t, source.Run)
	return r
}

// await returns the next log line with the reason, or the message where it has none.
func (r *runningRLP) await(t *testing.T, reasonOrMessage string) logLine {
	t.Helper()
	for {
		line := receive(t, r.lines)
		if line.attrs["reason"] == reasonOrMessage || line.message == reasonOrMessage {
			return line
		}
		// Lines of another reason would be a wrong diagnosis; those of success are of no interest.
		if reason, is := line.attrs["reason"]; is {
			t.Fatalf("reason %s instead of %s: %+v", reason, reasonOrMessage, line)
		}
	}
}

const connectedMessage = "connected to the reverse log proxy"

func TestRLP(t *testing.T) {
	ca := newAuthority(t)
	server := serveRLP(t, holdPort(t), ca.server(t, "reverselogproxy"))
	r := runRLP(t, RLPOptions{Address: server.address, ServerName: "reverselogproxy", TLS: ca.files(t, t.TempDir())},
		StreamOptions{ShardID: "shard", DeterministicName: "3", Selectors: allKinds.Selectors, IdleTimeout: time.Hour})

	want := &loggregator_v2.EgressBatchRequest{
		ShardId: "shard", DeterministicName: "3", UsePreferredTags: true,
		Selectors: []*loggregator_v2.Selector{
			{Message: &loggregator_v2.Selector_Gauge{Gauge: &loggregator_v2.GaugeSelector{}}},
			{Message: &loggregator_v2.Selector_Counter{Counter: &loggregator_v2.CounterSelector{}}},
			{Message: &loggregator_v2.Selector_Timer{Timer: &loggregator_v2.TimerSelector{}}},
		},
	}
	if diff := cmp.Diff(want, receive(t, server.requests), protocmp.Transform()); diff != "" {
		t.Fatal(diff)
	}
	r.await(t, connectedMessage)
	if !r.ledger.Ready() {
		t.Fatal("connected, and not ready")
	}
	// One batch in one buffer, and one of more than gRPC's own limit of 4 MiB, which comes in many.
	all := wiretest.EnvelopesV2()
	huge := &loggregator_v2.Envelope{SourceId: strings.Repeat("s", 6<<20), Message: wiretest.GaugeV2("huge")}
	server.batches <- &loggregator_v2.EnvelopeBatch{Batch: all[:3]}
	server.batches <- &loggregator_v2.EnvelopeBatch{Batch: []*loggregator_v2.Envelope{huge, all[0]}}
	server.batches <- &loggregator_v2.EnvelopeBatch{}
	for _, e := range []*loggregator_v2.Envelope{all[0], all[1], all[2], huge, all[0]} {
		wiretest.RequireEqual(t, "envelope", receive(t, r.got), wiretest.OracleV2(e))
	}
	r.stop()
	if r.ledger.Ready() {
		t.Fatal("stopped, and ready")
	}
	if got := total(t, r.reg, "envelopes_received_total"); got != 5 {
		t.Fatalf("%d received", got)
	}
}

// TestRLPComesLaterAndRestarts: an RLP that is not there yet is reported and found, one that ends or breaks is found
// again.
func TestRLPComesLaterAndRestarts(t *testing.T) {
	ca := newAuthority(t)
	config := ca.server(t, "reverselogproxy")
	address := holdPort(t)
	r := runRLP(t, RLPOptions{Address: address, ServerName: "reverselogproxy", TLSConfig: ca.client(t)}, allKinds)
	line := r.await(t, watch.ReasonUnreachable)
	if line.attrs["address"] != address || !strings.Contains(line.attrs["advice"], "nozzle.rlp.address") ||
		!strings.Contains(line.attrs["error"], "connection refused") {
		t.Fatalf("%+v", line)
	}
	if r.ledger.Ready() {
		t.Fatal("ready without a server")
	}

	batch := &loggregator_v2.EnvelopeBatch{Batch: wiretest.EnvelopesV2()[:1]}
	first := serveRLP(t, address, config)
	first.batches <- batch
	receive(t, r.got)
	drain(r.lines)
	first.end <- struct{}{}
	r.await(t, watch.ReasonEnded)
	receive(t, first.requests)
	first.batches <- batch
	receive(t, r.got)

	drain(r.lines)
	first.server.Stop()
	r.await(t, watch.ReasonLost)
	second := serveRLP(t, address, config)
	second.batches <- batch
	receive(t, r.got)
	r.stop()
	account := r.ledger.Source("rlp")
	reasons := account.reconnects.snapshot()
	if reasons[watch.ReasonUnreachable] == 0 || reasons[watch.ReasonEnded] != 1 || reasons[watch.ReasonLost] != 1 {
		t.Fatalf("%v", reasons)
	}
}

func drain(lines chan logLine) {
	for {
		select {
		case <-lines:
		default:
			return
		}
	}
}

// serveHTTPS answers as a server that knows HTTP/1.1 only: the RLP's gateway behind an old load balancer, or UAA.
func serveHTTPS(t *testing.T, config *tls.Config) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// TestRLPSetUpMistakes: each has a line of its own that says what to look at.
func TestRLPSetUpMistakes(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	serve := func(config *tls.Config) string { return serveRLP(t, holdPort(t), config).address }
	good := serve(ca.server(t, "reverselogproxy"))
	withoutCertificate := ca.client(t)
	withoutCertificate.Certificates = nil
	withForeign := ca.client(t)
	withForeign.Certificates = foreign.client(t).Certificates
	old := ca.server(t, "reverselogproxy")
	old.MaxVersion = tls.VersionTLS12

	plaintext := &testRLP{}
	plaintext.serve(t, holdPort(t), grpc.NewServer())

	for _, c := range []struct {
		name    string
		address string
		config  *tls.Config
		reason  string
		advice  string
	}{
		{
			"server of another authority", serve(foreign.server(t, "reverselogproxy")), ca.client(t),
			watch.ReasonServerCertificate, "nozzle.rlp.tls.ca_file",
		},
		{
			"server of another name", serve(ca.server(t, "doppler")), ca.client(t), watch.ReasonServerName,
			`"reverselogproxy"; is nozzle.rlp.server_name right`,
		},
		{"no client certificate", good, withoutCertificate, watch.ReasonClientCertificate, "nozzle.rlp.tls.cert_file"},
		{"client of another authority", good, withForeign, watch.ReasonClientCertificate, "nozzle.rlp.tls.cert_file"},
		{
			"client of another authority, TLS 1.2", serve(old), withForeign, watch.ReasonClientCertificate,
			"nozzle.rlp.tls.cert_file",
		},
		{"server without TLS", plaintext.address, ca.client(t), watch.ReasonTLS, "does not speak TLS"},
		{
			"server of HTTPS", serveHTTPS(t, ca.server(t, "reverselogproxy")), ca.client(t), watch.ReasonTLS,
			"no gRPC; is nozzle.rlp.address",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runRLP(t, RLPOptions{Address: c.address, ServerName: "reverselogproxy", TLSConfig: c.config}, allKinds)
			line := r.await(t, c.reason)
			if line.level != slog.LevelWarn || !strings.Contains(line.attrs["advice"], c.advice) || line.attrs["error"] == "" ||
				line.attrs["retry_in"] == "" {
				t.Fatalf("%+v", line)
			}
			// It goes on trying.
			r.await(t, c.reason)
			r.stop()
			account := r.ledger.Source("rlp")
			if n := account.reconnects.snapshot()[c.reason]; n < 2 {
				t.Fatalf("%d reconnects", n)
			}
		})
	}
}

// TestRLPRefused: the address may be that of another gRPC server of the foundation.
func TestRLPRefused(t *testing.T) {
	ca := newAuthority(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(ca.server(t, "reverselogproxy"))))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	r := runRLP(t, RLPOptions{Address: listener.Addr().String(), ServerName: "reverselogproxy", TLSConfig: ca.client(t)},
		allKinds)
	r.await(t, watch.ReasonRefused)
	r.stop()
	if r.ledger.Ready() {
		t.Fatal("ready")
	}
}

func TestRLPOversizedMessage(t *testing.T) {
	ca := newAuthority(t)
	server := serveRLP(t, holdPort(t), ca.server(t, "reverselogproxy"))
	r := runRLP(t, RLPOptions{Address: server.address, ServerName: "reverselogproxy", TLSConfig: ca.client(t)}, allKinds)
	server.batches <- &loggregator_v2.EnvelopeBatch{Batch: []*loggregator_v2.Envelope{{SourceId: strings.Repeat("s",
		rlpMaxMessage+1)}}}
	r.await(t, watch.ReasonOversized)
	receive(t, server.ended)
	server.batches <- &loggregator_v2.EnvelopeBatch{Batch: wiretest.EnvelopesV2()[:1]}
	receive(t, r.got)
}

// TestRLPMalformedBatch: the stream goes on, the broken envelope is counted and reported.
func TestRLPMalformedBatch(t *testing.T) {
	ca := newAuthority(t)
	good := wiretest.BatchOf(t, wiretest.EnvelopesV2()[0])
	messages := make(chan []byte)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(ca.server(t, "reverselogproxy"))),
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			for {
				select {
				case <-stream.Context().Done():
					return nil
				case m := <-messages:
					if err := stream.SendMsg(rawMessage(m)); err != nil {
						return err
					}
				}
			}
		}))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	options := RLPOptions{Address: listener.Addr().String(), ServerName: "reverselogproxy", TLSConfig: ca.client(t)}
	r := runRLP(t, options, allKinds)
	messages <- append(append([]byte{}, good...), 0x0a, 0x7f)
	receive(t, r.got)
	line := r.await(t, "malformed envelopes")
	if line.attrs["malformed"] != "1" {
		t.Fatalf("%+v", line)
	}
	messages <- good
	receive(t, r.got)
	r.stop()
	account := r.ledger.Source("rlp")
	if account.received.Load() != 3 || account.envelopes[converted].Load() != 2 ||
		account.envelopes[malformed].Load() != 1 {
		t.Fatalf("%d received", account.received.Load())
	}
}

// TestRLPRotatesCertificates: files that change under the source are read for the next connection; half-written ones
// are waited for.
func TestRLPRotatesCertificates(t *testing.T) {
	dir := t.TempDir()
	first, second := newAuthority(t), newAuthority(t)
	files := first.files(t, dir)
	server := serveRLP(t, holdPort(t), first.server(t, "reverselogproxy"))
	r := runRLP(t, RLPOptions{Address: server.address, ServerName: "reverselogproxy", TLS: files}, allKinds)
	r.await(t, connectedMessage)
	if err := os.WriteFile(files.KeyFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.end <- struct{}{}
	r.await(t, watch.ReasonEnded)
	if line := r.await(t, watch.ReasonCertificateFiles); !strings.Contains(line.attrs["error"], files.KeyFile) {
		t.Fatalf("%+v", line)
	}
	server.server.Stop()
	renewed := serveRLP(t, server.address, second.server(t, "reverselogproxy"))
	second.files(t, dir)
	renewed.batches <- &loggregator_v2.EnvelopeBatch{Batch: wiretest.EnvelopesV2()[:1]}
	if p := receive(t, r.got); p.Kind != metric.KindGauge {
		t.Fatalf("%+v", p)
	}
}

func TestRLPOptionErrors(t *testing.T) {
	dir := t.TempDir()
	good := newAuthority(t).files(t, dir)
	other := newAuthority(t).files(t, t.TempDir())
	empty := dir + "/empty.pem"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	change := func(f func(*TLSOptions)) RLPOptions {
		o := RLPOptions{Address: "127.0.0.1:8082", TLS: good}
		f(&o.TLS)
		return o
	}
	for _, c := range []struct {
		options RLPOptions
		want    string
	}{
		{change(func(o *TLSOptions) { o.CAFile = "" }), `nozzle.rlp.tls.ca_file: not set`},
		{change(func(o *TLSOptions) { o.CertFile = "" }), `nozzle.rlp.tls.cert_file: not set`},
		{change(func(o *TLSOptions) { o.KeyFile = "" }), `nozzle.rlp.tls.key_file: not set`},
		{change(func(o *TLSOptions) { o.CAFile = dir + "/none" }), `nozzle.rlp.tls.ca_file: open ` + dir +
			`/none: no such file or directory`},
		{change(func(o *TLSOptions) { o.CAFile = empty }), `nozzle.rlp.tls.ca_file: ` + empty +
			` holds no PEM certificate`},
		{change(func(o *TLSOptions) { o.CertFile = dir + "/none" }), `nozzle.rlp.tls.cert_file: open ` + dir +
			`/none: no such file or directory`},
		{change(func(o *TLSOptions) { o.KeyFile = dir + "/none" }), `nozzle.rlp.tls.key_file: open ` + dir +
			`/none: no such file or directory`},
		{
			change(func(o *TLSOptions) { o.KeyFile = other.KeyFile }),
			`nozzle.rlp.tls: cert_file ` + good.CertFile + ` with key_file ` + other.KeyFile +
				`: tls: private key does not match public key`,
		},
	} {
		ledger, _ := newTestLedger(t)
		if _, err := newRLP(c.options, allKinds, testEnv(ledger, nil, slog.Default())); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}
