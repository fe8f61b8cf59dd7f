//go:build !race

package nozzle

import (
	"context"
	"net"
	"runtime"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/watch"
)

// TestStreamAllocations: the whole way of a batch of a hundred envelopes, from a TLS record to the sink, costs less
// than ten allocations, those of gRPC and of the server in the same process included. The race detector empties
// gRPC's pools at random.
func TestStreamAllocations(t *testing.T) {
	const warmUp, batches, envelopes = 500, 5000, 100
	ca := newAuthority(t)
	batch := wiretest.BenchBatch(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(ca.server(t, "reverselogproxy"))),
		grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(repeat(batch)))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	log, _ := newTestLog()
	l, _ := newTestLedger(t)
	sink := &nullSink{}
	r, err := newRLP(RLPOptions{
		Address: listener.Addr().String(), ServerName: "reverselogproxy",
		TLSConfig: ca.client(t),
	}, allKinds, testEnv(l, func() Sink { return sink }, log))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn, err := r.dial(newAttempt(mustTLS(t, r), dialTCP))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, rlpMethod, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(rawMessage(r.request)); err != nil {
		t.Fatal(err)
	}
	intake := &batchReceiver{intake: r.intake(&watch.Pulse{})}
	read := func(batches int) {
		for range batches {
			if err := stream.RecvMsg(intake); err != nil {
				t.Fatal(err)
			}
		}
	}
	var before, after runtime.MemStats
	read(warmUp)
	runtime.ReadMemStats(&before)
	read(batches)
	runtime.ReadMemStats(&after)
	if sink.envelopes != (warmUp+batches)*envelopes {
		t.Fatalf("%d envelopes", sink.envelopes)
	}
	if per := float64(after.Mallocs-before.Mallocs) / (batches * envelopes); per >= 0.1 {
		t.Fatalf("%.3f allocations per envelope", per)
	}
}
