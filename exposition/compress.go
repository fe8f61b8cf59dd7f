package exposition

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressor is what lineGzip and the writers of klauspost/compress have in common.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// encoding is a content encoding on offer.
type encoding struct {
	name  string
	any   *compressors
	lines *compressors // for formats of lines, nil where they need none of their own
}

// of returns the compressors for pages of an offer.
func (e *encoding) of(o *offer) *compressors {
	if _, lines := o.encoder.(*textEncoder); lines && e.lines != nil {
		return e.lines
	}
	return e.any
}

// compressors are kept between scrapes, as they hold large tables.
type compressors struct{ sync.Pool }

func keep(create func() any) *compressors { return &compressors{sync.Pool{New: create}} }

// zstdWindow bounds the memory of a compressor, and of whoever reads it. A larger one saves nothing on a page, as what repeats does
// so within it, and costs time, as it leaves the processor's cache.
const zstdWindow = 512 << 10

// encodings lists what is on offer, in client_golang's order.
func encodings() []encoding {
	return []encoding{
		{name: identity, any: keep(func() any { return new(plain) })},
		{name: "gzip", lines: keep(func() any { return new(lineGzip) }), any: keep(func() any {
			// The fastest level: a page is so repetitive that the better ones save little and cost the scraped host
			// several times the CPU. Pages of lines take two thirds of it with lineGzip, and are smaller.
			w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
			return w
		})},
		{name: "zstd", any: keep(func() any {
			w, _ := newZstd(zstd.SpeedFastest, zstdWindow)
			return w
		})},
	}
}

// newZstd makes a compressor that starts no goroutine and writes a frame for an empty page too, which some readers want.
func newZstd(level zstd.EncoderLevel, window int) (compressor, error) {
	return zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
}

func (c *compressors) take(w io.Writer) compressor {
	z := c.Get().(compressor)
	z.Reset(w)
	return z
}

// give returns a compressor, closed or not; it lets go of the writer.
func (c *compressors) give(z compressor) {
	z.Reset(io.Discard)
	c.Put(z)
}

// plain compresses nothing.
type plain struct{ io.Writer }

func (p *plain) Reset(w io.Writer) { p.Writer = w }
func (p *plain) Close() error      { return nil }
