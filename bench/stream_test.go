package bench

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"loggregator_exporter/nozzle"
)

const (
	serverEnv   = "BENCH_RLP_CERTIFICATE" // set in the process that plays the RLP: its certificate's file
	streamTo    = "/loggregator.v2.Egress/BatchedReceiver"
	streamOf    = 100_000 // series
	batchSize   = 100
	measureFrom = 2 * streamOf // every series exists by then
)

// serveRLP plays the RLP in a process of its own, so that its share of the processor is not counted: it sends the
// workload's batches, marshalled beforehand, in cycles without end.
func serveRLP(file string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	batches, err := taggedBatches(seriesToSend())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(raw{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			p := newPacer(1)
			batches := p.batches(batches)
			for {
				for _, batch := range batches {
					p.wait(p.burst)
					if err := stream.SendMsg(batch); err != nil {
						return err
					}
				}
			}
		}))
	fmt.Println(listener.Addr())
	afterParent(server.Stop)
	return server.Serve(listener)
}

// startRLP starts that process and returns its address and a client's configuration.
func startRLP(b *testing.B) (string, *tls.Config) {
	b.Helper()
	return startServer(b, serverEnv)
}

// BenchmarkStream reads the workload by gRPC with mutual TLS: the floor receives only, the second floor also walks the
// bytes, and the exporter takes everything into its store.
func BenchmarkStream(b *testing.B) {
	address, config := startRLP(b)
	b.Run("floor=receive", func(b *testing.B) { receive(b, address, config) })
	b.Run("floor=walk", func(b *testing.B) { run(b, address, config, nil) })
	b.Run("exporter", func(b *testing.B) {
		s := newStore(b, streamOf)
		run(b, address, config, s.Writer())
		if got := s.Stats().Series; got != streamOf {
			b.Fatalf("%d series, want %d", got, streamOf)
		}
	})
}

func run(b *testing.B, address string, config *tls.Config, to nozzle.Sink) {
	b.Helper()
	measure(b, to, func(newSink func() nozzle.Sink) nozzle.Source {
		return newSource(b, nozzle.Options{
			RLP:    nozzle.RLPOptions{Enabled: true, Address: address, ServerName: serverName, TLSConfig: config},
			Stream: nozzle.StreamOptions{Selectors: []string{"gauge", "counter"}},
		}, newEnv(b, newSink))
	}, nil)
}

func receive(b *testing.B, address string, config *tls.Config) {
	b.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithInitialWindowSize(2<<20), grpc.WithInitialConnWindowSize(2<<20), grpc.WithReadBufferSize(128<<10))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stream, err := conn.NewStream(b.Context(), &grpc.StreamDesc{ServerStreams: true}, streamTo, grpc.ForceCodecV2(raw{}))
	if err != nil {
		b.Fatal(err)
	}
	if err := stream.SendMsg([]byte{}); err != nil {
		b.Fatal(err)
	}
	var size int
	receiveOnly(b, batchSize, func() error { return stream.RecvMsg(&size) })
}
