package nozzle

import (
	"bytes"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"loggregator_exporter/internal/wiretest"
)

// pieces hands a message out in pieces, each of which may be the last that is at hand.
type pieces struct {
	t       *rapid.T
	message []byte
	drained func()
}

func (p *pieces) Read(b []byte) (int, error) {
	if rapid.Bool().Draw(p.t, "drained") {
		p.drained()
	}
	if len(p.message) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.message[:rapid.IntRange(1, len(p.message)).Draw(p.t, "piece")])
	p.message = p.message[n:]
	return n, nil
}

// v1Records keeps the dropsonde envelopes that an intake decodes.
type v1Records struct {
	memoryRecorder
	messages [][]byte
}

func (r *v1Records) RecordV1(_ string, envelope []byte, _ time.Time) {
	r.messages = append(r.messages, bytes.Clone(envelope))
}

// TestFirehoseBatches: whatever is at hand together, and however long messages are, each is decoded once, in order.
func TestFirehoseBatches(t *testing.T) {
	l, _ := newTestLedger(t)
	rapid.Check(t, func(t *rapid.T) {
		got := &v1Records{}
		in := NewIntake(l.Source(nameFirehose), &nullSink{})
		in.recorder = got
		s := &firehoseStream{intake: in}
		var want [][]byte
		for i := range rapid.IntRange(1, 20).Draw(t, "messages") {
			length := rapid.OneOf(rapid.IntRange(0, 1000), rapid.IntRange(frameBuffer-2, frameBuffer+2),
				rapid.IntRange(0, 2*maxKeptFrame)).Draw(t, "length")
			message := bytes.Repeat([]byte{byte(i + 1)}, length)
			want = append(want, message)
			if err := s.message(&pieces{t, message, s.take}); err != nil {
				t.Fatal(err)
			}
		}
		s.take()
		if len(got.messages) != len(want) {
			t.Fatalf("%d messages, want %d", len(got.messages), len(want))
		}
		for i := range want {
			if !bytes.Equal(got.messages[i], want[i]) {
				t.Fatalf("message %d has %d bytes, want %d, or others", i, len(got.messages[i]), len(want[i]))
			}
		}
	})
}

// TestFirehoseAllocatesNothing: neither does a message of usual length, nor the batch.
func TestFirehoseAllocatesNothing(t *testing.T) {
	l, _ := newTestLedger(t)
	s := &firehoseStream{intake: NewIntake(l.Source(nameFirehose), &nullSink{})}
	message := wiretest.MarshalV1(t, wiretest.ValueV1())
	r := bytes.NewReader(message)
	if n := testing.AllocsPerRun(100, func() {
		for range 100 {
			r.Reset(message)
			if err := s.message(r); err != nil {
				t.Error(err)
			}
		}
		s.take()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
