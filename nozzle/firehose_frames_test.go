package nozzle

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/watch"
)

// v1Records keeps the dropsonde envelopes that an intake decodes.
type v1Records struct {
	memoryRecorder
	messages [][]byte
}

func (r *v1Records) RecordV1(_ string, envelope []byte, _ time.Time) {
	r.messages = append(r.messages, bytes.Clone(envelope))
}

// switched answers each request with a websocket over a connection.
type switched struct{ io.ReadWriteCloser }

func (s switched) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, section 4.2.2
	accept := sha1.Sum([]byte(key))
	return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: s.ReadWriteCloser, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(accept[:])},
	}}, nil
}

// incoming is a connection that brings bytes, and takes any.
type incoming struct{ io.Reader }

func (incoming) Write(b []byte) (int, error) { return len(b), nil }
func (incoming) Close() error                { return nil }

// readFirehose reads a websocket to its end: the messages that were decoded, and why it ended. With whole, messages in
// one frame are taken out before the library; drained is set to what says that nothing is at hand.
func readFirehose(tb testing.TB, from io.Reader, whole bool, drained *func()) ([][]byte, watch.Failure) {
	tb.Helper()
	l, _ := newTestLedger(tb)
	got := &v1Records{}
	in := NewIntake(l.Source(nameFirehose), &nullSink{})
	in.recorder = got
	s := newFirehoseStream(in, &watch.Pulse{})
	*drained = s.frames.decode
	var over io.ReadWriteCloser = incoming{from}
	if whole {
		over = s.frames.over(over)
	}
	options := &websocket.DialOptions{HTTPClient: &http.Client{Transport: switched{over}}}
	var err error
	s.conn, _, err = websocket.Dial(tb.Context(), "ws://firehose", options)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = s.conn.CloseNow() }()
	s.conn.SetReadLimit(maxFrame)
	failure := s.read(context.Background())
	return got.messages, failure
}

// appendFrame appends a frame as a server sends it.
func appendFrame(to []byte, first byte, payload []byte) []byte {
	switch n := len(payload); {
	case n < frameLength2:
		to = append(to, first, byte(n))
	case n <= 0xffff:
		to = binary.BigEndian.AppendUint16(append(to, first, frameLength2), uint16(n))
	default:
		to = binary.BigEndian.AppendUint64(append(to, first, frameLength8), uint64(n))
	}
	return append(to, payload...)
}

// pieces hands bytes out in pieces, each of which may be the last that is at hand.
type pieces struct {
	t       *rapid.T
	left    []byte
	drained func()
}

func (p *pieces) Read(b []byte) (int, error) {
	if rapid.Bool().Draw(p.t, "drained") {
		p.drained()
	}
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[:rapid.IntRange(1, len(p.left)).Draw(p.t, "piece")])
	p.left = p.left[n:]
	return n, nil
}

// TestFirehoseBatches: whatever is at hand together, however long messages are, and into how many frames they are cut,
// each is decoded once, in order.
func TestFirehoseBatches(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var stream []byte
		var want [][]byte
		for i := range rapid.IntRange(1, 20).Draw(r, "messages") {
			length := rapid.OneOf(rapid.IntRange(0, 1000), rapid.IntRange(maxWhole-2, maxWhole+2),
				rapid.IntRange(frameBuffer-2, frameBuffer+2), rapid.IntRange(0, 1<<20)).Draw(r, "length")
			message := bytes.Repeat([]byte{byte(i + 1)}, length)
			want = append(want, message)
			if rapid.IntRange(0, 4).Draw(r, "cut") == 0 {
				cut := rapid.IntRange(0, length).Draw(r, "part")
				stream = appendFrame(stream, 0x02, message[:cut])
				stream = appendFrame(stream, 0x89, []byte("ping between two parts"))
				stream = appendFrame(stream, 0x80, message[cut:])
			} else {
				stream = appendFrame(stream, 0x82, message)
			}
			if rapid.Bool().Draw(r, "ping") {
				stream = appendFrame(stream, 0x89, []byte("ping"))
			}
		}
		from := &pieces{t: r, left: stream}
		got, failure := readFirehose(t, from, true, &from.drained)
		if failure.Reason != watch.ReasonLost {
			r.Errorf("ended by %+v", failure)
		}
		if len(got) != len(want) {
			r.Fatalf("%d messages, want %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				r.Fatalf("message %d has %d bytes, want %d, or others", i, len(got[i]), len(want[i]))
			}
		}
	})
}

// FuzzFirehoseFrames: what comes is understood as the library of websockets understands it by itself.
func FuzzFirehoseFrames(f *testing.F) {
	whole := appendFrame(nil, 0x82, []byte("whole"))
	for _, then := range [][]byte{
		nil,
		appendFrame(nil, 0x82, bytes.Repeat([]byte("a"), 300)),
		appendFrame(nil, 0x82, bytes.Repeat([]byte("a"), 70_000)),
		append(appendFrame(nil, 0x02, []byte("two ")), appendFrame(nil, 0x80, []byte("parts"))...),
		append(appendFrame(nil, 0x02, []byte("a part, and then ")), whole...),
		appendFrame(nil, 0x80, []byte("a last part alone")),
		appendFrame(nil, 0x81, []byte("text")),
		appendFrame(nil, 0xc2, []byte("an extension")),
		appendFrame(nil, 0x83, []byte("an unknown kind")),
		appendFrame(nil, 0x8b, []byte("an unknown control frame")),
		appendFrame(nil, 0x89, []byte("ping")),
		appendFrame(nil, 0x88, []byte{0x03, 0xf0}), // 1008, the reader is slow
		{0x82, 0x84, 1, 2, 3, 4, 5, 6, 7, 8},       // masked, as only clients may
		{0x82, frameLength8, 0, 0, 0, 0, 0, 0xa0, 0, 1, 'l', 'o', 'n', 'g'},
		{0x82, frameLength8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'l', 'o', 'n', 'g'},
		{0x82, frameLength2, 0},
	} {
		f.Add(append(append(bytes.Clone(whole), then...), whole...), uint16(1))
		f.Add(append(append(bytes.Clone(whole), then...), whole...), uint16(40_000))
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		var drained func()
		cut := errors.New("cut") // at io.EOF the library takes a message for whole that is not
		uncut := io.MultiReader(bytes.NewReader(stream), readerFunc(func([]byte) (int, error) { return 0, cut }))
		want, reason := readFirehose(t, uncut, false, &drained)
		got, why := readFirehose(t, readerFunc(func(b []byte) (int, error) {
			drained()
			n := min(len(b), len(stream), int(piece)+1)
			if n == 0 {
				return 0, cut
			}
			copy(b, stream[:n])
			stream = stream[n:]
			return n, nil
		}), true, &drained)
		if why.Reason != reason.Reason {
			t.Errorf("ended by %v (%v), want %v (%v)", why.Reason, why.Err, reason.Reason, reason.Err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d messages, want %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("message %d is %.100q, want %.100q", i, got[i], want[i])
			}
		}
	})
}

// TestFirehoseCut: a message that has not come whole, when the connection ends, is none.
func TestFirehoseCut(t *testing.T) {
	for name, stream := range map[string][]byte{
		"in a message":           appendFrame(nil, 0x82, make([]byte, 300))[:200],
		"in a long one":          appendFrame(nil, 0x82, make([]byte, 100_000))[:90_000],
		"before its first byte":  appendFrame(nil, 0x82, make([]byte, 100_000))[:10],
		"between parts":          appendFrame(nil, 0x02, []byte("a part")),
		"before the second part": append(appendFrame(nil, 0x02, []byte("a part")), 0x80, 9),
	} {
		t.Run(name, func(t *testing.T) {
			var drained func()
			got, failure := readFirehose(t, bytes.NewReader(stream), true, &drained)
			if len(got) != 0 || failure.Reason != watch.ReasonLost {
				t.Errorf("%d messages, ended by %+v", len(got), failure)
			}
		})
	}
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestFirehoseLeaves: a stream that is not wanted any more ends right after a message.
func TestFirehoseLeaves(t *testing.T) {
	taken := 0
	f := &wholeFrames{take: func(messages [][]byte) { taken += len(messages) }}
	stream := appendFrame(appendFrame(nil, 0x82, []byte("a")), 0x82, []byte("b"))
	f.leave = func() bool { return true }
	if n, err := f.over(incoming{bytes.NewReader(stream)}).Read(make([]byte, 10)); n != 0 || !errors.Is(err, errLeft) {
		t.Errorf("%d, %v", n, err)
	}
	if f.decode(); taken != 2 {
		t.Errorf("%d messages were decoded", taken)
	}
}

// TestFirehoseAllocatesNothing: neither does a message of usual length, nor the batch.
func TestFirehoseAllocatesNothing(t *testing.T) {
	l, _ := newTestLedger(t)
	s := newFirehoseStream(NewIntake(l.Source(nameFirehose), &nullSink{}), &watch.Pulse{})
	frame := appendFrame(nil, 0x82, wiretest.MarshalV1(t, wiretest.ValueV1()))
	left := 0
	conn := s.frames.over(incoming{readerFunc(func(b []byte) (int, error) {
		if left == 0 {
			s.frames.decode()
			return 0, io.EOF
		}
		left--
		return copy(b, frame), nil
	})})
	buf := make([]byte, 1)
	if n := testing.AllocsPerRun(100, func() {
		left = 300 // more than there is room for at once
		if _, err := conn.Read(buf); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
