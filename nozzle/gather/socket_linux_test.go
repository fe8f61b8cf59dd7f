package gather

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newKernelSocket(tb testing.TB) (s *kernelSocket, ours, theirs *net.TCPConn) {
	tb.Helper()
	ours, theirs = pair(tb)
	s, ok := newSocket(ours, inTurns).(*kernelSocket)
	if !ok {
		tb.Fatal("no socket")
	}
	tb.Cleanup(s.close)
	return s, ours, theirs
}

func TestSocket(t *testing.T) {
	s, _, theirs := newKernelSocket(t)
	b := make([]byte, 10)
	if n, err := s.take(b); n != 0 || !errors.Is(err, errEmpty) {
		t.Errorf("before: %d, %v", n, err)
	}
	write(t, theirs, "a")
	if n, err := s.await(b); n != 1 || b[0] != 'a' || err != nil {
		t.Errorf("after one byte: %d, %v", n, err)
	}
	got := make(chan int)
	go func() {
		n, err := s.await(b)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	write(t, theirs, "bc")
	if n := <-got; n == 0 {
		t.Error("nothing")
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := s.await(b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.take(b); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// TestLinger: after a wait, and only then, a burst that is written message by message gets some time to come.
func TestLinger(t *testing.T) {
	ours, theirs := pair(t)
	s, ok := newSocket(ours, oneByOne).(*kernelSocket)
	if !ok || s.linger == nil {
		t.Fatal("no socket that lingers")
	}
	t.Cleanup(s.close)
	s.linger()
	lingers := 0
	s.linger = func() {
		lingers++
		write(t, theirs, "b")
	}
	b := make([]byte, 10)
	write(t, theirs, "a")
	if n, err := s.await(b); n != 1 || err != nil || lingers != 0 {
		t.Errorf("at hand: %d, %v, after %d waits", n, err, lingers)
	}
	tried, try := make(chan struct{}), s.awaiting
	tell := sync.OnceFunc(func() { close(tried) })
	s.awaiting = func(fd uintptr) bool {
		done := try(fd)
		if !done {
			tell()
		}
		return done
	}
	came := make(chan string)
	go func() {
		n, err := s.await(b)
		if err != nil {
			t.Error(err)
		}
		came <- string(b[:n])
	}()
	<-tried
	write(t, theirs, "a")
	if got := <-came; got != "ab" || lingers != 1 {
		t.Errorf("%q after %d waits", got, lingers)
	}
}

// TestLowWater: during a pause the kernel wakes nothing for what comes, and afterwards for the first byte.
func TestLowWater(t *testing.T) {
	s, ours, theirs := newKernelSocket(t)
	mark := func() (bytes int) {
		raw, err := ours.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { bytes, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT) })
		if err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	write(t, theirs, "a")
	s.pause(time.Millisecond)
	if got := mark(); got < turnBytes {
		t.Errorf("%d bytes in a pause", got)
	}
	b := make([]byte, 10)
	if n, err := s.await(b); n != 1 || err != nil {
		t.Errorf("below the mark: %d, %v", n, err)
	}
	if got := mark(); got != 1 {
		t.Errorf("%d bytes after it", got)
	}
}

func TestSocketDeadline(t *testing.T) {
	s, ours, theirs := newKernelSocket(t)
	if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := s.await(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %d, %v", n, err)
	}
	if err := ours.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	write(t, theirs, "a")
	if n, err := s.await(b); n != 1 || err != nil {
		t.Errorf("without one: %d, %v", n, err)
	}
}

// TestSocketReset: an error of the kernel is told as by the connection itself.
func TestSocketReset(t *testing.T) {
	s, _, theirs := newKernelSocket(t)
	if err := theirs.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.await(make([]byte, 10)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

// TestSocketClosed: closing ends a wait and a pause, which would last for an hour.
func TestSocketClosed(t *testing.T) {
	ours, _ := pair(t)
	c := newTurns(ours, newSocket(ours, inTurns))
	ended := make(chan error, 2)
	go func() {
		_, err := c.Read(make([]byte, 10))
		ended <- err
	}()
	other, _ := pair(t)
	p := newTurns(other, newSocket(other, inTurns))
	go func() {
		p.pause(time.Hour)
		ended <- net.ErrClosed
	}()
	for _, c := range []net.Conn{c, p} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

func TestNoSocket(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close(); _ = theirs.Close() }()
	if newSocket(ours, inTurns) != nil {
		t.Error("a pipe is no socket")
	}
	go func() { _, _ = theirs.Write([]byte("abc")) }()
	b := make([]byte, 10)
	if n, err := New(ours, nil).Read(b); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestAllocNothing(t *testing.T) {
	ours, theirs := pair(t)
	c := New(ours, nil)
	defer func() { _ = c.Close() }()
	turn := c.(*buffered).Conn.(*turns)
	b, text := make([]byte, 10), []byte("abc")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := theirs.Write(text); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(b); err != nil {
			t.Error(err)
		}
		turn.pause(time.Microsecond)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
