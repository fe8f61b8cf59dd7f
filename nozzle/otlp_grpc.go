package nozzle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // collectors compress
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/nozzle/leftout"
)

var errOverload = errors.New("too many requests at a time")

// otlpSignal is what a service of OTLP takes.
type otlpSignal uint8

const (
	otlpMetrics otlpSignal = iota
	otlpTraces
	otlpLogs
)

// event is what the records of traces and logs are.
func (s otlpSignal) event() leftout.Event {
	if s == otlpLogs {
		return leftout.LogRecord
	}
	return leftout.Span
}

// otlpServices are the gRPC services, all with one method Export, and the paths of HTTP.
var otlpServices = [...]struct{ service, path string }{ // constant
	otlpMetrics: {"opentelemetry.proto.collector.metrics.v1.MetricsService", "/v1/metrics"},
	otlpTraces:  {"opentelemetry.proto.collector.trace.v1.TraceService", "/v1/traces"},
	otlpLogs:    {"opentelemetry.proto.collector.logs.v1.LogsService", "/v1/logs"},
}

// serveGRPC serves until ctx is done.
func (o *OTLP) serveGRPC(ctx context.Context, listener net.Listener) error {
	// Each request is a stream: a goroutine that exists need not enlarge its stack.
	server := newGRPCServer(o.options.MaxRequestBytes, grpc.InTapHandle(o.limitTime), grpc.NumStreamWorkers(otlpWorkers))
	for signal, s := range otlpServices {
		server.RegisterService(&grpc.ServiceDesc{
			ServiceName: s.service, HandlerType: (*any)(nil),
			// As a stream, Export is called before the message is received. To clients there is no difference.
			Streams: []grpc.StreamDesc{{
				StreamName: "Export", ServerStreams: true, ClientStreams: true,
				Handler: func(_ any, stream grpc.ServerStream) error { //nolint:contextcheck // the stream has it
					return o.export(stream, otlpSignal(signal))
				},
			}},
		}, o)
	}
	accept := o.clients
	accept.protocol = "h2"
	if err := serveGRPC(ctx, server, accept.listen(ctx, listener)); err != nil {
		return fmt.Errorf("nozzle.otlp: accept connections at %s: %w", o.addr, err)
	}
	return nil
}

// limitTime ends requests that take too long to arrive: a client that stalls would keep the place of others.
func (o *OTLP) limitTime(ctx context.Context, _ *tap.Info) (context.Context, error) {
	limited, cancel := context.WithTimeout(ctx, o.timeout) //nolint:gosec // gRPC ends ctx with the stream
	_ = cancel
	return limited, nil
}

// remoteOf is the address of the other side of a stream.
func remoteOf(stream grpc.ServerStream) string {
	if p, ok := peer.FromContext(stream.Context()); ok {
		return p.Addr.String()
	}
	return ""
}

// export takes one request.
func (o *OTLP) export(stream grpc.ServerStream, signal otlpSignal) error {
	if !o.begin() {
		o.overloaded(remoteOf(stream))
		return status.Error(codes.Unavailable, errOverload.Error())
	}
	defer o.end()
	r := o.receivers.take()
	defer o.put(r)
	r.signal = signal
	if err := stream.RecvMsg(r); err != nil {
		if status.Code(err) == codes.ResourceExhausted {
			o.oversized(remoteOf(stream), err)
		}
		return err
	}
	if !r.ok {
		return status.Error(codes.InvalidArgument, "the request is not one of OTLP")
	}
	return stream.SendMsg(rawMessage(r.answer))
}

// otlpReceiver takes one request at a time to an intake.
type otlpReceiver struct {
	source *OTLP
	intake *Intake
	signal otlpSignal

	scratch []byte // the request, unless gRPC has it in one buffer
	unpack  unpacker

	// Of the last request.
	ok       bool // it could be read
	rejected uint64
	message  string
	answer   []byte
}

// maxKeptRequest is how long the memory of a request may be that is kept for the next.
const maxKeptRequest = 1 << 20

func (o *OTLP) put(r *otlpReceiver) {
	if cap(r.scratch) > maxKeptRequest {
		r.scratch = nil
	}
	o.receivers.put(r)
}

// receive implements receiver.
func (r *otlpReceiver) receive(data mem.BufferSlice) {
	r.take(joined(data, &r.scratch))
}

// take takes a request in protobuf.
func (r *otlpReceiver) take(request []byte) {
	now := time.Now()
	r.rejected, r.message, r.answer = 0, "", r.answer[:0]
	if r.signal != otlpMetrics {
		r.ok = r.intake.IgnoredOTLP(request, r.signal.event(), now)
		return
	}
	var refused otlpRefused
	if refused, r.ok = r.intake.OTLP(request, now); refused != (otlpRefused{}) {
		r.rejected, r.message = r.source.refuse(&refused)
		r.answer = appendPartialSuccess(r.answer, r.rejected, r.message)
	}
}

// appendPartialSuccess writes an ExportMetricsServiceResponse:
//
//	message ExportMetricsServiceResponse { ExportMetricsPartialSuccess partial_success = 1; }
//	message ExportMetricsPartialSuccess { int64 rejected_data_points = 1; string error_message = 2; }
func appendPartialSuccess(b []byte, rejected uint64, message string) []byte {
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), rejected)
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), message)
	return protowire.AppendBytes(protowire.AppendTag(b, 1, protowire.BytesType), partial)
}
