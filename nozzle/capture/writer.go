package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	// flushInterval bounds the loss when a recorder is killed.
	flushInterval = 5 * time.Second

	// slack bounds the bytes that the compression adds: headers of blocks of 128 KiB that cannot be compressed, and the
	// checksum at the end.
	slack = 1 << 10
)

// Options say what to write and how much.
type Options struct {
	Header Header
	// MaxBytes is the size that the capture must not exceed; 0 is no limit.
	MaxBytes int64
	// Scrubber, where set, replaces what must not leave a foundation; the header then says so.
	Scrubber *Scrubber
}

// Stats count the messages that were offered to a Writer by what became of them.
type Stats struct {
	Records int   // written
	Bytes   int64 // of the capture so far
	// LeftOut are messages that could not be decoded in order to scrub them, and envelopes that came in a form that
	// cannot be recorded.
	LeftOut int
	// Refused messages came after the capture was full or broken.
	Refused int
}

// Writer writes a capture. It is a Recorder, safe for concurrent use; the writer below is used by one
// goroutine at a time.
type Writer struct {
	options Options
	ended   chan struct{} // closed when nothing more is taken

	mu      sync.Mutex
	out     *countingWriter
	encoder *zstd.Encoder
	pending int64     // uncompressed bytes since the last flush
	flushed time.Time // arrival of the record that was last flushed
	scratch []byte
	record  []byte
	stats   Stats
	full    bool
	closed  bool
	err     error
}

// NewWriter writes the header. Close ends the capture; the writer below stays open.
func NewWriter(to io.Writer, options Options) (*Writer, error) {
	options.Header.Scrubbed = options.Scrubber != nil
	header := options.Header.marshal()
	if len(header) > maxHeader {
		return nil, fmt.Errorf("capture: a header of %d bytes, at most %d are allowed", len(header), maxHeader)
	}
	w := &Writer{
		options: options,
		ended:   make(chan struct{}),
		out:     &countingWriter{to: to},
		flushed: options.Header.Start,
	}
	begin := append(binary.AppendUvarint([]byte(fileMagic), uint64(len(header))), header...)
	if most := options.MaxBytes; most != 0 && most < int64(len(begin))+2*slack {
		return nil, fmt.Errorf("capture: %d bytes are not enough for any record", most)
	}
	if _, err := w.out.Write(begin); err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	var err error
	w.encoder, err = zstd.NewWriter(w.out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return w, nil
}

// Ended is closed when the capture takes nothing more: it is full, or could not be written. Close says which.
func (w *Writer) Ended() <-chan struct{} { return w.ended }

// RecordV1 implements Recorder.
func (w *Writer) RecordV1(source string, envelope []byte, arrived time.Time) {
	w.add(Record{Source: source, Format: V1, Message: envelope}, arrived)
}

// RecordV2 implements Recorder.
func (w *Writer) RecordV2(source string, batch []byte, arrived time.Time) {
	w.add(Record{Source: source, Format: V2, Message: batch}, arrived)
}

// LeaveOut implements Recorder.
func (w *Writer) LeaveOut(envelopes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.LeftOut += envelopes
}

func (w *Writer) add(r Record, arrived time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full || w.closed || w.err != nil {
		w.stats.Refused++
		return
	}
	if w.options.Scrubber != nil {
		message, ok := w.options.Scrubber.message(r.Format, r.Message)
		if !ok {
			w.stats.LeftOut++
			return
		}
		r.Message = message
	}
	r.Offset = arrived.Sub(w.options.Header.Start)
	w.scratch = r.append(w.scratch[:0])
	if len(w.scratch) > maxRecord {
		w.stats.Refused++ // longer than any source accepts
		return
	}
	w.record = append(binary.AppendUvarint(w.record[:0], uint64(len(w.scratch))), w.scratch...)
	if !w.fits(int64(len(w.record))) {
		w.full = w.err == nil
		w.stats.Refused++
		close(w.ended)
		return
	}
	if _, err := w.encoder.Write(w.record); err != nil {
		w.fail(err)
		close(w.ended)
		return
	}
	w.stats.Records++
	w.pending += int64(len(w.record))
	if arrived.Sub(w.flushed) >= flushInterval {
		w.flushed = arrived
		if !w.flush() {
			close(w.ended)
		}
	}
}

// fits reports whether a record can be added without exceeding MaxBytes. The compressed size of the pending bytes is
// known only after a flush, which fits therefore does if the record does not fit otherwise.
func (w *Writer) fits(n int64) bool {
	most := w.options.MaxBytes
	bound := func() int64 { return w.out.n + (w.pending+n)*129/128 + slack }
	return most == 0 || bound() <= most || w.pending > 0 && w.flush() && bound() <= most
}

func (w *Writer) flush() bool {
	if err := w.encoder.Flush(); err != nil {
		w.fail(err)
		return false
	}
	w.pending = 0
	return true
}

func (w *Writer) fail(err error) { w.err = fmt.Errorf("capture: cannot write: %w", err) }

// Close ends the capture and returns the first error of all writing.
func (w *Writer) Close() (Stats, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		if err := w.encoder.Close(); err != nil && w.err == nil {
			w.fail(err)
		}
	}
	w.stats.Bytes = w.out.n
	return w.stats, w.err
}

// Full says whether the capture ended because it reached its size.
func (w *Writer) Full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.full
}

type countingWriter struct {
	to io.Writer
	n  int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.n += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}
