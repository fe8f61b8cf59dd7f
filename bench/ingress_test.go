package bench

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
)

const (
	agentEnv   = "BENCH_AGENT_CERTIFICATE" // set in the process that plays the forwarder agent: its certificate's file
	agentToEnv = "BENCH_AGENT_ADDRESS"
	agentTo    = "/loggregator.v2.Ingress/BatchSender"
)

// sendAsAgent plays a forwarder agent in a process of its own: it sends the workload's batches, marshalled
// beforehand, in cycles until the downstream goes away.
func sendAsAgent(file, address string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	w, err := foundation.NewWorkload(streamOf, 1, time.Now())
	if err != nil {
		return err
	}
	batches, err := w.Batches()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// The parent's end closes standard input.
	go func() { _, _ = bufio.NewReader(os.Stdin).ReadByte(); cancel() }()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, agentTo, grpc.ForceCodecV2(raw{}))
	if err != nil {
		return err
	}
	for {
		for _, batch := range batches {
			if err := stream.SendMsg(batch); err != nil {
				return nil // the downstream has enough
			}
		}
	}
}

// startAgent starts that process.
func startAgent(b *testing.B, file, address string) {
	b.Helper()
	startSender(b, agentEnv, file, address)
}

// startSender starts a process that sends to an address; env says what it plays.
func startSender(b *testing.B, env, file, address string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env+"="+file, agentToEnv+"="+address)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
}

// BenchmarkIngress takes the workload from a forwarder agent, by gRPC with mutual TLS: the floor receives only, the
// second floor also walks the bytes, and the exporter takes everything into its store.
func BenchmarkIngress(b *testing.B) {
	b.Run("floor=receive", ingressFloor)
	b.Run("floor=walk", func(b *testing.B) { ingress(b, nil) })
	b.Run("exporter", func(b *testing.B) {
		s := newStore(b, streamOf)
		ingress(b, s.Writer())
		if got := s.Stats().Series; got != streamOf {
			b.Fatalf("%d series, want %d", got, streamOf)
		}
	})
}

func ingress(b *testing.B, to nozzle.Sink) {
	b.Helper()
	file := writeCertificate(b)
	config, err := tlsConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	m := &meter{b: b, to: to, until: measureFrom + b.N, stop: cancel}
	source := newSource(b, nozzle.Options{
		Ingress: nozzle.IngressOptions{Enabled: true, ListenAddress: "127.0.0.1:0", TLSConfig: config},
	}, newEnv(b, func() nozzle.Sink { return m }))
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	address, err := source.(nozzle.Listener).Addr(ctx)
	if err != nil {
		b.Fatal(err)
	}
	startAgent(b, file, address.String())
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	report(b, m.took)
}

// ingressFloor is a server that does nothing with what it receives.
func ingressFloor(b *testing.B) {
	file := writeCertificate(b)
	config, err := tlsConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	took := make(chan time.Duration, 1)
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)),
		grpc.ForceServerCodecV2(raw{}),
		grpc.MaxRecvMsgSize(10<<20),
		grpc.InitialWindowSize(1<<20),
		grpc.InitialConnWindowSize(1<<20),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			var size int
			var began time.Duration
			for n := 0; ; n += batchSize {
				if n == measureFrom {
					began = cpu(b)
				}
				if n >= measureFrom+b.N {
					took <- cpu(b) - began
					return io.EOF
				}
				if err := stream.RecvMsg(&size); err != nil {
					return err
				}
			}
		}),
	)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	startAgent(b, file, listener.Addr().String())
	report(b, <-took)
	server.Stop()
	if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		b.Fatal(err)
	}
}
