package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
)

// meter passes envelopes on, and measures from the end of the warm-up to the last one wanted.
type meter struct {
	b           *testing.B
	to          nozzle.Sink
	n, until    int
	began, took time.Duration
	stop        context.CancelFunc
}

func (m *meter) Add(e *metric.Envelope, tally *metric.Tally) {
	if m.to != nil {
		m.to.Add(e, tally)
	} else {
		tally[metric.Stored]++
	}
	m.count(1)
}

func (m *meter) Flush(tally *metric.Tally) {
	if m.to != nil {
		m.to.Flush(tally)
	}
}

// count adds envelopes, of which measureFrom is a multiple.
func (m *meter) count(envelopes int) {
	before := m.n
	switch m.n += envelopes; {
	case m.n == measureFrom:
		m.b.StartTimer()
		m.began = cpu(m.b)
	case before < m.until && m.until <= m.n:
		m.took = cpu(m.b) - m.began
		m.b.StopTimer()
		m.stop()
	}
}

// measure reports what a source costs that hands what it takes to a sink, which may be nil. Where the source listens,
// send starts what sends to its address. The warm-up is left out of the time that decides b.N.
func measure(
	b *testing.B, to nozzle.Sink, source func(newSink func() nozzle.Sink) nozzle.Source, send func(address string),
) {
	b.Helper()
	b.StopTimer()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	m := &meter{b: b, to: to, until: measureFrom + b.N, stop: cancel}
	done := runSource(ctx, b, source(func() nozzle.Sink { return m }), send)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	report(b, m.took)
}

// runSource starts a source, and what sends to it, if it listens.
func runSource(ctx context.Context, b *testing.B, source nozzle.Source, send func(address string)) <-chan error {
	b.Helper()
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	if send != nil {
		address, err := source.(nozzle.Listener).Addr(ctx)
		if err != nil {
			b.Fatal(err)
		}
		send(address.String())
	}
	return done
}

// measureSender measures a source that listens with TLS, and to which a process sends that plays what variable says.
func measureSender(b *testing.B, to nozzle.Sink, variable string, options func(config *tls.Config) nozzle.Options) {
	b.Helper()
	b.StopTimer()
	file, config := newCertificate(b)
	measure(b, to, func(newSink func() nozzle.Sink) nozzle.Source {
		return newSource(b, options(config), newEnv(b, newSink))
	}, func(address string) { startSender(b, variable, file, address) })
}

// receiveOnly measures from the end of the warm-up on; next receives so many envelopes.
func receiveOnly(b *testing.B, envelopes int, next func() error) {
	b.Helper()
	take := func(n int) {
		for range n {
			if err := next(); err != nil {
				b.Fatal(err)
			}
		}
	}
	take(measureFrom / envelopes)
	b.ResetTimer()
	began := cpu(b)
	take(b.N/envelopes + 1)
	took := cpu(b) - began
	b.StopTimer()
	report(b, took)
}

// measureServer measures a gRPC server to which a process sends that plays what variable says. take receives the
// batches of a stream, calling next after each.
func measureServer(
	b *testing.B, variable string, codec encoding.CodecV2, take func(stream grpc.ServerStream, next func()) error,
) {
	b.Helper()
	b.StopTimer()
	file, config := newCertificate(b)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	m := &meter{b: b, until: measureFrom + b.N, stop: func() { close(ended) }}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(codec), grpc.MaxRecvMsgSize(16<<20),
		grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(1<<20),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			return take(stream, func() { m.count(batchSize) })
		}),
	)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	startSender(b, variable, file, listener.Addr().String())
	<-ended
	server.Stop()
	report(b, m.took)
	if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		b.Fatal(err)
	}
}

func report(b *testing.B, took time.Duration) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took)/float64(b.N), "cpu-ns/envelope")
}
