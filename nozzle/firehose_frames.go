package nozzle

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

const (
	frameBuffer = 64 << 10
	// maxWhole is the longest message that is taken out of the frames here. Envelopes have some hundred bytes.
	maxWhole = frameBuffer / 4
)

// The first two bytes of a frame, as RFC 6455 defines them in section 5.2.
const (
	frameFin     = 0x80 // the last frame of a message; in the first byte, as the opcode
	frameControl = 0x08 // opcodes with this bit are no part of a message
	frameBinary  = frameFin | 0x02
	frameMasked  = 0x80 // in the second byte, as the length
	frameLength  = 0x7f
	frameLength2 = 126 // the length is in the next two bytes
	frameLength8 = 127 // the length is in the next eight bytes
	frameMask    = 4   // bytes of the mask
)

// errLeft says that no more of a stream is wanted.
var errLeft = errors.New("no more of this stream was wanted")

// wholeFrames is the connection of a websocket, from which its library reads. Binary messages in one short frame, as
// all envelopes are, never reach the library, which takes locks several times for each: they are taken out here, as
// many as are at hand together, and everything else is handed on as it is, such as pings, messages in several frames,
// and what breaks the protocol.
type wholeFrames struct {
	io.ReadWriteCloser
	take  func(messages [][]byte) // decodes messages, which lie in buf
	leave func() bool             // says whether to stop

	buf      []byte
	at, end  int      // what has come and is neither taken nor handed on lies between
	messages [][]byte // that were taken out, and not yet decoded
	rest     int      // bytes of a frame that is to be handed on
	parts    bool     // a message in several frames has begun
}

// over makes it the connection of a websocket in place of c.
func (f *wholeFrames) over(c io.ReadWriteCloser) io.ReadWriteCloser {
	f.ReadWriteCloser, f.buf = c, make([]byte, frameBuffer)
	return f
}

// Read returns what is the library's. The error is errLeft where leave is true after a message.
func (f *wholeFrames) Read(b []byte) (int, error) {
	for {
		if f.takeOut() && f.leave() {
			return 0, errLeft
		}
		if n := min(f.rest, len(b), f.end-f.at); n > 0 {
			f.decode()
			copy(b, f.buf[f.at:f.at+n])
			f.at += n
			f.rest -= n
			return n, nil
		}
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
}

// takeOut takes messages up to a frame that is the library's, or that has not come whole. It reports whether there were
// some.
func (f *wholeFrames) takeOut() (some bool) {
	for f.rest == 0 {
		b := f.buf[f.at:f.end]
		header, length, ok := frameHeader(b)
		switch {
		case !ok:
			return some
		case b[0] != frameBinary || b[1]&frameMasked != 0 || f.parts || length > maxWhole:
			if b[0]&frameControl == 0 {
				f.parts = b[0]&frameFin == 0
			}
			f.rest = math.MaxInt // the library does not read beyond a message that is too long
			if length <= maxFrame {
				f.rest = header + int(length)
			}
		case len(b) < header+int(length):
			return some
		default:
			f.at += header + int(length)
			f.messages = append(f.messages, f.buf[f.at-int(length):f.at])
			some = true
		}
	}
	return some
}

// within says that a message of which the library has something has not come whole.
func (f *wholeFrames) within() bool { return f.rest > 0 || f.parts }

// frameHeader returns how long the header of a frame is, and what follows it. ok is false where the header has not come
// whole.
func frameHeader(b []byte) (header int, length uint64, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	header, length = 2, uint64(b[1]&frameLength)
	switch length {
	case frameLength2:
		header += 2
	case frameLength8:
		header += 8
	}
	if len(b) < header {
		return 0, 0, false
	}
	switch length {
	case frameLength2:
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case frameLength8:
		length = binary.BigEndian.Uint64(b[2:])
	}
	if b[1]&frameMasked != 0 {
		header += frameMask
	}
	return header, length, true
}

// fill reads more bytes, after making room for them.
func (f *wholeFrames) fill() error {
	if f.at == f.end && len(f.messages) == 0 {
		f.at, f.end = 0, 0
	}
	if f.end == len(f.buf) {
		f.decode()
		f.end = copy(f.buf, f.buf[f.at:f.end])
		f.at = 0
	}
	n, err := readSome(f.ReadWriteCloser, f.buf[f.end:])
	f.end += n
	return err
}

// decode hands over the messages that are complete. It is called when nothing more is at hand, which may be in the
// middle of a message.
func (f *wholeFrames) decode() {
	if len(f.messages) > 0 {
		f.take(f.messages)
		f.messages = f.messages[:0]
	}
}
