package exposition

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
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

// encodings lists what is on offer, identity first.
func encodings() []encoding {
	return []encoding{
		{identity, &sync.Pool{New: func() any { return new(plain) }}},
		{"gzip", &sync.Pool{New: func() any {
			// The fastest level: a page is so repetitive that the better ones save little and cost the scraped host
			// several times the CPU.
			w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
			return w
		}}},
	}
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
