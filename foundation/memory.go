package foundation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc/test/bufconn"
)

// Memory is a network within the process, for tests with simulated time, which stands still while a goroutine waits
// for a socket. Its addresses look like ports of 127.0.0.1; none is given out twice.
type Memory struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
}

// memoryBuffer is how many bytes one direction of a connection holds.
const memoryBuffer = 1 << 20

// Listen opens a port that was never used.
func (m *Memory) Listen() net.Listener {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners == nil {
		m.listeners = make(map[string]*memoryListener)
	}
	l := newMemoryListener(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: len(m.listeners) + 1})
	m.listeners[l.address.String()] = l
	return l
}

// ListenAgain opens a port that a listener had, which must be closed.
func (m *Memory) ListenAgain(address string) net.Listener {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := newMemoryListener(m.listeners[address].address)
	m.listeners[address] = l
	return l
}

// Dial connects to host:port, as net.Dialer.DialContext does.
func (m *Memory) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	m.mu.Lock()
	l := m.listeners[address]
	m.mu.Unlock()
	err := errors.New("nobody listens there")
	if l != nil {
		var conn net.Conn
		if conn, err = l.DialContext(ctx); err == nil {
			return memoryConn{conn}, nil
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s: %w", address, err)}
}

type memoryListener struct {
	*bufconn.Listener
	address net.Addr
}

func newMemoryListener(address net.Addr) *memoryListener {
	return &memoryListener{bufconn.Listen(memoryBuffer), address}
}

// Addr implements net.Listener.
func (l *memoryListener) Addr() net.Addr { return l.address }

// Accept implements net.Listener.
func (l *memoryListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, net.ErrClosed // nothing else ends it
	}
	return memoryConn{conn}, nil
}

// memoryConn fails as sockets do when a deadline is over: TLS connections stay usable afterwards only if the error
// is temporary.
type memoryConn struct{ net.Conn }

// Read implements net.Conn.
func (c memoryConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, socketError(err)
}

// Write implements net.Conn.
func (c memoryConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, socketError(err)
}

func socketError(err error) error {
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // it is not wrapped
		return os.ErrDeadlineExceeded
	}
	return err
}
