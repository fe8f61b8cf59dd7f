package gather

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeSocket is a socket to which the test delivers bytes, and which counts what its reader does.
type fakeSocket struct {
	net.Conn
	mu     sync.Mutex
	unread []arrival
	held   int           // bytes of unread
	most   int           // bytes ever held
	late   time.Duration // the longest time for which anything was unread
	ended  bool
	came   chan struct{}
	closed chan struct{}
	waits  int
	pauses []time.Duration
}

// arrival is when so many bytes came.
type arrival struct {
	at    time.Time
	bytes int
}

func newFake() *fakeSocket {
	return &fakeSocket{came: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (s *fakeSocket) deliver(bytes int) {
	s.mu.Lock()
	s.unread = append(s.unread, arrival{time.Now(), bytes})
	s.held += bytes
	s.most = max(s.most, s.held)
	s.mu.Unlock()
	s.tell()
}

func (s *fakeSocket) tell() {
	select {
	case s.came <- struct{}{}:
	default:
	}
}

func (s *fakeSocket) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.tell()
}

func (s *fakeSocket) take(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := min(len(b), s.held); {
	case n > 0:
		s.held -= n
		for left := n; left > 0; {
			first := &s.unread[0]
			s.late = max(s.late, time.Since(first.at))
			took := min(left, first.bytes)
			left, first.bytes = left-took, first.bytes-took
			if first.bytes == 0 {
				s.unread = s.unread[1:]
			}
		}
		return n, nil
	case s.ended:
		return 0, io.EOF
	default:
		return 0, errEmpty
	}
}

func (s *fakeSocket) await(b []byte) (int, error) {
	s.waits++
	for {
		if n, err := s.take(b); !errors.Is(err, errEmpty) {
			return n, err
		}
		select {
		case <-s.came:
		case <-s.closed:
			return 0, net.ErrClosed
		}
	}
}

func (s *fakeSocket) pause(d time.Duration) {
	s.pauses = append(s.pauses, d)
	select {
	case <-time.After(d):
	case <-s.closed:
	}
}

func (s *fakeSocket) send(b []byte) (int, error) { return len(b), nil }

func (s *fakeSocket) close()       { close(s.closed) }
func (s *fakeSocket) Close() error { return nil }

// delivery is what comes to a socket: so many bytes, again and again after a time.
type delivery struct {
	bytes int
	every time.Duration
	times int
}

// readAll reads what is delivered to its end, each time after the work that the last read made.
func readAll(t *testing.T, s *fakeSocket, work func(bytes int) time.Duration, deliveries ...delivery) {
	t.Helper()
	go func() {
		for _, d := range deliveries {
			for range d.times {
				time.Sleep(d.every)
				s.deliver(d.bytes)
			}
		}
		s.end()
	}()
	c, b := newTurns(s, s), make([]byte, bufferBytes)
	total := 0
	for {
		n, err := c.Read(b)
		total += n
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if work != nil {
			time.Sleep(work(n))
		}
	}
	want := 0
	for _, d := range deliveries {
		want += d.bytes * d.times
	}
	if total != want {
		t.Errorf("%d bytes, want %d", total, want)
	}
}

// TestSparse: what comes in bursts further apart than a pause is read at once.
func TestSparse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		readAll(t, s, nil, delivery{18_000, 100 * time.Millisecond, 100}, delivery{600_000, 100 * time.Millisecond, 20})
		if s.late != 0 || len(s.pauses) != 0 {
			t.Errorf("unread for %v, %d pauses, %d waits", s.late, len(s.pauses), s.waits)
		}
	})
}

// TestScatteredBursts: a burst whose messages are written, and read, one by one is no sign that bursts come often.
func TestScatteredBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		var deliveries []delivery
		for range 100 {
			deliveries = append(deliveries, delivery{300, 20 * time.Microsecond, 50}, delivery{300, 100 * time.Millisecond, 1})
		}
		readAll(t, s, nil, deliveries...)
		if s.late != 0 || len(s.pauses) != 0 {
			t.Errorf("unread for %v, %d pauses, %d waits", s.late, len(s.pauses), s.waits)
		}
	})
}

// TestTurns: what comes often is read by turns, none of which is longer than a pause, and without any wait between
// them.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		const seconds = 20
		readAll(t, s, nil, delivery{3_000, 2 * time.Millisecond, seconds * 500})
		if s.late > Pause {
			t.Errorf("unread for %v", s.late)
		}
		// A second of waits for the beginning, and one for the end.
		if s.waits > 510 {
			t.Errorf("%d waits", s.waits)
		}
		if n, most := len(s.pauses), int(seconds*time.Second/Pause); n > most || n < most*9/10 {
			t.Errorf("%d pauses, want up to %d", n, most)
		}
	})
}

// TestSettling: a connection that has just begun is read at once, as handshakes need.
func TestSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		readAll(t, s, nil, delivery{100, time.Millisecond, 990})
		if s.late != 0 || len(s.pauses) != 0 {
			t.Errorf("unread for %v, %d pauses", s.late, len(s.pauses))
		}
	})
}

// TestSilence: after a time of turns, what comes after a silence is read at once.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		readAll(t, s, nil, delivery{3_000, 10 * time.Millisecond, 200})
		before := len(s.pauses)
		if before == 0 {
			t.Fatal("no turns")
		}
		s = newFake()
		readAll(t, s, nil, delivery{3_000, 10 * time.Millisecond, 200}, delivery{3_000, time.Second, 10})
		if len(s.pauses) > before+1 {
			t.Errorf("%d pauses, want %d and one more", len(s.pauses), before)
		}
	})
}

// TestFast: the faster data comes, the shorter the pauses, so that a sender hardly ever has to wait for us.
func TestFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		readAll(t, s, nil, delivery{2_000, time.Millisecond, 1_200}, delivery{20_000, time.Millisecond, 5_000}) // 20 MB/s
		// The first turn of the faster data comes after a whole pause; the ends of both happen to be one moment.
		if s.most > 20_000*int(Pause/time.Millisecond+2) {
			t.Errorf("up to %d bytes waited", s.most)
		}
		if p := s.pauses[len(s.pauses)/2]; p < 10*time.Millisecond || p > 15*time.Millisecond {
			t.Errorf("a pause of %v", p)
		}
	})
}

// TestBehind: a reader that has more to do than it can does not pause.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		work := func(bytes int) time.Duration { return time.Duration(bytes) * time.Microsecond / 50 } // 50 MB a second
		readAll(t, s, work, delivery{100_000, time.Millisecond, 4_000})
		if len(s.pauses) > 1 { // one before it is known that the reader is behind
			t.Errorf("%d pauses", len(s.pauses))
		}
	})
}

// TestCloseInPause: closing ends a pause at once.
func TestCloseInPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		c := newTurns(s, s)
		ended := make(chan time.Time)
		go func() {
			b := make([]byte, bufferBytes)
			for {
				if _, err := c.Read(b); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
					ended <- time.Now()
					return
				}
			}
		}()
		for range 200 {
			time.Sleep(10 * time.Millisecond)
			s.deliver(1)
		}
		for { // until the reader pauses, with nothing to read before that is over
			time.Sleep(time.Millisecond)
			synctest.Wait()
			s.mu.Lock()
			held := s.held
			s.mu.Unlock()
			if held == 0 {
				break
			}
		}
		pauses := len(s.pauses)
		if err := c.Close(); err != nil || pauses == 0 {
			t.Fatal(err, pauses)
		}
		if at := <-ended; time.Since(at) != 0 {
			t.Errorf("ended %v ago", time.Since(at))
		}
	})
}

// TestDrained: a reader is told when nothing more is at hand, and only then.
func TestDrained(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	drained := 0
	c := New(ours, func() { drained++ })
	defer func() { _ = c.Close() }()
	b := make([]byte, 2)
	for i, text := range []string{"abcd", "e", "fg"} {
		go func() { _, _ = theirs.Write([]byte(text)) }()
		for read := 0; read < len(text); {
			n, err := c.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			read += n
		}
		if drained != i+1 {
			t.Errorf("told %d times after %q", drained, text)
		}
	}
}
