package gather

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeKernel has connections to which the test delivers bytes, and counts what its group does.
type fakeKernel struct {
	mu       sync.Mutex
	sockets  map[int]*fakeMember
	last     int
	happened map[int]bool
	happens  chan struct{}
	ended    chan struct{}
	closed   bool
	waits    int
	pauses   []time.Duration
}

// fakeMember is a connection that can join.
type fakeMember struct {
	*fakeSocket
	fd   int
	sent int
	room int // for what is sent
}

func (*fakeMember) LocalAddr() net.Addr  { return &net.TCPAddr{Port: 1} }
func (*fakeMember) RemoteAddr() net.Addr { return &net.TCPAddr{Port: 2} }

func (k *fakeKernel) adopt(c net.Conn) (int, error) {
	m, ok := c.(*fakeMember)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	k.mu.Lock()
	k.last++
	m.fd = k.last
	k.sockets[m.fd] = m
	k.mu.Unlock()
	k.happen(m)
	return m.fd, nil
}

func (k *fakeKernel) of(fd int) *fakeMember {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sockets[fd]
}

func (k *fakeKernel) receive(fd int, b []byte) (int, error) { return k.of(fd).take(b) }

func (k *fakeKernel) send(fd int, b []byte) (int, error) {
	m := k.of(fd)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(len(b), m.room)
	m.room, m.sent = m.room-n, m.sent+n
	if n == 0 {
		return 0, errEmpty
	}
	return n, nil
}

func (k *fakeKernel) release(fd int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.sockets, fd)
	return nil
}

// happen says that something happened to a connection.
func (k *fakeKernel) happen(m *fakeMember) {
	k.mu.Lock()
	k.happened[m.fd] = true
	k.mu.Unlock()
	select {
	case k.happens <- struct{}{}:
	default:
	}
}

func (k *fakeKernel) ready(events []event) []event {
	k.mu.Lock()
	defer k.mu.Unlock()
	for fd := range k.happened {
		e := event{fd: fd}
		if m := k.sockets[fd]; m != nil {
			m.mu.Lock()
			e.ends = m.ended
			m.mu.Unlock()
		}
		events = append(events, e)
	}
	clear(k.happened)
	return events
}

func (k *fakeKernel) wait() error {
	k.waits++
	for {
		select {
		case <-k.ended:
			return net.ErrClosed
		case <-k.happens:
			k.mu.Lock()
			happened := len(k.happened) > 0
			k.mu.Unlock()
			if happened {
				return nil
			}
		}
	}
}

func (k *fakeKernel) pause(d time.Duration) error {
	k.pauses = append(k.pauses, d)
	select {
	case <-time.After(d):
		return nil
	case <-k.ended:
		return net.ErrClosed
	}
}

func (k *fakeKernel) end()   { close(k.ended) }
func (k *fakeKernel) close() { k.closed = true }

// groupTest is a group in simulated time.
type groupTest struct {
	*testing.T
	*fakeKernel
	group   *Group
	readers sync.WaitGroup
	all     []*fakeMember
}

func inGroup(t *testing.T, test func(t *groupTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{
			sockets: map[int]*fakeMember{}, happened: map[int]bool{}, happens: make(chan struct{}, 1),
			ended: make(chan struct{}),
		}
		g := &groupTest{T: t, fakeKernel: k, group: newGroup(k)}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { g.group.Run(ctx) })
		test(g)
		cancel()
		running.Wait()
		if len(k.sockets) > 0 || !k.closed {
			t.Errorf("%d connections are left; closed: %t", len(k.sockets), k.closed)
		}
	})
}

func (t *groupTest) join() (m *fakeMember, c net.Conn) {
	t.Helper()
	m = &fakeMember{fakeSocket: newFake()}
	if c = t.group.Join(m); c == net.Conn(m) {
		t.Fatal("it does not join")
	}
	t.all = append(t.all, m)
	return m, c
}

// read lets a connection be read to its end, while bytes are delivered to it.
func (t *groupTest) read(begin time.Duration, deliveries ...delivery) {
	t.Helper()
	m, c := t.join()
	want := 0
	for _, d := range deliveries {
		want += d.bytes * d.times
	}
	t.readers.Go(func() {
		time.Sleep(begin)
		for _, d := range deliveries {
			for range d.times {
				time.Sleep(d.every)
				m.deliver(d.bytes)
				t.happen(m)
			}
		}
		time.Sleep(deliveries[len(deliveries)-1].every) // an end right after a delivery would count as what comes often
		m.end()
		t.happen(m)
	})
	t.readers.Go(func() {
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, c, make([]byte, 4096)); int(n) != want || err != nil {
			t.Errorf("%d bytes, want %d; %v", n, want, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// wait returns when all connections have been read to their ends.
func (t *groupTest) wait() {
	t.readers.Wait()
	synctest.Wait()
}

// late is the longest time for which anything was unread.
func (t *groupTest) late() (late time.Duration) {
	for _, m := range t.all {
		late = max(late, m.late)
	}
	return late
}

// TestGroupTurns: however many connections there are, all are read in the same turns, none of which is longer than a
// pause, and without any wait between them.
func TestGroupTurns(t *testing.T) {
	inGroup(t, func(t *groupTest) {
		const seconds = 20
		for i := range 100 {
			t.read(time.Duration(i)*time.Millisecond, delivery{400, 100 * time.Millisecond, seconds * 10})
		}
		t.wait()
		if late := t.late(); late > Pause || late < Pause/2 {
			t.Errorf("unread for %v", late)
		}
		if n, most := len(t.pauses), int((seconds+1)*time.Second/Pause); n > most || n < most*9/10 {
			t.Errorf("%d pauses, want up to %d", n, most)
		}
		if t.waits > 5 {
			t.Errorf("%d waits", t.waits)
		}
	})
}

// TestGroupSparse: what comes after a silence of all connections is read at once.
func TestGroupSparse(t *testing.T) {
	inGroup(t, func(t *groupTest) {
		for i := range 5 {
			t.read(time.Duration(i)*50*time.Millisecond, delivery{1_000_000, 250 * time.Millisecond, 20})
		}
		time.Sleep(5 * Pause) // the beginnings, all at one time, may be taken for what comes often
		synctest.Wait()
		begun := len(t.pauses)
		t.wait()
		if late, n := t.late(), len(t.pauses)-begun; late != 0 || n != 0 {
			t.Errorf("unread for %v, %d pauses", late, n)
		}
	})
}

// TestGroupSilence: after a time of turns, what comes after a silence is read at once.
func TestGroupSilence(t *testing.T) {
	inGroup(t, func(t *groupTest) {
		t.read(0, delivery{1000, 10 * time.Millisecond, 200})
		t.wait()
		if late := t.late(); late == 0 {
			t.Error("no turns")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		pauses := len(t.pauses)
		t.read(0, delivery{1000, time.Second, 10})
		t.wait()
		if m := t.all[1]; m.late != 0 || len(t.pauses) > pauses {
			t.Errorf("unread for %v, %d pauses", m.late, len(t.pauses)-pauses)
		}
	})
}

// TestGroupFast: the faster data comes to one connection, the shorter are the pauses, so that its sender hardly ever has
// to wait for us; afterwards they are as before.
func TestGroupFast(t *testing.T) {
	inGroup(t, func(t *groupTest) {
		t.read(0, delivery{100, 10 * time.Millisecond, 500})
		t.read(time.Second, delivery{5000, time.Millisecond, 2_000}) // 5 MB/s
		t.wait()
		fast := t.all[1]
		if bound := 5000 * int(Pause/time.Millisecond+1); fast.most > bound { // the first turn comes after a whole pause
			t.Errorf("up to %d bytes waited", fast.most)
		}
		short, whole := 0, 0
		for _, p := range t.pauses {
			switch {
			case p == Pause:
				whole++
			case p <= Pause/4:
				short++
			}
		}
		if short < 150 || whole < 60 {
			t.Errorf("%d pauses are short, %d whole, of %d", short, whole, len(t.pauses))
		}
	})
}

// TestGroupDeadline: a read ends at the deadline, also at one that was set while it waited, and not at one that was
// moved; afterwards the connection can be read on.
func TestGroupDeadline(t *testing.T) {
	inGroup(t, func(t *groupTest) {
		m, c := t.join()
		read := func() (after time.Duration, err error) {
			began := time.Now()
			_, err = c.Read(make([]byte, 10))
			return time.Since(began), err
		}
		set := func(d time.Duration) {
			if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
				t.Error(err)
			}
		}
		for _, d := range []time.Duration{time.Second, 0, -time.Second} {
			set(d)
			if after, err := read(); after != max(d, 0) || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("after %v: %v, want %v", after, err, d)
			}
		}
		set(time.Second)
		time.AfterFunc(900*time.Millisecond, func() { set(time.Minute) })
		if after, err := read(); after != time.Minute+900*time.Millisecond || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("moved: after %v: %v", after, err)
		}
		set(time.Second)
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		time.AfterFunc(time.Hour, func() { m.deliver(1); t.happen(m) })
		if after, err := read(); after != time.Hour || err != nil {
			t.Errorf("without one: after %v: %v", after, err)
		}
	})
}

// TestGroupWrite: a write waits for room, up to the deadline.
func TestGroupWrite(t *testing.T) {
	inGroup(t, func(t *groupTest) {
		m, c := t.join()
		room := func() {
			m.mu.Lock()
			m.room += 10
			m.mu.Unlock()
			t.happen(m)
		}
		time.AfterFunc(time.Second, room)
		time.AfterFunc(2*time.Second, room)
		began := time.Now()
		if n, err := c.Write(make([]byte, 20)); n != 20 || err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%d written, %v, after %v", n, err, time.Since(began))
		}
		if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Error(err)
		}
		time.AfterFunc(time.Millisecond, room)
		if n, err := c.Write(make([]byte, 20)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d written, %v", n, err)
		}
	})
}

// TestGroupClose: closing ends a read, and a connection that is closed does nothing more, whatever its descriptor has
// become.
func TestGroupClose(t *testing.T) {
	inGroup(t, func(t *groupTest) {
		m, c := t.join()
		time.AfterFunc(time.Second, func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		b := make([]byte, 10)
		if n, err := c.Read(b); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%d, %v", n, err)
		}
		t.mu.Lock()
		t.last-- // the next one has the same
		t.mu.Unlock()
		next, other := t.join()
		if next.fd != m.fd {
			t.Fatal(next.fd, m.fd)
		}
		t.happen(m)
		next.deliver(1)
		for name, f := range map[string]func() error{
			"Read": func() error { _, err := c.Read(b); return err }, "Write": func() error { _, err := c.Write(b); return err },
			"Close": c.Close, "SetDeadline": func() error { return c.SetDeadline(time.Now()) },
		} {
			if err := f(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n, err := other.Read(b); n != 1 || err != nil {
			t.Errorf("the next one: %d, %v", n, err)
		}
		if c.LocalAddr().String() != ":1" || c.RemoteAddr().String() != ":2" {
			t.Error(c.LocalAddr(), c.RemoteAddr())
		}
	})
}

// TestGroupEnd: the end of a group closes its connections, and what would join afterwards stays as it is.
func TestGroupEnd(t *testing.T) {
	var group *Group
	inGroup(t, func(t *groupTest) {
		group = t.group
		_, c := t.join()
		t.readers.Go(func() {
			if _, err := c.Read(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	})
	for _, g := range []*Group{group, nil} {
		ours, theirs := net.Pipe()
		if c := g.Join(ours); c != ours {
			t.Error("a connection joins a group that is none")
		}
		_, _ = ours.Close(), theirs.Close()
	}
	(*Group)(nil).Run(t.Context())
}
