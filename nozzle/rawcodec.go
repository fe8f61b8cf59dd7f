package nozzle

import (
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/mem"

	"loggregator_exporter/nozzle/watch"
)

// rawCodec hands the bytes of messages through: requests are marshalled already, and batches are walked where gRPC
// received them, before it takes its buffers back.
type rawCodec struct{}

// rawMessage is a message that is marshalled already.
type rawMessage []byte

// receiver takes the bytes of a message, which are its own until it returns.
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

// Name implements encoding.CodecV2. It is what servers are told of the content, which is protobuf.
func (rawCodec) Name() string { return "proto" }

// batchIntake takes EnvelopeBatches from gRPC.
type batchIntake struct {
	intake  *Intake
	log     *slog.Logger
	pulse   *watch.Pulse
	scratch []byte // a batch that came in several buffers, in one piece
	broken  complaint
}

func (b *batchIntake) receive(data mem.BufferSlice) {
	now := time.Now()
	b.pulse.Begin()
	var batch []byte
	if len(data) == 1 {
		batch = data[0].ReadOnlyData()
	} else {
		// The limit on messages bounds this memory.
		b.scratch = b.scratch[:0]
		for _, buffer := range data {
			b.scratch = append(b.scratch, buffer.ReadOnlyData()...)
		}
		batch = b.scratch
	}
	if malformed := b.intake.V2(batch, now); malformed > 0 {
		if batches, due := b.broken.add(now); due {
			b.log.Warn("malformed envelopes in a batch", "malformed", malformed, "bytes", len(batch), "such_batches_since_last_report", batches)
		}
	}
}
