package gather

import (
	"context"
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

// runGroup runs a group until the test ends.
func runGroup(tb testing.TB) *Group {
	tb.Helper()
	g := NewGroup()
	if g == nil {
		tb.Fatal("no group")
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.Run(ctx) })
	tb.Cleanup(func() { cancel(); running.Wait() })
	return g
}

// joined returns both ends of a connection, ours in a group.
func joined(tb testing.TB, g *Group) (ours net.Conn, theirs *net.TCPConn) {
	tb.Helper()
	in, out := pair(tb)
	if ours = g.Join(in); ours == net.Conn(in) {
		tb.Fatal("it does not join")
	}
	if ours.RemoteAddr().String() != out.LocalAddr().String() || ours.LocalAddr().String() != out.RemoteAddr().String() {
		tb.Fatal(ours.LocalAddr(), ours.RemoteAddr())
	}
	if _, err := in.Write([]byte("a")); !errors.Is(err, net.ErrClosed) {
		tb.Fatal("the connection is not gone: ", err)
	}
	return ours, out
}

// TestGroupSockets: many connections bring data both ways, each more than the kernel has room for, and end.
func TestGroupSockets(t *testing.T) {
	g := runGroup(t)
	const connections, bytes = 20, 1 << 20
	var all sync.WaitGroup
	for range connections {
		ours, theirs := joined(t, g)
		all.Go(func() {
			if _, err := theirs.Write(make([]byte, bytes)); err != nil {
				t.Error(err)
			}
			if n, err := io.Copy(io.Discard, theirs); n != bytes || err != nil {
				t.Errorf("%d bytes came back, %v", n, err)
			}
		})
		all.Go(func() {
			b := make([]byte, bytes)
			if _, err := io.ReadFull(ours, b); err != nil {
				t.Error(err)
			}
			if n, err := ours.Write(b); n != bytes || err != nil {
				t.Error(n, err)
			}
			if err := ours.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestGroupSocketEnds: the end of a connection, and an error of the kernel, are told as by the connection itself.
func TestGroupSocketEnds(t *testing.T) {
	g := runGroup(t)
	for _, c := range []struct {
		linger int
		want   error
	}{{-1, io.EOF}, {0, syscall.ECONNRESET}} {
		ours, theirs := joined(t, g)
		ended := make(chan error)
		go func() {
			_, err := ours.Read(make([]byte, 10))
			ended <- err
		}()
		if err := errors.Join(theirs.SetLinger(c.linger), theirs.Close()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
		_ = ours.Close()
	}
}

// TestEvents: what comes is told without an end, and an end as one, also where something came before.
func TestEvents(t *testing.T) {
	k := newKernel()
	defer k.close()
	ours, theirs := pair(t)
	fd, err := k.adopt(ours)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.release(fd) }()
	next := func() event {
		for {
			if err := k.wait(); err != nil {
				t.Fatal(err)
			}
			if events := k.ready(nil); len(events) > 0 {
				return events[0]
			}
		}
	}
	write(t, theirs, "a")
	if e := next(); e.fd != fd || e.ends {
		t.Errorf("%+v", e)
	}
	if err := theirs.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for !next().ends { // the byte may be told of again
	}
	if n, err := k.receive(fd, make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := k.receive(fd, make([]byte, 10)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
}

// TestGroupSocketWaits: a wait ends with the first byte, by the deadline, and by closing.
func TestGroupSocketWaits(t *testing.T) {
	g := runGroup(t)
	ours, theirs := joined(t, g)
	b := make([]byte, 10)
	ended := make(chan error)
	read := func() { _, err := ours.Read(b); ended <- err }
	for range 3 {
		go read()
		write(t, theirs, "a")
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if err := ours.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Error(err)
	}
	go read()
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if err := ours.SetReadDeadline(time.Time{}); err != nil {
		t.Error(err)
	}
	go read()
	if err := ours.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestGroupAfter: the descriptors of a group are closed with it, and a pipe never joins.
func TestGroupAfter(t *testing.T) {
	g := NewGroup()
	piped, other := net.Pipe()
	defer func() { _ = piped.Close(); _ = other.Close() }()
	if g.Join(piped) != piped {
		t.Error("a pipe joins")
	}
	ours, theirs := joined(t, g)
	e := g.kernel.(*epoll)
	fds := []int{e.members, e.timer, e.outer, ours.(*member).fd}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.Run(ctx)
	if n, err := theirs.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
	for _, fd := range fds { // this test runs alone: nothing else opens any
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
			t.Errorf("%d is open: %v", fd, err)
		}
	}
}

func TestGroupAllocatesNothing(t *testing.T) {
	g := runGroup(t)
	ours, theirs := joined(t, g)
	b, text := make([]byte, 10), []byte("abc")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := theirs.Write(text); err != nil {
			t.Error(err)
		}
		if _, err := ours.Read(b); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
