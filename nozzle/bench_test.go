package nozzle

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
	"loggregator_exporter/nozzle/wire"
)

func BenchmarkV1(b *testing.B) {
	for name, e := range map[string][]byte{
		"value": wiretest.MarshalV1(b, wiretest.ValueV1()), "counter": wiretest.MarshalV1(b, wiretest.CounterV1()),
		"container": wiretest.MarshalV1(b, wiretest.ContainerV1()), "http": wiretest.MarshalV1(b, wiretest.HTTPV1()),
	} {
		b.Run(name, func(b *testing.B) {
			var d wire.V1
			var view metric.Envelope
			b.ReportAllocs()
			for b.Loop() {
				if !d.Decode(e, &view) {
					b.Fatal("malformed")
				}
			}
		})
	}
	b.Run("value/intake", func(b *testing.B) {
		l, _ := newTestLedger(b)
		in := NewIntake(l.Source("udp"), &nullSink{})
		e := wiretest.MarshalV1(b, wiretest.ValueV1())
		b.ReportAllocs()
		for b.Loop() {
			in.V1(e, time.Now())
		}
	})
}

// BenchmarkV2 gives the time of an envelope in batches of a hundred.
func BenchmarkV2(b *testing.B) {
	l, _ := newTestLedger(b)
	in := NewIntake(l.Source("rlp"), &nullSink{})
	batch := wiretest.BenchBatch(b)
	b.ReportAllocs()
	for b.Loop() {
		in.V2(batch, time.Unix(1, 0))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/envelope")
}

// repeat serves one marshalled batch without end, to whatever is asked.
func repeat(batch []byte) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		for {
			if err := stream.SendMsg(rawMessage(batch)); err != nil {
				return err
			}
		}
	}
}

func benchServer(b *testing.B, ca *authority) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(ca.server(b, "reverselogproxy"))),
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.UnknownServiceHandler(repeat(wiretest.BenchBatch(b))))
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(server.Stop)
	return listener.Addr().String()
}

// floor does nothing with what it receives.
type floor struct{ batches int }

func (f *floor) receive(mem.BufferSlice) { f.batches++ }

// BenchmarkStream reads batches of a hundred envelopes by gRPC with mutual TLS; the server's share of the time is in
// it. The floor receives and does nothing; the exporter decodes and accounts.
func BenchmarkStream(b *testing.B) {
	ca := newAuthority(b)
	read := func(b *testing.B, into receiver) {
		b.Helper()
		log, _ := newTestLog()
		l, _ := newTestLedger(b)
		r, err := newRLP(RLPOptions{Address: benchServer(b, ca), ServerName: "reverselogproxy", TLSConfig: ca.client(b)},
			StreamOptions{Selectors: filter.Kinds}, testEnv(l, func() Sink { return &nullSink{} }, log))
		if err != nil {
			b.Fatal(err)
		}
		if into == nil {
			into = &batchReceiver{intake: r.env.intake(r.account, intakeOptions{})}
		}
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		conn, err := r.dial(newAttempt(mustTLS(b, r), dialTCP))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, rlpMethod, grpc.ForceCodecV2(rawCodec{}))
		if err != nil {
			b.Fatal(err)
		}
		if err := stream.SendMsg(rawMessage(r.request)); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		before := cpuTime(b)
		for b.Loop() {
			if err := stream.RecvMsg(into); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/envelope")
		b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/100, "cpu-ns/envelope")
	}
	b.Run("floor", func(b *testing.B) { read(b, &floor{}) })
	b.Run("exporter", func(b *testing.B) { read(b, nil) })
}
