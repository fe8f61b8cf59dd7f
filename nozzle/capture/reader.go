package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

var (
	errHeader   = errors.New("the header of the capture is malformed")
	errNoMagic  = errors.New("not a capture: want a file that `exporter record` wrote")
	errOversize = errors.New("longer than any record may be")

	// ErrTruncated means that a capture ends within a record, for example since its recorder was killed. The records
	// before are valid.
	ErrTruncated = errors.New("the capture is cut off")
)

// Error says where a capture is malformed. The records before that place were read.
type Error struct {
	Record int   // number of the record, from 1
	Offset int64 // where the record begins, in bytes of the uncompressed stream of records
	Err    error
}

// Error names the place.
func (e *Error) Error() string {
	return fmt.Sprintf("capture: record %d, at byte %d of the uncompressed records: %v", e.Record, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Reader reads a capture from its beginning to its end. It starts no goroutine.
type Reader struct {
	header  Header
	decoder *zstd.Decoder
	records *bufio.Reader
	offset  int64
	number  int
	scratch []byte
	record  Record
}

// NewReader reads the header. Close frees memory, and leaves the reader below open.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{}
	file := bufio.NewReader(from)
	var magic [len(fileMagic)]byte
	if n, err := io.ReadFull(file, magic[:]); err != nil && !isEOF(err) {
		return nil, fmt.Errorf("capture: %w", err)
	} else if string(magic[:n]) != fileMagic {
		return nil, fmt.Errorf("capture: %w", errNoMagic)
	}
	header, _, err := readDelimited(file, nil, maxHeader)
	if err != nil {
		return nil, fmt.Errorf("capture: header at byte %d: %w", len(fileMagic), asTruncated(err))
	}
	if err := r.header.parse(header); err != nil {
		return nil, fmt.Errorf("capture: header at byte %d: %w", len(fileMagic), err)
	}
	r.decoder, err = zstd.NewReader(file,
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	r.records = bufio.NewReader(r.decoder)
	return r, nil
}

// Header returns the header of the capture.
func (r *Reader) Header() Header { return r.header }

// Next returns the next record, which is valid until the next call. After the last one it returns io.EOF, and an
// *Error where the capture is malformed.
func (r *Reader) Next() (*Record, error) {
	r.number++
	body, n, err := readDelimited(r.records, r.scratch, maxRecord)
	if errors.Is(err, io.EOF) && n == 0 {
		return nil, io.EOF
	}
	if err == nil {
		r.scratch = body
		if r.record.parse(body) {
			r.offset += n
			return &r.record, nil
		}
		err = errors.New("malformed")
	}
	return nil, &Error{Record: r.number, Offset: r.offset, Err: asTruncated(err)}
}

// Close frees the memory.
func (r *Reader) Close() { r.decoder.Close() }

// readDelimited reads a length and as many bytes, into scratch if they fit. n is the number of bytes read. If there is
// none the error is io.EOF.
func readDelimited(from *bufio.Reader, scratch []byte, limit uint64) (body []byte, n int64, err error) {
	counted := countingByteReader{Reader: from}
	length, err := binary.ReadUvarint(&counted)
	if err != nil {
		return nil, counted.n, err
	}
	if length > limit {
		return nil, counted.n, fmt.Errorf("a length of %d bytes, %w (%d bytes)", length, errOversize, limit)
	}
	if uint64(cap(scratch)) < length {
		scratch = make([]byte, length)
	}
	body = scratch[:length]
	got, err := io.ReadFull(from, body)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return body, counted.n + int64(got), err
}

type countingByteReader struct {
	*bufio.Reader
	n int64
}

func (c *countingByteReader) ReadByte() (byte, error) {
	b, err := c.Reader.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// asTruncated turns an unexpected end into ErrTruncated.
func asTruncated(err error) error {
	if isEOF(err) {
		return ErrTruncated
	}
	return err
}
