package exposition

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressor is what the writers of klauspost/compress have in common.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// encoding is a content encoding on offer. Compressors hold large tables, so they are kept between scrapes.
type encoding struct {
	name string
	pool *sync.Pool
}

// zstdWindow bounds the memory of a compressor, and of whoever reads it. A larger one saves nothing on a page, as what repeats does
// so within it, and costs time, as it leaves the processor's cache.
const zstdWindow = 512 << 10

// encodings lists what is on offer, in client_golang's order.
func encodings() []encoding {
	return []encoding{
		{identity, &sync.Pool{New: func() any { return new(plain) }}},
		{"gzip", &sync.Pool{New: func() any {
			// The fastest level: a page is so repetitive that the better ones save little and cost the scraped host
			// several times the CPU.
			w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
			return w
		}}},
		{"zstd", &sync.Pool{New: func() any {
			w, _ := newZstd(zstd.SpeedFastest, zstdWindow)
			return w
		}}},
	}
}

// newZstd makes a compressor that starts no goroutine and writes a frame for an empty page too, which some readers want.
func newZstd(level zstd.EncoderLevel, window int) (compressor, error) {
	return zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
}

func (e *encoding) take(w io.Writer) compressor {
	c := e.pool.Get().(compressor)
	c.Reset(w)
	return c
}

// give returns a compressor, closed or not; it lets go of the writer.
func (e *encoding) give(c compressor) {
	c.Reset(io.Discard)
	e.pool.Put(c)
}

// plain compresses nothing.
type plain struct{ io.Writer }

func (p *plain) Reset(w io.Writer) { p.Writer = w }
func (p *plain) Close() error      { return nil }
