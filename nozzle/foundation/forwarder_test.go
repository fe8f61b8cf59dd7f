package foundation

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
)

// downstream takes batches for a test; while nobody takes them from the channel it stalls.
type downstream struct {
	loggregator_v2.UnimplementedIngressServer
	batches chan []*v2
	clients chan string // common names of those who open a stream

	port   string
	server *grpc.Server
}

func (d *downstream) BatchSender(stream loggregator_v2.Ingress_BatchSenderServer) error {
	d.clients <- clientOf(stream.Context())
	for {
		batch, err := stream.Recv()
		if err != nil {
			return err
		}
		select {
		case d.batches <- batch.GetBatch():
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func serveDownstream(t *testing.T, address string, config *tls.Config) *downstream {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	d := &downstream{batches: make(chan []*v2), clients: make(chan string, 10), port: port, server: grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))}
	loggregator_v2.RegisterIngressServer(d.server, d)
	done := make(chan error, 1)
	go func() { done <- d.server.Serve(listener) }()
	t.Cleanup(func() {
		d.server.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return d
}

func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came within 30 s")
		panic("unreachable")
	}
}

func portFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ingress_port.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func runForwarder(t *testing.T, a *Forwarder) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Batches hold at most 100 envelopes, come in order and, where they do not fill, after the interval; the client is metron.
func TestForwarderBatches(t *testing.T) {
	f := newFoundation(t, Options{})
	d := serveDownstream(t, "127.0.0.1:0", f.DownstreamTLS())
	a := NewForwarder(ForwarderOptions{PortFile: portFile(t, "ingress: "+d.port+"\n"), TLS: f.ForwarderTLS()})
	runForwarder(t, a)
	if client := next(t, d.clients); client != "metron" {
		t.Errorf("the agent presents %q", client)
	}
	const count = 1050
	sent := make([]*v2, count)
	for i := range sent {
		sent[i] = deltaOne("n", "0")
		sent[i].Timestamp = int64(i)
		a.Emit(sent[i])
	}
	sizes := make(map[int]int)
	for got := 0; got < count; {
		batch := next(t, d.batches)
		sizes[len(batch)]++
		for _, e := range batch {
			if !proto.Equal(e, sent[got]) {
				t.Fatalf("envelope %d: %v", got, e)
			}
			got++
		}
	}
	for size := range sizes {
		if size < 1 || size > 100 {
			t.Errorf("batches of %d", size)
		}
	}
	if sizes[100] == 0 {
		t.Errorf("no full batch: %v", sizes)
	}
	for a.Counts().Handed < count {
		runtime.Gosched() // the last batch is received, and counted a moment later
	}
	if c := a.Counts(); c.Handed != count || c.Emitted != count || c.Overflowed+c.Failed != 0 {
		t.Errorf("%+v", c)
	}
}

// A stalled downstream has 10,000 envelopes held for it, beside those in the connection; more are lost, and come never.
func TestForwarderBuffer(t *testing.T) {
	f := newFoundation(t, Options{})
	d := serveDownstream(t, "127.0.0.1:0", f.DownstreamTLS())
	a := NewForwarder(ForwarderOptions{PortFile: portFile(t, "ingress: "+d.port), TLS: f.ForwarderTLS()})
	runForwarder(t, a)
	next(t, d.clients)
	big := deltaOne(strings.Repeat("n", 8000), "0")
	for a.Counts().Overflowed == 0 {
		a.Emit(big)
	}
	c := a.Counts()
	if waiting := c.Emitted - c.Handed - c.Overflowed; waiting < 10_000 || waiting > 10_000+2*batchSize {
		t.Errorf("%d envelopes wait: %+v", waiting, c)
	}
	overflowed := c.Overflowed
	got := uint64(0)
	for got < c.Emitted-overflowed {
		got += uint64(len(next(t, d.batches)))
	}
	for a.Counts().Handed < got {
		runtime.Gosched() // the last batch is received, and counted a moment later
	}
	if c = a.Counts(); c.Overflowed != overflowed || c.Handed != got || c.Failed != 0 {
		t.Errorf("%d received, %+v", got, c)
	}
}

// After the downstream went away the agent comes back by itself; what was under way is not sent again.
func TestForwarderReconnects(t *testing.T) {
	f := newFoundation(t, Options{})
	first := serveDownstream(t, "127.0.0.1:0", f.DownstreamTLS())
	a := NewForwarder(ForwarderOptions{
		PortFile: portFile(t, "ingress: "+first.port), TLS: f.ForwarderTLS(), RetryFrom: time.Millisecond, RetryTo: 2 * time.Millisecond,
	})
	runForwarder(t, a)
	next(t, first.clients)
	a.Emit(deltaOne("one", "0"))
	next(t, first.batches)
	first.server.Stop()
	second := serveDownstream(t, "127.0.0.1:"+first.port, f.DownstreamTLS())
	next(t, second.clients)
	a.Emit(deltaOne("two", "0"))
	if batch := next(t, second.batches); len(batch) != 1 || batch[0].GetCounter().Name != "two" {
		t.Errorf("%v", batch)
	}
	if c := a.Counts(); c.Connects != 2 {
		t.Errorf("%+v", c)
	}
}

func TestForwarderWaitsAsMeasured(t *testing.T) {
	o := NewForwarder(ForwarderOptions{}).options
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		least, most = min(least, o.pause()), max(most, o.pause())
	}
	if least < 19*time.Second || least > 20*time.Second || most > 41*time.Second || most < 40*time.Second {
		t.Errorf("from %v to %v", least, most)
	}
	if o.Interval != 100*time.Millisecond || o.Buffer != 10_000 {
		t.Errorf("%+v", o)
	}
}

// A downstream that is not metron is refused; envelopes then overflow.
func TestForwarderVerifiesTheServer(t *testing.T) {
	f := newFoundation(t, Options{})
	config := f.serverTLS() // reverselogproxy
	d := serveDownstream(t, "127.0.0.1:0", config)
	a := NewForwarder(ForwarderOptions{PortFile: portFile(t, "ingress: "+d.port), TLS: f.ForwarderTLS(), RetryFrom: 1, RetryTo: 2, Buffer: 1})
	runForwarder(t, a)
	for a.Counts().Overflowed == 0 {
		a.Emit(deltaOne("n", "0"))
	}
	if len(d.clients) > 0 || a.Counts().Connects > 0 {
		t.Errorf("it connected: %+v", a.Counts())
	}
}

// Broken YAML ends the whole agent; without a file it has no downstream.
func TestForwarderPortFile(t *testing.T) {
	for text, want := range map[string]string{
		"ingress: 35": "", "ingress: [": "did not find expected node content", "ingre": "cannot unmarshal", "": `ingress: "" is no port`, "ingress: 99999": "is no port",
	} {
		port, err := readPort(portFile(t, text))
		if want == "" && (port != 35 || err != nil) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %d, %v", text, port, err)
		}
		if want != "" && NewForwarder(ForwarderOptions{PortFile: portFile(t, text)}).Run(t.Context()) == nil {
			t.Errorf("%q: the agent lives", text)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewForwarder(ForwarderOptions{PortFile: filepath.Join(t.TempDir(), "none")}).Run(ctx); err != nil {
		t.Error(err)
	}
}

// The VM of the path ingress sends by its forwarder agent, and nothing by the RLP.
func TestFoundationFeedsTheForwarder(t *testing.T) {
	a := NewForwarder(ForwarderOptions{})
	f, sent := round(t, Options{Forwarder: a})
	var own int
	for _, vm := range f.Inventory() {
		if vm.Path == Ingress {
			own++
		}
	}
	metrics := 0
	for _, s := range sent {
		if s.Path == Ingress {
			metrics++
		}
	}
	if own != 1 || metrics < 50 || a.Counts().Emitted == 0 {
		t.Errorf("%d VMs, %d metrics, %+v", own, metrics, a.Counts())
	}
	if _, sent := round(t, Options{}); len(sent) == 0 {
		t.Error("nothing sent")
	} else {
		for _, s := range sent {
			if s.Path == Ingress {
				t.Fatal("a path without an agent")
			}
		}
	}
}

func clientOf(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return ""
	}
	return info.State.PeerCertificates[0].Subject.CommonName
}
