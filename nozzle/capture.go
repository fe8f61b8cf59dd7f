package nozzle

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The format of captures is described in docs/capture.md: a magic, a header, and a zstd stream of records.
const (
	captureMagic   = "LGCAPT\r\n" // the line end shows files that were transferred as text
	captureVersion = 1

	maxCaptureHeader = 64 << 10
	// The longest message of any source, and some room for what stands around it.
	maxCaptureRecord = 10<<20 + 4<<10
	// The window of the compression bounds the memory of whoever reads.
	captureWindow = 1 << 20
)

// CaptureHeader is what a capture says of itself.
type CaptureHeader struct {
	// Version of the format; writers set it themselves.
	Version uint64
	// Start is what the records' offsets count from.
	Start time.Time
	// Sources are the configuration keys of the sources that were recorded.
	Sources []string
	// Scrubbed says that names, ids and addresses were replaced.
	Scrubbed bool
	// Program is the name and version of the writer.
	Program string
}

// CaptureFormat says what the bytes of a record are.
type CaptureFormat uint8

// The formats of a record's message.
const (
	CaptureV1 CaptureFormat = 1 // one events.Envelope of dropsonde
	CaptureV2 CaptureFormat = 2 // one loggregator.v2 EnvelopeBatch
)

// CaptureRecord is one message as a source received it.
type CaptureRecord struct {
	// Offset is the time of arrival, since the start of the capture.
	Offset  time.Duration
	Source  string
	Format  CaptureFormat
	Message []byte
}

// Fields of the header and of a record, as key on the wire.
const (
	headerVersion  = 1<<3 | wireVarint
	headerStart    = 2<<3 | wireVarint
	headerSource   = 3<<3 | wireBytes
	headerScrubbed = 4<<3 | wireVarint
	headerProgram  = 5<<3 | wireBytes

	recordOffset = 1<<3 | wireVarint
	recordSource = 2<<3 | wireBytes
	recordV1     = 3<<3 | wireBytes
	recordV2     = 4<<3 | wireBytes
)

func (h *CaptureHeader) marshal() []byte {
	b := appendNumber(nil, headerVersion, captureVersion)
	b = appendNumber(b, headerStart, uint64(h.Start.UnixNano()))
	for _, source := range h.Sources {
		b = appendBytes(b, headerSource, source)
	}
	b = appendNumber(b, headerScrubbed, protowire.EncodeBool(h.Scrubbed))
	return appendBytes(b, headerProgram, h.Program)
}

func (h *CaptureHeader) parse(b []byte) error {
	f := fields{message: b}
	for f.next() {
		switch f.key {
		case headerVersion:
			h.Version = f.number
		case headerStart:
			h.Start = time.Unix(0, int64(f.number))
		case headerSource:
			h.Sources = append(h.Sources, string(f.bytes))
		case headerScrubbed:
			h.Scrubbed = f.number != 0
		case headerProgram:
			h.Program = string(f.bytes)
		}
	}
	if f.bad {
		return errHeader
	}
	if h.Version != captureVersion {
		return fmt.Errorf("the capture is of version %d of the format, this program reads version %d", h.Version, captureVersion)
	}
	return nil
}

func (r *CaptureRecord) append(b []byte) []byte {
	b = appendNumber(b, recordOffset, uint64(max(r.Offset, 0)))
	b = appendBytes(b, recordSource, r.Source)
	if r.Format == CaptureV1 {
		return appendBytes(b, recordV1, r.Message)
	}
	return appendBytes(b, recordV2, r.Message)
}

// parse reads a record, whose message then points into b. It says whether the record is well formed and holds a message.
func (r *CaptureRecord) parse(b []byte) bool {
	source := r.Source
	*r = CaptureRecord{}
	f := fields{message: b}
	for f.next() {
		switch f.key {
		case recordOffset:
			r.Offset = time.Duration(f.number)
		case recordSource:
			// Records of one source follow one another: its name is made once.
			if string(f.bytes) != source {
				source = string(f.bytes)
			}
			r.Source = source
		case recordV1:
			r.Format, r.Message = CaptureV1, f.bytes
		case recordV2:
			r.Format, r.Message = CaptureV2, f.bytes
		}
	}
	return !f.bad && r.Format != 0 && r.Offset >= 0
}

func appendNumber(b []byte, key, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendVarint(b, key), v)
}

func appendBytes[T string | []byte](b []byte, key uint64, v T) []byte {
	b = protowire.AppendVarint(protowire.AppendVarint(b, key), uint64(len(v)))
	return append(b, v...)
}
