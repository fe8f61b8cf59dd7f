package nozzle

import (
	"fmt"
	"time"

	"google.golang.org/grpc/mem"
)

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

// batchReceiver hands the messages of one stream to an intake.
type batchReceiver struct {
	intake  *Intake
	single  bool   // a message is one Envelope, not an EnvelopeBatch
	scratch []byte // a copy of a message that came in several buffers; bounded by the limit on messages
}

func (b *batchReceiver) receive(data mem.BufferSlice) {
	now := time.Now()
	var message []byte
	if len(data) == 1 {
		message = data[0].ReadOnlyData()
	} else {
		b.scratch = b.scratch[:0]
		for _, buffer := range data {
			b.scratch = append(b.scratch, buffer.ReadOnlyData()...)
		}
		message = b.scratch
	}
	if b.single {
		b.intake.V2Envelope(message, now)
	} else {
		b.intake.V2(message, now)
	}
}
