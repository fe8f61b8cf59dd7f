package gather

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// ampleBuffer is the receive buffer in which datagrams may stay for a Pause: what comes to a VM in that time fills a
// small part of it. With a smaller buffer the pauses are shorter.
const ampleBuffer = 4 << 20

// Datagrams reads a socket in turns, as New does, or one by one where that is not possible: where the system is not
// Linux, or the receive buffer so small that datagrams would be lost. One goroutine reads.
type Datagrams struct {
	conn   *net.UDPConn
	socket socket // nil to read one by one
	sender netip.AddrPort
	rhythm
	pauses  time.Duration
	came    bool // something came since the last pause
	drained func()
}

// NewDatagrams reads c, whose receive buffer has so many bytes. drained is called by a Read for which nothing is at hand:
// it waits.
func NewDatagrams(c *net.UDPConn, receiveBuffer int, drained func()) *Datagrams {
	d := &Datagrams{conn: c, rhythm: rhythm{began: time.Now()}, drained: drained}
	d.pauses = time.Duration(min(float64(receiveBuffer)/ampleBuffer, 1) * float64(Pause))
	if d.pauses >= leastPause {
		d.socket = newSocket(c, true)
	}
	return d
}

// Close closes the socket, which ends a Read.
func (d *Datagrams) Close() error {
	if d.socket != nil {
		defer d.socket.close()
	}
	return d.conn.Close()
}

// Read reads a datagram.
func (d *Datagrams) Read(b []byte) (n int, err error) {
	if d.socket == nil {
		d.drained() // which may not be so
		n, d.sender, err = d.conn.ReadFromUDPAddrPort(b)
		return n, err
	}
	for {
		n, err = d.socket.take(b)
		switch {
		case !errors.Is(err, errEmpty):
			d.came = true
			return n, err
		case d.often == oftenEnough && d.came:
			d.drained()
			d.came = false
			d.socket.pause(d.pauses)
			continue
		case d.often == oftenEnough:
			d.often = 0
		}
		d.drained()
		n, err = d.socket.await(b)
		d.came = true
		d.wakes(time.Now())
		return n, err
	}
}

// From is the sender of the last datagram.
func (d *Datagrams) From() netip.AddrPort {
	if d.socket == nil {
		return netip.AddrPortFrom(d.sender.Addr().Unmap(), d.sender.Port())
	}
	return d.socket.from()
}
