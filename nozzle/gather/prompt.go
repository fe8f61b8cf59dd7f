package gather

import (
	"net"
	"sync"
)

// NewPrompt returns a connection that is read at once: for clients that await answers. Where c is a TCP connection and
// the system Linux, its system calls, which never wait, are not told to the runtime: that costs as much as the calls.
func NewPrompt(c net.Conn) net.Conn {
	if s := newSocket(c, atOnce); s != nil {
		return &prompt{Conn: c, socket: s}
	}
	return c
}

// prompt is a connection whose one reader waits for each message.
type prompt struct {
	net.Conn
	socket
	writing sync.Mutex
}

// Read implements net.Conn.
func (c *prompt) Read(b []byte) (int, error) { return c.await(b) }

// Write implements net.Conn.
func (c *prompt) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.send(b)
}

// Close implements net.Conn. It ends a Read that waits or pauses.
func (c *prompt) Close() error {
	defer c.close()
	return c.Conn.Close()
}
