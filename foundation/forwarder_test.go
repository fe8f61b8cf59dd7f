package foundation

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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

func serveDownstream(t *testing.T, listener net.Listener, config *tls.Config) *downstream {
	t.Helper()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	d := &downstream{
		batches: make(chan []*v2),
		clients: make(chan string, 10),
		port:    port,
		server:  grpc.NewServer(grpc.Creds(credentials.NewTLS(config))),
	}
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

func listenLocally(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(3 * time.Minute): // which no machine is too busy for
		t.Fatal("nothing came within 3 minutes")
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

// memoryForwarder is an agent whose downstream is reached by a network in memory.
func memoryForwarder(t *testing.T, f *Foundation, network *Memory, d *downstream) *Forwarder {
	t.Helper()
	return NewForwarder(
		ForwarderOptions{PortFile: portFile(t, "ingress: "+d.port+"\n"), TLS: f.ForwarderTLS(), Network: network},
	)
}

// runInBackground runs what ends with the test.
func runInBackground(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Batches hold 100 envelopes, come in order and, where they do not fill, after the interval; the client is metron.
func TestForwarderBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, network := newFoundation(t, Options{Now: time.Now}), &Memory{}
		d := serveDownstream(t, network.Listen(), f.DownstreamTLS())
		a := memoryForwarder(t, f, network, d)
		const count = 1050
		sent := make([]*v2, count)
		for i := range sent {
			sent[i] = deltaOne("n", "0")
			sent[i].Timestamp = int64(i)
			a.Emit(sent[i])
		}
		runInBackground(t, a.Run)
		if client := next(t, d.clients); client != "metron" {
			t.Errorf("the agent presents %q", client)
		}
		began := time.Now()
		var sizes []int
		for got := 0; got < count; {
			batch := next(t, d.batches)
			sizes = append(sizes, len(batch))
			for _, e := range batch {
				if !proto.Equal(e, sent[got]) {
					t.Fatalf("envelope %d: %v", got, e)
				}
				got++
			}
		}
		if took := time.Since(began); !slices.Equal(sizes, []int{100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 50}) ||
			took != 100*time.Millisecond {
			t.Errorf("batches of %v, the last one after %v", sizes, took)
		}
		synctest.Wait() // it counts what is sent once it is
		if c := a.Counts(); c != (ForwarderCounts{Emitted: count, Handed: count, Batches: 11, Connects: 1}) {
			t.Errorf("%+v", c)
		}
	})
}

// A stalled downstream has 10,000 envelopes held for it, beside those in the connection and one batch; more are
// lost, and come never.
func TestForwarderBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, network := newFoundation(t, Options{Now: time.Now}), &Memory{}
		d := serveDownstream(t, network.Listen(), f.DownstreamTLS())
		a := memoryForwarder(t, f, network, d)
		runInBackground(t, a.Run)
		next(t, d.clients)
		big := deltaOne(strings.Repeat("n", 8000), "0")
		for handed := uint64(1); handed != a.Counts().Handed; synctest.Wait() { // until it can send no more
			handed = a.Counts().Handed
			for overflowed := a.Counts().Overflowed; a.Counts().Overflowed == overflowed; {
				a.Emit(big)
			}
		}
		c := a.Counts()
		if waiting := c.Emitted - c.Handed - c.Overflowed; waiting != 10_000+batchSize {
			t.Errorf("%d envelopes wait: %+v", waiting, c)
		}
		got := uint64(0)
		for got < c.Emitted-c.Overflowed {
			got += uint64(len(next(t, d.batches)))
		}
		synctest.Wait()
		if c := a.Counts(); c.Emitted != got+c.Overflowed || c.Handed != got || c.Failed != 0 {
			t.Errorf("%d received, %+v", got, c)
		}
	})
}

// After the downstream went away the agent comes back by itself; what was under way is not sent again.
func TestForwarderReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, network := newFoundation(t, Options{Now: time.Now}), &Memory{}
		first := serveDownstream(t, network.Listen(), f.DownstreamTLS())
		a := memoryForwarder(t, f, network, first)
		runInBackground(t, a.Run)
		next(t, first.clients)
		a.Emit(deltaOne("one", "0"))
		next(t, first.batches)
		first.server.Stop()
		began := time.Now()
		second := serveDownstream(t, network.ListenAgain("127.0.0.1:"+first.port), f.DownstreamTLS())
		next(t, second.clients)
		if away := time.Since(began); away < 19*time.Second || away > 41*time.Second {
			t.Errorf("it came back after %v", away)
		}
		a.Emit(deltaOne("two", "0"))
		if batch := next(t, second.batches); len(batch) != 1 || batch[0].GetCounter().Name != "two" {
			t.Errorf("%v", batch)
		}
		synctest.Wait()
		if c := a.Counts(); c != (ForwarderCounts{Emitted: 2, Handed: 2, Batches: 2, Connects: 2, Ends: 1}) {
			t.Errorf("%+v", c)
		}
	})
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

// A downstream that is not metron is refused, each time again.
func TestForwarderVerifiesTheServer(t *testing.T) {
	f := newFoundation(t, Options{})
	config := f.serverTLS() // reverselogproxy
	attempts := make(chan struct{})
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		select {
		case attempts <- struct{}{}:
		case <-t.Context().Done():
		}
		return nil, nil //nolint:nilnil // it stands for the configuration as it is
	}
	d := serveDownstream(t, listenLocally(t), config)
	a := NewForwarder(
		ForwarderOptions{
			PortFile:  portFile(t, "ingress: "+d.port),
			TLS:       f.ForwarderTLS(),
			RetryFrom: 1,
			RetryTo:   2,
			Buffer:    1,
		},
	)
	runInBackground(t, a.Run)
	for range 3 {
		next(t, attempts)
	}
	if c := a.Counts(); len(d.clients) > 0 || c.Connects > 0 {
		t.Errorf("it connected: %+v", c)
	}
}

// Broken YAML ends the whole agent; without a file it has no downstream.
func TestForwarderPortFile(t *testing.T) {
	for text, want := range map[string]string{
		"ingress: 35": "", "ingress: [": "did not find expected node content", "ingre": "cannot unmarshal", "": `ingress: "" is no port`, "ingress: 99999": "is no port",
	} {
		file, err := readPortFile(portFile(t, text))
		port := file.port
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
