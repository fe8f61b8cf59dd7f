package gather

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// member is a connection of a group.
type member struct {
	group         *Group
	local, remote net.Addr
	// happened holds an element when to try again may help: something came or ended, there is room to send, the deadline
	// is over, or the connection is closed.
	happened chan struct{}
	ends     atomic.Bool // the other side has ended the connection; there may be something to read before
	empty    bool        // nothing can be read until something has happened
	taken    int         // bytes since then

	mu       sync.Mutex // held during system calls, so that none is made with a descriptor that is closed
	fd       int        // -1 when closed
	deadline time.Time  // of reading and writing
	timer    *time.Timer
}

// Await returns when there may be something to read, so that memory is needed only then.
func (m *member) Await() {
	if m.empty {
		m.taken, m.empty = 0, false
		<-m.happened
	}
}

// Read implements net.Conn. A read that does not fill its memory has found all there is, unless the connection ends.
func (m *member) Read(b []byte) (int, error) {
	for {
		m.Await()
		n, err := m.try(m.group.kernel.receive, b)
		if m.empty = errors.Is(err, errEmpty); m.empty {
			continue
		}
		m.empty = n < len(b) && err == nil && !m.ends.Load()
		if m.taken += n; m.taken > memberBytes {
			m.group.hurry.Store(true)
		}
		return n, err
	}
}

// Write implements net.Conn.
func (m *member) Write(b []byte) (written int, err error) {
	for written < len(b) {
		n, err := m.try(m.group.kernel.send, b[written:])
		switch {
		case errors.Is(err, errEmpty):
			<-m.happened
			m.empty = false // what happened may be that something came
		case err != nil:
			return written, err
		}
		written += n
	}
	return written, nil
}

// try makes a call of the kernel; the error is errEmpty if it is to be made again after something has happened.
func (m *member) try(call func(fd int, b []byte) (int, error), b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fd < 0 {
		return 0, net.ErrClosed
	}
	n, err := call(m.fd, b)
	if errors.Is(err, errEmpty) && !m.deadline.IsZero() && !time.Now().Before(m.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return n, err
}

func (m *member) wake() {
	select {
	case m.happened <- struct{}{}:
	default:
	}
}

// Close implements net.Conn.
func (m *member) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fd < 0 {
		return net.ErrClosed
	}
	m.group.forget(m.fd)
	err := m.group.kernel.release(m.fd)
	m.fd = -1
	if m.timer != nil {
		m.timer.Stop()
	}
	m.wake()
	return err
}

// SetDeadline implements net.Conn.
func (m *member) SetDeadline(t time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fd < 0 {
		return net.ErrClosed
	}
	if m.deadline = t; t.IsZero() {
		if m.timer != nil {
			m.timer.Stop()
		}
		return nil
	}
	d := time.Until(t)
	m.deadline = time.Now().Add(d) // by the clock of the timer
	if m.timer == nil {
		m.timer = time.AfterFunc(d, m.wake)
	} else {
		m.timer.Reset(d)
	}
	return nil
}

// SetReadDeadline implements net.Conn.
func (m *member) SetReadDeadline(t time.Time) error { return m.SetDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (m *member) SetWriteDeadline(t time.Time) error { return m.SetDeadline(t) }

// LocalAddr implements net.Conn.
func (m *member) LocalAddr() net.Addr { return m.local }

// RemoteAddr implements net.Conn.
func (m *member) RemoteAddr() net.Addr { return m.remote }
