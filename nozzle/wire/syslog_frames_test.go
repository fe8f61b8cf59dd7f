package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"loggregator_exporter/internal/wiretest"
)

// handyReader has something at hand every other time.
type handyReader struct {
	io.Reader
	empty bool
}

func (r *handyReader) ReadAhead(b []byte) (int, error) {
	if r.empty = !r.empty; r.empty {
		return 0, os.ErrDeadlineExceeded
	}
	return r.Read(b)
}

// readFrames reads all frames of a text, whose limit is that of a message, by several kinds of readers, which must not
// differ.
func readFrames(t *testing.T, text string, limit int) (messages []string, end error) {
	t.Helper()
	for i, reader := range []io.Reader{
		strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.HalfReader(strings.NewReader(text)),
		iotest.DataErrReader(strings.NewReader(text)), &handyReader{Reader: iotest.HalfReader(strings.NewReader(text))},
	} {
		f := NewSyslogFrames(reader, limit)
		var got []string
		var err error
		for {
			var message []byte
			if message, err = f.Next(); err == nil {
				got = append(got, string(message))
			} else if errors.Is(err, ErrFrameTooLong) {
				got = append(got, "too long")
			} else {
				break
			}
		}
		if i == 0 {
			messages, end = got, err
			continue
		}
		wiretest.RequireEqual(t, text, got, messages)
		if !errors.Is(err, end) {
			t.Fatalf("%q: %v, then %v", text, end, err)
		}
	}
	return messages, end
}

func TestSyslogFrames(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	for _, c := range []struct {
		text  string
		limit int
		want  []string
		end   error
	}{
		{"", 10, nil, io.EOF},
		{"1 a2 bc", 10, []string{"a", "bc"}, io.EOF},
		{"3 a\nb1 \n", 10, []string{"a\nb", "\n"}, io.EOF},
		{"1 a10000 " + long + "2 bc", 10000, []string{"a", long, "bc"}, io.EOF},
		{"1 a10000 " + long + "2 bc9999 " + long[1:] + "1 d", 9999, []string{"a", "too long", "bc", long[1:], "d"}, io.EOF},
		{"11 0123456789a", 10, []string{"too long"}, io.EOF},
		{"11 0123456789", 10, nil, io.ErrUnexpectedEOF},
		{"1", 10, nil, io.ErrUnexpectedEOF},
		{"1 ", 10, nil, io.ErrUnexpectedEOF},
		{"1 a5 ab", 10, []string{"a"}, io.ErrUnexpectedEOF},
		{"1 a<14>1 - - s [0] - -\n", 10, []string{"a"}, ErrNoOctetCount},
		{"1 a\n1 b", 10, []string{"a"}, ErrFrame},
		{"0 ", 10, nil, ErrFrame},
		{"01 a", 10, nil, ErrFrame},
		{"1a ", 10, nil, ErrFrame},
		{"-1 a", 10, nil, ErrFrame},
		{"GET / HTTP/1.1\r\n", 10, nil, ErrFrame},
		{"1234567890 a", 10, nil, ErrFrame},
		{"123456789 a", 10, nil, io.ErrUnexpectedEOF},
	} {
		got, end := readFrames(t, c.text, c.limit)
		wiretest.RequireEqual(t, c.text, got, c.want)
		if !errors.Is(end, c.end) {
			t.Errorf("%q ends with %v, want %v", c.text, end, c.end)
		}
	}
}

// stringsAhead are at hand one after the other.
type stringsAhead []string

func (r *stringsAhead) Read(b []byte) (int, error) { return r.ReadAhead(b) }

func (r *stringsAhead) ReadAhead(b []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*r)[0])
	if (*r)[0] = (*r)[0][n:]; (*r)[0] == "" {
		*r = (*r)[1:]
	}
	return n, nil
}

// TestSyslogFramesGather: what is at hand is read at once.
func TestSyslogFramesGather(t *testing.T) {
	frame := "600 " + strings.Repeat("x", 600)
	reader := stringsAhead(slices.Repeat([]string{frame}, largeFrame/len(frame)))
	f := NewSyslogFrames(&reader, 1<<10)
	if message, err := f.Next(); err != nil || len(message) != 600 {
		t.Fatalf("%q, %v", message, err)
	}
	if len(reader) != 0 {
		t.Errorf("%d frames are still to be read", len(reader))
	}
}

// TestSyslogFramesHoldLittle: between frames a large one is forgotten, one that is too long is never held, and one of
// which nothing but its length has come takes little.
func TestSyslogFramesHoldLittle(t *testing.T) {
	const most = 1 << 20
	frame := func(size int) string { return strconv.Itoa(size) + " " + strings.Repeat("x", size) }
	for _, c := range []struct {
		text string
		held int
	}{
		{frame(most), 0},
		{frame(most) + frame(100), 0},
		{frame(10 * most), 0},
		{strconv.Itoa(most) + " xyz", maxKeptFrame},
		{frame(most)[:most/2], most},
	} {
		reader, writer := io.Pipe()
		f := NewSyslogFrames(reader, most)
		go func() {
			_, _ = io.WriteString(writer, c.text)
			_ = writer.CloseWithError(io.ErrNoProgress) // all is read by now, and the reader waits for more
		}()
		for {
			if _, err := f.Next(); err != nil && !errors.Is(err, ErrFrameTooLong) {
				break
			}
		}
		if held := len(f.memory()); held > max(c.held, smallFrame) {
			t.Errorf("%d bytes held after %.20q... of %d", held, c.text, len(c.text))
		}
	}
}

// FuzzSyslogFrames: however the stream is cut into reads, the frames are the same, and those that are written are
// read.
func FuzzSyslogFrames(f *testing.F) {
	f.Add("5 hello", "1 a", 3)
	f.Add("<14>1 - - s [0] - -\n", "x", 100)
	f.Fuzz(func(t *testing.T, text, tail string, limit int) {
		limit = max(1, min(limit, 1<<16))
		_, _ = readFrames(t, text+tail, limit)
		if len(text) == 0 || len(text) > limit {
			return
		}
		framed := fmt.Sprintf("%d %s", len(text), text)
		messages, _ := readFrames(t, framed+framed, limit)
		wiretest.RequireEqual(t, framed, messages, []string{text, text})
	})
}
