package nozzle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/encoding/protojson"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/wire"
)

// benchEvents is a stream of the gateway: events of a hundred envelopes with six tags, half of them gauges.
func benchEvents(tb testing.TB, events int) []byte {
	tb.Helper()
	var stream bytes.Buffer
	for n := range events {
		var envelopes []*loggregator_v2.Envelope
		for i := range 100 {
			e := &loggregator_v2.Envelope{
				Timestamp: 1795342433316702720, SourceId: fmt.Sprintf("router__%d", i),
				InstanceId: "9b4c2f3e", Tags: wiretest.TagsV2(), Message: wiretest.GaugeV2("memoryStats.numBytesAllocated"),
			}
			if i%2 == 0 {
				e.Message = &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{
					Name:  "total_requests",
					Delta: uint64(n), Total: 1 << 40,
				}}
			}
			envelopes = append(envelopes, e)
		}
		stream.WriteString("data: ")
		// Without the blanks that protojson puts in at random: the gateway writes none.
		if err := json.Compact(&stream, wiretest.JSONBatch(tb, envelopes...)); err != nil {
			tb.Fatal(err)
		}
		stream.WriteString("\n\n")
	}
	return stream.Bytes()
}

// BenchmarkGateway reads a stream of the gateway from memory. The floor reads its lines and scans the syntax of the
// JSON, with the scanner that decoding uses as well; the exporter decodes and accounts; stock is what protobuf's own
// decoder takes.
func BenchmarkGateway(b *testing.B) {
	const events = 50
	stream := benchEvents(b, events)
	read := func(b *testing.B, take func(data []byte)) {
		b.Helper()
		b.ReportAllocs()
		b.SetBytes(int64(len(stream)))
		from := bytes.NewReader(stream)
		r := eventReader{from: from, limit: maxEvent}
		for b.Loop() {
			from.Reset(stream)
			for range events {
				_, data, err := r.next()
				if err != nil {
					b.Fatal(err)
				}
				take(data)
			}
			if _, _, err := r.next(); !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events/100, "ns/envelope")
	}
	b.Run("floor", func(b *testing.B) {
		var d wire.JSON
		var view metric.Envelope
		read(b, func(data []byte) {
			if !d.Batch(data, &view, func(bool) {}) {
				b.Fatal("malformed")
			}
		})
	})
	b.Run("exporter", func(b *testing.B) {
		l, _ := newTestLedger(b)
		in := NewIntake(l.Source(nameGateway), &nullSink{})
		read(b, func(data []byte) {
			if in.JSON(data, time.Unix(1, 0)) != 0 {
				b.Fatal("malformed")
			}
		})
	})
	b.Run("valid", func(b *testing.B) {
		read(b, func(data []byte) {
			if !json.Valid(data) {
				b.Fatal("malformed")
			}
		})
	})
	b.Run("stock", func(b *testing.B) {
		read(b, func(data []byte) {
			var batch loggregator_v2.EnvelopeBatch
			if err := protojson.Unmarshal(data, &batch); err != nil {
				b.Fatal(err)
			}
		})
	})
}
