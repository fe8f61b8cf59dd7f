package nozzle

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"loggregator_exporter/internal/wiretest"
)

type testEvent struct{ Name, Data string }

func readEvents(from io.Reader, limit int) (events []testEvent, err error) {
	r := eventReader{from: from, limit: limit}
	for {
		name, data, err := r.next()
		if err != nil {
			return events, err
		}
		events = append(events, testEvent{string(name), string(data)})
		for i := range data {
			data[i] = '!' // it is the caller's
		}
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		want         []testEvent
		err          error
	}{
		{"nothing", "", nil, io.EOF},
		{"as the gateway writes", "data: {\"batch\":[]}\n\nevent: heartbeat\ndata: 1795342433\n\nevent: closing\ndata: " +
			"closing due to stream timeout\n\n", []testEvent{
			{"", `{"batch":[]}`}, {"heartbeat", "1795342433"}, {"closing", "closing due to stream timeout"},
		}, io.EOF},
		{"name behind the data", "data: a\nevent: b\n\n", []testEvent{{"b", "a"}}, io.EOF},
		{"CRLF", "event: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", []testEvent{{"a", "b"}, {"", "c"}}, io.EOF},
		{"several lines", "data: a\ndata: b\nid: 1\ndata:\ndata\ndata:  c\n\n", []testEvent{{"", "a\nb\n\n\n c"}}, io.EOF},
		{"no value first", "data\ndata: b\n\n", []testEvent{{"", "\nb"}}, io.EOF},
		{
			"comments, other fields and no data", ": hello\n\nevent: a\n\nretry: 5\nfuture_field: 1\ndata: b\n\n\n\n",
			[]testEvent{{"", "b"}},
			io.EOF,
		},
		{"cut within an event", "data: a\n\ndata: b\n", []testEvent{{"", "a"}}, io.EOF},
		{"a page", "<html>\n\n", nil, errNoEventField},
		{"JSON lines", "data: a\n\n{\"batch\":[]}\n\n", []testEvent{{"", "a"}}, errNoEventField},
		{"the middle of an event", "\"timestamp\":\"1\"}\n\n", nil, errNoEventField},
		{"long", "data: " + strings.Repeat("x", 500) + "\n\n", []testEvent{{"", strings.Repeat("x", 500)}}, io.EOF},
		{"too long", "data: a\n\ndata: " + strings.Repeat("x", 2000) + "\n\n", []testEvent{{"", "a"}}, errOversizedEvent},
		{"too long in all", strings.Repeat("data: a\n", 300) + "\n", nil, errOversizedEvent},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, from := range []io.Reader{
				iotest.OneByteReader(strings.NewReader(c.stream)),
				iotest.DataErrReader(iotest.HalfReader(strings.NewReader(c.stream))),
			} {
				got, err := readEvents(from, 1024)
				if !errors.Is(err, c.err) {
					t.Fatalf("%v, want %v", err, c.err)
				}
				wiretest.RequireEqual(t, "events", got, c.want)
			}
		})
	}
}

// TestEventMemory: the buffer grows to what the longest event needs, moves events that straddle its end, and is given
// back.
func TestEventMemory(t *testing.T) {
	var b strings.Builder
	var want []testEvent
	for _, n := range []int{
		10, eventBuffer - 100, 200, eventBuffer, 3 * eventBuffer, 50_000, 50_000, maxKeptEvent, 5,
		6,
	} {
		data := strings.Repeat(string(rune('a'+len(want))), n)
		b.WriteString("data: " + data + "\n\n")
		want = append(want, testEvent{"", data})
	}
	got, err := readEvents(strings.NewReader(b.String()), maxEvent)
	if !errors.Is(err, io.EOF) || len(got) != len(want) {
		t.Fatal(len(got), err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("event %d of %d bytes differs from the %d that were sent", i, len(got[i].Data), len(want[i].Data))
		}
	}
	r := eventReader{
		from:  strings.NewReader("data: " + strings.Repeat("x", 2*maxKeptEvent) + "\n\ndata: a\n\n"),
		limit: maxEvent,
	}
	for range 2 {
		if _, _, err := r.next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.next(); !errors.Is(err, io.EOF) || len(r.buf) > maxKeptEvent {
		t.Errorf("%d bytes are kept: %v", len(r.buf), err)
	}
}

// FuzzEvents: however the stream is cut into reads, the events are the same; nothing panics.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{
		"data: a\n\n", "event: a\r\ndata: b\ndata\n\n: c\n\n", "data\ndata: x\n\n", "\n\nfoo\n",
		"data: " + strings.Repeat("y", 300) + "\n\nx",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, stream string) {
		at, errAt := readEvents(strings.NewReader(stream), 200)
		by, errBy := readEvents(iotest.OneByteReader(strings.NewReader(stream)), 200)
		// The limit holds for what was read ahead as well.
		if errors.Is(errAt, errOversizedEvent) || errors.Is(errBy, errOversizedEvent) {
			return
		}
		wiretest.RequireEqual(t, "events", by, at)
		if (errAt == nil) != (errBy == nil) || errAt.Error() != errBy.Error() {
			t.Fatalf("%v, %v", errAt, errBy)
		}
	})
}

// emptyReader returns nothing and no error.
type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

func TestEventsWithoutProgress(t *testing.T) {
	if _, err := readEvents(emptyReader{}, 1024); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}
