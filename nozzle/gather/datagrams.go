package gather

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

const (
	// ampleBuffer is the receive buffer in which datagrams may stay for a Pause: what comes to a VM in that time fills a
	// small part of it. With a smaller buffer the pauses are shorter.
	ampleBuffer = 4 << 20
	// maxDatagram is room for the longest datagram of UDP: none is ever cut off.
	maxDatagram = 64 << 10
	// batchSize is how many datagrams one system call takes: of so many each bears a thirtieth of what the call costs.
	batchSize = 32
	// overhead is about what the kernel needs of the receive buffer for a datagram besides its bytes.
	overhead = 1 << 10
)

// packets is a socket of datagrams. One goroutine reads it.
type packets interface {
	// take reads what has come, up to batchSize datagrams, and returns how many; the error is errEmpty if nothing has.
	take() (int, error)
	// await reads what has come, and waits for something if nothing has.
	await() (int, error)
	// datagram and from are of what was read last.
	datagram(i int) []byte
	from(i int) netip.AddrPort
	// pause waits. What comes meanwhile ends no wait of any thread. It returns early when the socket is closed.
	pause(d time.Duration)
	// Control lets f use the socket, as syscall.RawConn does.
	Control(f func(fd uintptr)) error
	close()
}

// Datagrams reads a socket in turns, many datagrams with one system call. Where the receive buffer is so small that
// datagrams would be lost there are no pauses; where the system is not Linux they are read one by one. One goroutine
// reads.
type Datagrams struct {
	packets
	rhythm
	pauses  time.Duration // how long one may be; 0 for none
	room    int           // how many bytes may be in the receive buffer at the end of a pause
	drained func()
	turned  time.Time // before what was read came: when the last pause or the wait before began
	used    int       // bytes of the receive buffer that this took
	read    int       // how many datagrams the last call of the system brought
	current int       // which of them was returned last
}

// NewDatagrams reads c, which is gone then, and whose receive buffer has so many bytes. drained is called by a Next for
// which nothing is at hand: it waits.
func NewDatagrams(c *net.UDPConn, receiveBuffer int, drained func()) *Datagrams {
	p := newPackets(c)
	if p == nil {
		return newDatagrams(&single{UDPConn: c, memory: make([]byte, maxDatagram)}, 0, drained)
	}
	return newDatagrams(p, receiveBuffer, drained)
}

func newDatagrams(p packets, receiveBuffer int, drained func()) *Datagrams {
	pauses := time.Duration(min(float64(receiveBuffer)/ampleBuffer, 1) * float64(Pause))
	if pauses < leastPause {
		pauses = 0
	}
	return &Datagrams{
		packets: p, rhythm: rhythm{began: time.Now()}, pauses: pauses, room: receiveBuffer / 2, drained: drained,
	}
}

// Close closes the socket, which ends a Next.
func (d *Datagrams) Close() { d.close() }

// Next returns the next datagram. It is valid until the next call.
func (d *Datagrams) Next() ([]byte, error) {
	if d.current++; d.current >= d.read {
		full := d.read == batchSize // there may be more; else all has been read
		d.read, d.current = 0, 0
		n, err := 0, errEmpty
		if full {
			n, err = d.take()
		}
		if errors.Is(err, errEmpty) {
			d.drained()
			n, err = d.turn()
		}
		if err != nil {
			return nil, err
		}
		d.read = n
	}
	b := d.datagram(d.current)
	d.used += len(b) + overhead
	return b, nil
}

// turn pauses and reads what has come meanwhile, or waits.
func (d *Datagrams) turn() (int, error) {
	if d.often == oftenEnough && d.pauses > 0 {
		d.rest()
		if n, err := d.take(); !errors.Is(err, errEmpty) {
			return n, err
		}
		d.often = 0
	}
	n, err := d.await()
	if before := d.woke; d.wakes(time.Now()) {
		d.turned, d.used = before, 0
	}
	return n, err
}

// rest pauses, for no longer than room takes to fill.
func (d *Datagrams) rest() {
	now := time.Now()
	fills := time.Duration(float64(now.Sub(d.turned)) * float64(d.room) / float64(d.used))
	d.turned, d.used = now, 0
	d.pause(max(leastPause, min(d.pauses, fills)))
}

// From is the sender of the last datagram.
func (d *Datagrams) From() netip.AddrPort { return d.from(d.current) }

// single reads datagrams one by one.
type single struct {
	*net.UDPConn
	memory []byte
	length int
	sender netip.AddrPort
}

func (s *single) take() (int, error) { return 0, errEmpty } // which may not be so

func (s *single) await() (n int, err error) {
	s.length, s.sender, err = s.ReadFromUDPAddrPort(s.memory)
	return 1, err
}

func (s *single) datagram(int) []byte { return s.memory[:s.length] }

func (s *single) from(int) netip.AddrPort {
	return netip.AddrPortFrom(s.sender.Addr().Unmap(), s.sender.Port())
}

func (s *single) pause(time.Duration) {}

// Control implements packets.
func (s *single) Control(f func(fd uintptr)) error {
	conn, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Control(f)
}

func (s *single) close() { _ = s.Close() }
