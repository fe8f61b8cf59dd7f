// Package capture writes, reads and scrubs captures: files of envelopes as sources received them.
package capture

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/nozzle/wire"
)

// The format of captures is described in docs/capture.md: a magic, a header, and a zstd stream of records.
const (
	fileMagic = "LGCAPT\r\n" // the line end shows files that were transferred as text
	version   = 1

	maxHeader = 64 << 10
	// The longest message of any source, and room for the fields around it.
	maxRecord = 10<<20 + 4<<10
	// The window of the compression bounds the memory of readers.
	window = 1 << 20
)

// Header describes a capture.
type Header struct {
	// Version of the format; writers set it themselves.
	Version uint64
	// Start is what the records' offsets count from.
	Start time.Time
	// Sources are the configuration keys of the sources that were recorded.
	Sources []string
	// Scrubbed is true if names, ids and addresses were replaced.
	Scrubbed bool
	// Program is the name and version of the writer.
	Program string
}

// Format says what the bytes of a record are.
type Format uint8

// The formats of a record's message.
const (
	V1 Format = 1 // one events.Envelope of dropsonde
	V2 Format = 2 // one loggregator.v2 EnvelopeBatch
)

// Record is one message, as a source received it.
type Record struct {
	// Offset is the time of arrival, since the start of the capture.
	Offset  time.Duration
	Source  string
	Format  Format
	Message []byte
}

// Field tags of the header and of a record, see docs/capture.md.
const (
	headerVersion  = 1<<3 | wire.Varint
	headerStart    = 2<<3 | wire.Varint
	headerSource   = 3<<3 | wire.Bytes
	headerScrubbed = 4<<3 | wire.Varint
	headerProgram  = 5<<3 | wire.Bytes

	recordOffset = 1<<3 | wire.Varint
	recordSource = 2<<3 | wire.Bytes
	recordV1     = 3<<3 | wire.Bytes
	recordV2     = 4<<3 | wire.Bytes
)

func (h *Header) marshal() []byte {
	b := appendNumber(nil, headerVersion, version)
	b = appendNumber(b, headerStart, uint64(h.Start.UnixNano()))
	for _, source := range h.Sources {
		b = appendBytes(b, headerSource, source)
	}
	b = appendNumber(b, headerScrubbed, protowire.EncodeBool(h.Scrubbed))
	return appendBytes(b, headerProgram, h.Program)
}

func (h *Header) parse(b []byte) error {
	f := wire.Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case headerVersion:
			h.Version = f.Number
		case headerStart:
			h.Start = time.Unix(0, int64(f.Number))
		case headerSource:
			h.Sources = append(h.Sources, string(f.Bytes))
		case headerScrubbed:
			h.Scrubbed = f.Number != 0
		case headerProgram:
			h.Program = string(f.Bytes)
		}
	}
	if f.Bad {
		return errHeader
	}
	if h.Version != version {
		return fmt.Errorf("the capture is of version %d of the format, this program reads version %d", h.Version, version)
	}
	return nil
}

func (r *Record) append(b []byte) []byte {
	b = appendNumber(b, recordOffset, uint64(max(r.Offset, 0)))
	b = appendBytes(b, recordSource, r.Source)
	if r.Format == V1 {
		return appendBytes(b, recordV1, r.Message)
	}
	return appendBytes(b, recordV2, r.Message)
}

// parse reads a record, whose message then points into b. It says whether the record is well formed and holds a
// message.
func (r *Record) parse(b []byte) bool {
	source := r.Source
	*r = Record{}
	f := wire.Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case recordOffset:
			r.Offset = time.Duration(f.Number)
		case recordSource:
			// Records of one source follow one another: its name is made once.
			if string(f.Bytes) != source {
				source = string(f.Bytes)
			}
			r.Source = source
		case recordV1:
			r.Format, r.Message = V1, f.Bytes
		case recordV2:
			r.Format, r.Message = V2, f.Bytes
		}
	}
	return !f.Bad && r.Format != 0 && r.Offset >= 0
}

func appendNumber(b []byte, key, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendVarint(b, key), v)
}

func appendBytes[T string | []byte](b []byte, key uint64, v T) []byte {
	b = protowire.AppendVarint(protowire.AppendVarint(b, key), uint64(len(v)))
	return append(b, v...)
}
