package bench

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"google.golang.org/grpc"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
)

const (
	agentEnv = "BENCH_AGENT_CERTIFICATE" // set in the process that plays the forwarder agent: its certificate's file
	agentTo  = "/loggregator.v2.Ingress/BatchSender"
)

// sendAsAgent plays a forwarder agent in a process of its own: it sends the workload's batches, marshalled
// beforehand, in cycles until the downstream goes away.
func sendAsAgent(file string) error {
	w, err := foundation.NewWorkload(seriesToSend(), 1, time.Now())
	if err != nil {
		return err
	}
	batches, err := w.Batches()
	if err != nil {
		return err
	}
	return sendByGRPC(file, func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, agentTo, grpc.ForceCodecV2(raw{}),
			grpc.WaitForReady(true))
		if err != nil {
			return err
		}
		p := newPacer(1)
		batches := p.batches(batches)
		for {
			for _, batch := range batches {
				p.wait(p.burst)
				if err := stream.SendMsg(batch); err != nil {
					return nil //nolint:nilerr // the downstream has enough
				}
			}
		}
	})
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
	measureSender(b, to, agentEnv, func(config *tls.Config) nozzle.Options {
		return nozzle.Options{
			Ingress: nozzle.IngressOptions{Enabled: true, ListenAddress: "127.0.0.1:0", TLSConfig: config},
		}
	})
}

// ingressFloor is a server that does nothing with what it receives.
func ingressFloor(b *testing.B) {
	measureServer(b, agentEnv, raw{}, func(stream grpc.ServerStream, next func()) error {
		var size int
		for {
			if err := stream.RecvMsg(&size); err != nil {
				return err
			}
			next()
		}
	})
}
