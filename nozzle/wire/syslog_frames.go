package wire

import (
	"errors"
	"io"
	"sync"
)

// Why a stream of frames cannot be read on, or a frame of it cannot be used.
var (
	// ErrFrameTooLong is a frame over the limit. It was stepped over; what follows can be read.
	ErrFrameTooLong = errors.New("the message is longer than accepted")
	// ErrNoOctetCount is a message where its length should be: the sender ends messages by line feeds.
	ErrNoOctetCount = errors.New("the message has no octet count before it")
	// ErrFrame is anything else that is no length.
	ErrFrame = errors.New("no octet count stands where a message should begin")
)

const (
	smallFrame      = 1024 // bytes, the count included: few messages of agents are longer
	largeFrame      = 32 << 10
	maxKeptFrame    = 64 << 10
	maxCountDigits  = 9
	maxCountedBytes = maxCountDigits + 1
)

// AheadReader is a reader that can tell what is at hand.
type AheadReader interface {
	io.Reader
	// ReadAhead is Read, but for that it waits for nothing: what is not at hand is an error, after which both can be
	// called again.
	ReadAhead(b []byte) (int, error)
}

// largeFrames holds memory for frames that are longer than smallFrame, and for many that are at hand.
var largeFrames = sync.Pool{New: func() any { b := make([]byte, largeFrame); return &b }}

// SyslogFrames reads messages with octet counting (RFC 6587): the number of bytes in decimal digits, a space, the
// message. Between frames it holds smallFrame bytes; the memory for a longer frame grows as its bytes come, and goes
// back to a pool.
//
// All that an AheadReader has at hand is read before the first message of it is returned: to decrypt one record after
// the other, and then to decode one message after the other, costs less than to do both in turns.
type SyslogFrames struct {
	reader   io.Reader
	ahead    AheadReader // the reader, or nil
	limit    int         // of a message
	large    *[]byte     // in place of small, or nil
	from, to int         // what is read and not yet consumed
	small    [smallFrame]byte
}

// NewSyslogFrames reads messages of up to limit bytes.
func NewSyslogFrames(reader io.Reader, limit int) *SyslogFrames {
	ahead, _ := reader.(AheadReader)
	return &SyslogFrames{reader: reader, ahead: ahead, limit: limit}
}

// Amid says whether the next frame has begun.
func (f *SyslogFrames) Amid() bool { return f.from < f.to }

// Next returns the next message, which is the caller's until the next call. The error is io.EOF at the end of the
// stream, io.ErrUnexpectedEOF where it ends within a frame, one of this package, or one of the reader. After
// ErrFrameTooLong the next message can be read, after no other.
func (f *SyslogFrames) Next() ([]byte, error) {
	count, length, err := f.count()
	if err != nil {
		return nil, err
	}
	f.from += count
	if length > f.limit {
		if err := f.discard(length); err != nil {
			return nil, err
		}
		return nil, ErrFrameTooLong
	}
	for f.to-f.from < length {
		if err := f.read(length); err != nil {
			return nil, unexpected(err)
		}
	}
	message := f.memory()[f.from : f.from+length]
	f.from += length
	return message, nil
}

// count reads the number of bytes that a frame begins with, and returns how long that is, too.
func (f *SyslogFrames) count() (count, length int, err error) {
	for {
		b := f.memory()[f.from:f.to]
		n := digits(b)
		switch {
		case n > maxCountDigits || n > 0 && b[0] == '0' || n < len(b) && (n == 0 || b[n] != ' '):
			if b[0] == '<' {
				return 0, 0, ErrNoOctetCount
			}
			return 0, 0, ErrFrame
		case n < len(b):
			v, _ := shortDecimal(b[:n])
			return n + 1, int(v), nil
		}
		if err := f.read(maxCountedBytes); err != nil {
			if len(b) > 0 {
				err = unexpected(err)
			}
			return 0, 0, err
		}
	}
}

func (f *SyslogFrames) memory() []byte {
	if f.large != nil {
		return *f.large
	}
	return f.small[:]
}

// read reads more of a part of the stream that is so long; from is at its beginning.
func (f *SyslogFrames) read(length int) error {
	have := f.to - f.from
	memory := f.memory()
	switch {
	case f.large != nil && length <= smallFrame:
		copy(f.small[:], memory[f.from:f.to])
		f.Release()
	case f.large == nil && length > smallFrame:
		f.enlarge()
	case have == len(memory):
		f.grow(length)
	case f.from > 0:
		copy(memory, memory[f.from:f.to])
	}
	f.from, f.to = 0, have
	n, err := f.reader.Read(f.memory()[have:])
	f.to += n
	if n > 0 {
		f.gather()
		return nil
	}
	return err
}

// gather reads what is at hand, as far as there is memory. An error that lasts comes again.
func (f *SyslogFrames) gather() {
	for f.ahead != nil {
		memory := f.memory()
		if f.to == len(memory) {
			if f.large != nil {
				return
			}
			f.enlarge()
			continue
		}
		n, _ := f.ahead.ReadAhead(memory[f.to:])
		if n == 0 {
			return
		}
		f.to += n
	}
}

// enlarge replaces the small memory.
func (f *SyslogFrames) enlarge() {
	large := largeFrames.Get().(*[]byte)
	copy(*large, f.small[f.from:f.to])
	f.large, f.from, f.to = large, 0, f.to-f.from
}

// grow doubles the memory up to the length that is needed.
func (f *SyslogFrames) grow(length int) {
	grown := make([]byte, min(2*len(f.memory()), max(length, largeFrame)))
	copy(grown, f.memory())
	f.Release()
	f.large = &grown
}

// Release gives memory back; nothing can be read afterwards but after a frame that is used up.
func (f *SyslogFrames) Release() {
	if f.large != nil && len(*f.large) <= maxKeptFrame {
		largeFrames.Put(f.large)
	}
	f.large = nil
}

// discard consumes bytes without holding them.
func (f *SyslogFrames) discard(length int) error {
	for {
		n := min(length, f.to-f.from)
		f.from += n
		if length -= n; length == 0 {
			return nil
		}
		if err := f.read(0); err != nil {
			return unexpected(err)
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
