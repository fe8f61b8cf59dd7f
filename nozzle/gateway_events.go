package nozzle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	eventBuffer = 64 << 10
	// Batches of 6 MB of protobuf have been seen; their JSON is some three times as long.
	maxEvent = 32 << 20
	// How much memory of a large event is kept for the next one.
	maxKeptEvent = 4 << 20
	// How many reads in a row may return nothing.
	maxEmptyReads = 100
)

var (
	errOversizedEvent = errors.New("an event beyond the limit on its length")
	errNoEventField   = errors.New("a line that is no field of an event")
)

// eventReader reads server-sent events, as the HTML standard defines their stream, with lines that end in LF or CRLF.
// It holds one event at a time, in its own buffer.
type eventReader struct {
	from  io.Reader
	limit int // of an event, in bytes

	buf   []byte
	begin int // of the current event
	at    int // the end of the lines that were read
	scan  int // no line ends between at and scan
	end   int // of the bytes that were read

	// Position of the data, and name, of the current event; both are valid until the next call of next.
	hasData  bool
	dataFrom int
	dataTo   int
	name     []byte
}

// next returns the next event that has data: its name (empty for a message) and the data. The caller may change both
// until the next call. Lines after the last blank line of the stream are no event.
func (r *eventReader) next() (name, data []byte, err error) {
	if r.begin = r.at; r.begin == r.end {
		r.begin, r.at, r.scan, r.end = 0, 0, 0, 0
		if len(r.buf) > maxKeptEvent {
			r.buf = nil
		}
	}
	r.name, r.hasData = r.name[:0], false
	for {
		line, err := r.line()
		if err != nil {
			return nil, nil, err
		}
		if len(line) > 0 {
			if err := r.field(line); err != nil {
				return nil, nil, err
			}
			continue
		}
		if r.hasData {
			return r.name, r.buf[r.dataFrom:r.dataTo:r.dataTo], nil
		}
		r.name, r.begin = r.name[:0], r.at
	}
}

// field takes a line of an event. Unknown fields are ignored, as the standard demands. A line that does not begin
// with a word is no field: the stream holds something else than events, or begins in the middle of one.
func (r *eventReader) field(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon == 0 {
		return nil // a comment
	}
	field, value := line, line[len(line):]
	if colon > 0 {
		field, value = line[:colon], line[colon+1:]
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
	}
	switch string(field) {
	case "data":
		r.add(value)
	case "event":
		r.name = append(r.name[:0], value...)
	default:
		for _, c := range field {
			if (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' && c != '_' {
				return fmt.Errorf("%w: %.60q", errNoEventField, line)
			}
		}
	}
	return nil
}

// add takes the value of a data line, which is the line just read. The values of further data lines are moved next to
// the first, with a line feed between.
func (r *eventReader) add(value []byte) {
	if !r.hasData {
		r.hasData = true
		// The value lies in the buffer, and the slices share its end.
		r.dataFrom = cap(r.buf) - cap(value)
		r.dataTo = r.dataFrom + len(value)
		return
	}
	r.buf[r.dataTo] = '\n'
	r.dataTo += 1 + copy(r.buf[r.dataTo+1:], value)
}

// line returns the next line without its end.
func (r *eventReader) line() ([]byte, error) {
	for {
		if i := bytes.IndexByte(r.buf[r.scan:r.end], '\n'); i >= 0 {
			line := r.buf[r.at : r.scan+i]
			r.at = r.scan + i + 1
			r.scan = r.at
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
			return line, nil
		}
		r.scan = r.end
		if r.end-r.begin >= r.limit {
			return nil, fmt.Errorf("%w of %d bytes", errOversizedEvent, r.limit)
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more bytes, after making room for them.
func (r *eventReader) fill() error {
	if r.end == len(r.buf) {
		r.makeRoom()
	}
	n, err := readSome(r.from, r.buf[r.end:])
	r.end += n
	return err
}

// readSome reads at least one byte, or returns an error.
func readSome(from io.Reader, b []byte) (int, error) {
	for range maxEmptyReads {
		n, err := from.Read(b)
		if n > 0 {
			return n, nil // an error comes again
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// makeRoom moves the current event to the front of the buffer, or doubles the buffer if the event fills more than
// half.
func (r *eventReader) makeRoom() {
	to := r.buf
	if r.end-r.begin > len(r.buf)/2 || len(r.buf) == 0 {
		to = make([]byte, max(eventBuffer, min(2*len(r.buf), r.limit+eventBuffer)))
	}
	copy(to, r.buf[r.begin:r.end])
	r.buf = to
	r.at, r.scan, r.end = r.at-r.begin, r.scan-r.begin, r.end-r.begin
	r.dataFrom, r.dataTo, r.begin = r.dataFrom-r.begin, r.dataTo-r.begin, 0
}
