package exposition

import (
	"encoding/binary"
	"io"
)

const (
	// outBytes is what is compressed before it is written: what the server's buffer takes without a copy.
	outBytes = 32 << 10
	// outSlack is for what is compressed between two looks at how full the buffer is: a token with 255 literals.
	outSlack = 512
)

// bitWriter writes bits, the first into the lowest of a byte (RFC 1951, section 3.1.1). It keeps the first error of w and writes
// nothing more.
type bitWriter struct {
	w   io.Writer
	err error

	bits     uint64 // not yet in out, the first lowest
	bitCount uint   // below 32
	out      [outBytes + outSlack]byte
	used     int // of out
}

func (b *bitWriter) reset(w io.Writer) {
	b.w, b.err = w, nil
	b.bits, b.bitCount, b.used = 0, 0, 0
}

// write appends up to 16 bits.
func (b *bitWriter) write(bits uint32, count uint) {
	b.bits |= uint64(bits) << b.bitCount
	b.bitCount += count
	if b.bitCount >= 32 {
		binary.LittleEndian.PutUint32(b.out[b.used:], uint32(b.bits))
		b.used += 4
		b.bits >>= 32
		b.bitCount -= 32
		b.flushFull()
	}
}

// word appends a word of a prefix code.
func (b *bitWriter) word(word uint32) { b.write(word>>8, uint(word&255)) }

// align fills the last byte up with zeros.
func (b *bitWriter) align() {
	for ; b.bitCount > 0; b.bitCount -= min(8, b.bitCount) {
		b.out[b.used] = byte(b.bits)
		b.used++
		b.bits >>= 8
	}
	b.flushFull()
}

// bytes appends whole bytes, after align.
func (b *bitWriter) bytes(p []byte) {
	for len(p) > 0 {
		n := copy(b.out[b.used:outBytes], p)
		b.used += n
		p = p[n:]
		b.flushFull()
	}
}

func (b *bitWriter) flushFull() {
	if b.used >= outBytes {
		b.flush()
	}
}

func (b *bitWriter) flush() {
	if b.err == nil {
		_, b.err = b.w.Write(b.out[:b.used])
	}
	b.used = 0
}
