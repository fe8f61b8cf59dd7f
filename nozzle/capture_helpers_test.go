package nozzle

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/nozzle/capture"
)

var captureStart = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// captureOf writes a capture; each message comes a second after the one before.
func captureOf(tb testing.TB, options capture.Options, records ...capture.Record) []byte {
	tb.Helper()
	var out bytes.Buffer
	options.Header.Start = captureStart
	w, err := capture.NewWriter(&out, options)
	if err != nil {
		tb.Fatal(err)
	}
	for _, r := range records {
		record := w.RecordV2
		if r.Format == capture.V1 {
			record = w.RecordV1
		}
		record(r.Source, r.Message, captureStart.Add(r.Offset))
	}
	if _, err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// readCapture reads all records there are, and the error that ended them.
func readCapture(b []byte) (header capture.Header, records []capture.Record, err error) {
	r, err := capture.NewReader(bytes.NewReader(b))
	if err != nil {
		return header, nil, err
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header(), records, nil
		}
		if err != nil {
			return r.Header(), records, err
		}
		kept := *record
		kept.Message = bytes.Clone(record.Message)
		records = append(records, kept)
	}
}

// pass lets time pass, and all that follows from it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// memoryRecorder keeps the batches of one source.
type memoryRecorder struct {
	source  string
	batches [][]byte
	leftOut int
}

func (r *memoryRecorder) RecordV1(string, []byte, time.Time) {}

func (r *memoryRecorder) RecordV2(source string, batch []byte, _ time.Time) {
	if source == r.source {
		r.batches = append(r.batches, bytes.Clone(batch))
	}
}

func (r *memoryRecorder) LeaveOut(envelopes int) { r.leftOut += envelopes }
