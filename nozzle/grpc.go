package nozzle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
)

const (
	// Unread bytes on one connection to a server. More must be queued, and counted as lost, by its client.
	grpcWindow = 1 << 20
	// Streams of one connection at a time; more wait.
	grpcMaxStreams = 64

	grpcMinPing     = 10 * time.Second
	grpcPingAfter   = 30 * time.Second
	grpcPingTimeout = 15 * time.Second
)

// newGRPCServer returns a server whose services receive and send messages as rawCodec has them.
func newGRPCServer(maxMessage int, more ...grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(more,
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(grpcMaxStreams),
		grpc.WaitForHandlers(true),
		grpc.InitialWindowSize(grpcWindow),
		grpc.InitialConnWindowSize(grpcWindow),
		grpc.ConnectionTimeout(clientHandshakeTimeout),
		// Agents do not ping; without our pings a vanished one would count as connected.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: grpcPingAfter, Timeout: grpcPingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: grpcMinPing, PermitWithoutStream: true}),
	)...)
}

// serveGRPC serves until ctx is done, which is no error, and all handlers have returned.
func serveGRPC(ctx context.Context, server *grpc.Server, listener net.Listener) error {
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	err := server.Serve(listener)
	server.Stop() // Serve returns before the handlers do; Stop waits for them
	if ctx.Err() != nil || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// rawCodec is a gRPC codec that does not marshal: requests are marshalled already, and received messages are read in
// gRPC's buffers, before it takes them back.
type rawCodec struct{}

// rawMessage is a message that is marshalled already.
type rawMessage []byte

// receiver takes the bytes of a message, which it must not keep.
type receiver interface {
	receive(mem.BufferSlice)
}

// Marshal implements encoding.CodecV2.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(rawMessage)
	if !ok {
		return nil, fmt.Errorf("raw codec: cannot marshal %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(m)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(receiver)
	if !ok {
		return fmt.Errorf("raw codec: cannot unmarshal into %T", v)
	}
	r.receive(data)
	return nil
}

// Name implements encoding.CodecV2. It is the content type that servers see: protobuf.
func (rawCodec) Name() string { return "proto" }

// joined returns the bytes of a message. Those that came in several buffers are copied to scratch.
func joined(data mem.BufferSlice, scratch *[]byte) []byte {
	if len(data) == 1 {
		return data[0].ReadOnlyData()
	}
	*scratch = (*scratch)[:0]
	for _, buffer := range data {
		*scratch = append(*scratch, buffer.ReadOnlyData()...)
	}
	return *scratch
}

// batchReceiver hands the messages of one stream to an intake.
type batchReceiver struct {
	intake  *Intake
	single  bool   // a message is one Envelope, not an EnvelopeBatch
	scratch []byte // a copy of a message that came in several buffers; bounded by the limit on messages
}

func (b *batchReceiver) receive(data mem.BufferSlice) {
	now, message := time.Now(), joined(data, &b.scratch)
	if b.single {
		b.intake.V2Envelope(message, now)
	} else {
		b.intake.V2(message, now)
	}
}
