package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"loggregator_exporter/internal/wiretest"
)

var captureStart = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// captureOf writes a capture; each message comes a second after the one before.
func captureOf(tb testing.TB, options Options, records ...Record) []byte {
	tb.Helper()
	var out bytes.Buffer
	options.Header.Start = captureStart
	w, err := NewWriter(&out, options)
	if err != nil {
		tb.Fatal(err)
	}
	for _, r := range records {
		record := w.RecordV2
		if r.Format == V1 {
			record = w.RecordV1
		}
		record(r.Source, r.Message, captureStart.Add(r.Offset))
	}
	if _, err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// readCapture reads all records there are, and the error that ended them.
func readCapture(b []byte) (header Header, records []Record, err error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return header, nil, err
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header(), records, nil
		}
		if err != nil {
			return r.Header(), records, err
		}
		kept := *record
		kept.Message = bytes.Clone(record.Message)
		records = append(records, kept)
	}
}

func TestCaptureRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Record {
			return Record{
				Offset:  time.Duration(rapid.Int64Range(0, 1<<50).Draw(rt, "offset")),
				Source:  rapid.SampledFrom([]string{"udp", "rlp", ""}).Draw(rt, "source"),
				Format:  Format(rapid.IntRange(1, 2).Draw(rt, "format")),
				Message: rapid.SliceOf(rapid.Byte()).Draw(rt, "message"),
			}
		}), 0, 20).Draw(rt, "records")
		capture := captureOf(t, Options{Header: Header{Sources: []string{"udp", "rlp"}, Program: "p 1"}}, want...)
		header, got, err := readCapture(capture)
		if err != nil {
			rt.Fatal(err)
		}
		if !header.Start.Equal(captureStart) || strings.Join(header.Sources, ",") != "udp,rlp" || header.Program != "p 1" ||
			header.Version != 1 ||
			header.Scrubbed {
			rt.Fatalf("%+v", header)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			rt.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}

// raw makes the bytes of a capture whose records are what is given, well formed or not.
func rawCapture(tb testing.TB, header []byte, records []byte) []byte {
	tb.Helper()
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	b := append(binary.AppendUvarint([]byte(fileMagic), uint64(len(header))), header...)
	return encoder.EncodeAll(records, b)
}

// TestCaptureErrors: what is wrong, and where.
func TestCaptureErrors(t *testing.T) {
	header := (&Header{Start: captureStart}).marshal()
	one := (&Record{Source: "udp", Format: V1, Message: []byte("m")}).append(nil)
	record := append([]byte{byte(len(one))}, one...)
	good := rawCapture(t, header, bytes.Repeat(record, 1000))
	at := len(record)
	newer := bytes.Clone(header)
	newer[1] = 9
	for name, c := range map[string]struct {
		capture []byte
		records int
		want    string
	}{
		"empty":            {nil, 0, "capture: not a capture: want a file that `exporter record` wrote"},
		"another file":     {[]byte("# HELP go_goroutines\n"), 0, "capture: not a capture: want a file that `exporter record` wrote"},
		"cut in header":    {good[:12], 0, "capture: header at byte 8: the capture is cut off"},
		"newer":            {rawCapture(t, newer, nil), 0, "capture: header at byte 8: the capture is of version 9 of the format, this program reads version 1"},
		"bad header":       {rawCapture(t, []byte{0xff}, nil), 0, "capture: header at byte 8: the header of the capture is malformed"},
		"huge header":      {append([]byte(fileMagic), 0xff, 0xff, 0xff, 0x7f), 0, "capture: header at byte 8: a length of 268435455 bytes, longer than any record may be (65536 bytes)"},
		"no records":       {rawCapture(t, header, nil), 0, ""},
		"other content":    {append(rawCapture(t, header, nil)[:8+1+len(header)], "this is no zstd stream"...), 0, "capture: record 1, at byte 0 of the uncompressed records: invalid input: magic number mismatch"},
		"cut in stream":    {good[:len(good)-3], 0, "capture: record 1, at byte 0 of the uncompressed records: the capture is cut off"},
		"cut in a record":  {rawCapture(t, header, append(bytes.Repeat(record, 3), record[:3]...)), 3, fmt.Sprintf("capture: record 4, at byte %d of the uncompressed records: the capture is cut off", 3*at)},
		"cut in length":    {rawCapture(t, header, append(bytes.Clone(record), 0x80)), 1, fmt.Sprintf("capture: record 2, at byte %d of the uncompressed records: the capture is cut off", at)},
		"bad record":       {rawCapture(t, header, append(bytes.Clone(record), 2, 0xff, 0xff)), 1, fmt.Sprintf("capture: record 2, at byte %d of the uncompressed records: malformed", at)},
		"without message":  {rawCapture(t, header, []byte{0}), 0, "capture: record 1, at byte 0 of the uncompressed records: malformed"},
		"endless length":   {rawCapture(t, header, bytes.Repeat([]byte{0xff}, 20)), 0, "capture: record 1, at byte 0 of the uncompressed records: binary: varint overflows a 64-bit integer"},
		"too long":         {rawCapture(t, header, []byte{0xff, 0xff, 0xff, 0xff, 0x7f}), 0, "capture: record 1, at byte 0 of the uncompressed records: a length of 34359738367 bytes, longer than any record may be (10489856 bytes)"},
		"negative arrival": {rawCapture(t, header, append([]byte{13}, append(protoVarint(1<<3, 1<<63), 0x1a, 0)...)), 0, "capture: record 1, at byte 0 of the uncompressed records: malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, records, err := readCapture(c.capture)
			if len(records) != c.records || c.want == "" && err != nil ||
				c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("%d records, %v; want %d, %s", len(records), err, c.records, c.want)
			}
		})
	}
}

func protoVarint(key, v uint64) []byte { return appendNumber(nil, key, v) }

// TestCaptureOfAKilledRecorder: what was flushed, at least every five seconds, can be read.
func TestCaptureOfAKilledRecorder(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, Options{Header: Header{Start: captureStart}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 13 {
		w.RecordV1("udp", []byte{byte(i)}, captureStart.Add(time.Duration(i)*time.Second))
	}
	_, records, err := readCapture(out.Bytes())
	if len(records) != 11 || !errors.Is(err, ErrTruncated) {
		t.Fatalf("%d records, %v", len(records), err)
	}
}

// TestCaptureMaxBytes: whatever comes, the capture is not longer than allowed, ends in order, and is nearly as long.
func TestCaptureMaxBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, most := range []int64{3000, 10_000, 300_000, 1_000_000} {
		for _, random := range []bool{true, false} {
			var out bytes.Buffer
			w, err := NewWriter(&out, Options{Header: Header{Start: captureStart}, MaxBytes: most})
			if err != nil {
				t.Fatal(err)
			}
			offered := 0
			for full := false; !full; {
				message := make([]byte, 1+rng.IntN(700))
				if random {
					for i := range message {
						message[i] = byte(rng.Uint32())
					}
				} else {
					message[0] = byte(rng.Uint32())
				}
				w.RecordV2("rlp", message, captureStart.Add(time.Duration(offered)*time.Millisecond))
				offered++
				select {
				case <-w.Ended():
					full = true
				default:
				}
			}
			w.RecordV2("rlp", []byte("late"), captureStart)
			stats, err := w.Close()
			if err != nil || !w.Full() {
				t.Fatal(err)
			}
			_, records, err := readCapture(out.Bytes())
			if err != nil || len(records) != stats.Records || stats.Records+stats.Refused != offered+1 || stats.Refused != 2 {
				t.Fatalf("%d records, %+v, %d offered, %v", len(records), stats, offered, err)
			}
			if n := int64(out.Len()); n > most || n < most-3*slack || stats.Bytes != n {
				t.Errorf("%d bytes of %d, %+v", n, most, stats)
			}
		}
	}
	_, err := NewWriter(io.Discard, Options{MaxBytes: 100})
	if err == nil || err.Error() != "capture: 100 bytes are not enough for any record" {
		t.Fatal(err)
	}
}

// failingWriter takes some bytes, and fails then.
type failingWriter struct{ left int }

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

func TestCaptureWriteFails(t *testing.T) {
	w, err := NewWriter(&failingWriter{100}, Options{Header: Header{Start: captureStart}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		w.RecordV1("udp", []byte("m"), captureStart.Add(time.Duration(i)*time.Minute))
		w.RecordV1("udp", bytes.Repeat([]byte("x"), 200_000), captureStart.Add(time.Duration(i)*time.Minute))
	}
	select {
	case <-w.Ended():
	default:
		t.Fatal("not ended")
	}
	if _, err := w.Close(); err == nil || err.Error() != "capture: cannot write: no space left on device" || w.Full() {
		t.Fatal(err)
	}
}

// FuzzCapture: no input makes the reader panic, read without end or take more memory than a record may.
func FuzzCapture(f *testing.F) {
	header := (&Header{Start: captureStart, Sources: []string{"udp"}}).marshal()
	f.Add(
		captureOf(
			f,
			Options{},
			Record{Source: "udp", Format: V1, Message: wiretest.MarshalV1(f, wiretest.ValueV1())},
			Record{Offset: 5, Source: "rlp", Format: V2, Message: wiretest.BatchOf(f, wiretest.EnvelopesV2()...)},
		),
	)
	f.Add(rawCapture(f, header, []byte{2, 0xff, 0xff}))
	f.Add(rawCapture(f, header, bytes.Repeat([]byte{0xff}, 20)))
	f.Add(rawCapture(f, []byte{0xff}, nil))
	f.Add([]byte(fileMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		defer r.Close()
		for range 100_000 {
			if _, err := r.Next(); err != nil {
				if _, again := r.Next(); again == nil {
					t.Fatal("a record after the end")
				}
				return
			}
		}
	})
}

// FuzzCaptureRecords looks behind the compression.
func FuzzCaptureRecords(f *testing.F) {
	one := (&Record{Source: "udp", Format: V1, Message: []byte("m")}).append(nil)
	f.Add(append([]byte{byte(len(one))}, one...))
	f.Add([]byte{0})
	f.Add(bytes.Repeat([]byte{0xff}, 12))
	header := (&Header{Start: captureStart}).marshal()
	f.Fuzz(func(t *testing.T, records []byte) {
		_, got, err := readCapture(rawCapture(t, header, records))
		var at *Error
		if err != nil && (!errors.As(err, &at) || at.Record != len(got)+1 || at.Offset > int64(len(records))) {
			t.Fatalf("%d records, %v", len(got), err)
		}
	})
}
