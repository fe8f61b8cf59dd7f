package nozzle

import (
	"context"
	"errors"
	"io"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"loggregator_exporter/nozzle/watch"
)

// ingressService is the API loggregator.v2.Ingress. Its messages are not unmarshalled.
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
	in := i.receivers.take()
	defer i.put(in)
	in.single = single
	for {
		err := stream.RecvMsg(in)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return stream.SendMsg(rawMessage(nil))
		default:
			if status.Code(err) == codes.ResourceExhausted {
				i.clients.refused.add(watch.ReasonOversized,
					"a message is longer than accepted, and its stream was ended; the agent opens another", err, "limit_bytes",
					ingressMaxMessage)
			}
			return err
		}
	}
}

// sendBatch takes one batch that is sent by a unary call.
//
//nolint:revive // the order of parameters is gRPC's
func sendBatch(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	i := srv.(*Ingress)
	in := i.receivers.take()
	defer i.put(in)
	in.single = false
	if err := decode(in); err != nil {
		return nil, err
	}
	return rawMessage(nil), nil
}

// maxKeptMessage is how long the memory of a message may be that is kept for later streams.
const maxKeptMessage = 64 << 10

// put keeps the receiver of a stream that ended, without the memory of large messages.
func (i *Ingress) put(in *batchReceiver) {
	if cap(in.scratch) > maxKeptMessage {
		in.scratch = nil
	}
	i.receivers.put(in)
}
