package nozzle

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"loggregator_exporter/nozzle/watch"
)

// ingressService is the API loggregator.v2.Ingress, whose messages are walked as they come instead of being unmarshalled.
func ingressService() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: loggregator_v2.Ingress_ServiceDesc.ServiceName,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Send", Handler: sendBatch}},
		Streams: []grpc.StreamDesc{
			{StreamName: "BatchSender", ClientStreams: true, Handler: func(srv any, stream grpc.ServerStream) error {
				return srv.(*Ingress).read(stream, false)
			}},
			{StreamName: "Sender", ClientStreams: true, Handler: func(srv any, stream grpc.ServerStream) error {
				return srv.(*Ingress).read(stream, true)
			}},
		},
	}
}

// read takes the messages of one stream to its end.
func (i *Ingress) read(stream grpc.ServerStream, single bool) error {
	in := i.intakes.take()
	defer i.intakes.put(in)
	in.single = single
	for {
		err := stream.RecvMsg(in)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return stream.SendMsg(rawMessage(nil))
		default:
			if status.Code(err) == codes.ResourceExhausted {
				i.refused.add(watch.ReasonOversized, "a message is longer than accepted, and its stream was ended; the agent opens another", err, "limit_bytes", ingressMaxMessage)
			}
			return err
		}
	}
}

// sendBatch takes one batch that comes as a call of its own.
//
//nolint:revive // the order of parameters is gRPC's
func sendBatch(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	i := srv.(*Ingress)
	in := i.intakes.take()
	defer i.intakes.put(in)
	in.single = false
	if err := decode(in); err != nil {
		return nil, err
	}
	return rawMessage(nil), nil
}

// ingressIntake takes messages of one stream from gRPC.
type ingressIntake struct {
	intake  *Intake
	log     *slog.Logger
	single  bool // a message is one Envelope, not an EnvelopeBatch
	scratch []byte
	broken  complaint
}

func (b *ingressIntake) receive(data mem.BufferSlice) {
	now := time.Now()
	message, scratch := contiguous(data, b.scratch)
	b.scratch = scratch
	malformed := 0
	if !b.single {
		malformed = b.intake.V2(message, now)
	} else if !b.intake.V2Envelope(message, now) {
		malformed = 1
	}
	if malformed > 0 {
		if messages, due := b.broken.add(now); due {
			b.log.Warn("malformed envelopes from a client", "malformed", malformed, "bytes", len(message), "such_messages_since_last_report", messages)
		}
	}
}

// contiguous returns a message in one piece: where it lies where it came in one buffer, else copied into scratch, which is returned as well.
// The limit on messages bounds that memory.
func contiguous(data mem.BufferSlice, scratch []byte) (message, kept []byte) {
	if len(data) == 1 {
		return data[0].ReadOnlyData(), scratch
	}
	scratch = scratch[:0]
	for _, buffer := range data {
		scratch = append(scratch, buffer.ReadOnlyData()...)
	}
	return scratch, scratch
}

// What is kept for streams to come.
const (
	maxIdleIntakes = 8
	maxKeptMessage = 64 << 10
)

// intakePool keeps the intakes of streams that ended, each with its sink: a sink is made once for as many streams as are open at a time.
type intakePool struct {
	make func() *ingressIntake
	mu   sync.Mutex
	idle []*ingressIntake
}

func (p *intakePool) take() *ingressIntake {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		in := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return in
	}
	return p.make()
}

func (p *intakePool) put(in *ingressIntake) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cap(in.scratch) > maxKeptMessage {
		in.scratch = nil
	}
	if len(p.idle) < maxIdleIntakes {
		p.idle = append(p.idle, in)
	}
}
