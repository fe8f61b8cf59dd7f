package gather

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// packetSocket reads many datagrams with one system call. The runtime does not know the socket, since each datagram
// would wake a thread, and a low-water mark is for streams only: it watches over an instance of epoll that has the
// socket, and that is told to ignore what comes during a pause. As by kernelSocket, system calls that never wait are
// not told to the runtime.
type packetSocket struct {
	socket  *os.File // in blocking mode, by which the runtime leaves it alone; no call waits all the same
	control syscall.RawConn
	fd      int      // of socket, for epoll
	watch   *os.File // the instance of epoll
	events  syscall.RawConn
	timer   *timer
	quiet   bool // watch ignores what comes

	// The functions are made once, since each would be allocated. Their results are below.
	receiving func(fd uintptr)
	awaiting  func(fd uintptr) bool
	quieting  func(fd uintptr)

	n   int
	err error

	// A datagram has room for the longest one. Pages of memory of which the kernel has written nothing take none.
	memory  []byte
	parts   [batchSize]unix.Iovec
	senders [batchSize]unix.RawSockaddrAny
	headers [batchSize]header
}

// header is struct mmsghdr.
type header struct {
	unix.Msghdr
	length uint32 // of the datagram
}

// newPackets returns nil where the system lacks something; else c is gone.
func newPackets(c *net.UDPConn) packets {
	s := &packetSocket{fd: -1}
	if err := s.open(c); err != nil {
		s.close()
		return nil
	}
	_ = c.Close()
	s.receiving, s.awaiting, s.quieting = s.receive, s.receiveOrWait, s.quieten
	s.memory = make([]byte, batchSize*maxDatagram)
	for i := range s.headers {
		s.parts[i].Base = &s.memory[i*maxDatagram]
		s.parts[i].SetLen(maxDatagram)
		h := &s.headers[i]
		h.Iov = &s.parts[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&s.senders[i])) //nolint:gosec // it is memory for any address
		h.Namelen = unix.SizeofSockaddrAny
	}
	return s
}

func (s *packetSocket) open(c *net.UDPConn) (err error) {
	if s.timer, err = newTimer(); err != nil {
		return err
	}
	watch, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(watch, true); err != nil { // so that the runtime watches over it
		_ = unix.Close(watch)
		return err
	}
	s.watch = os.NewFile(uintptr(watch), "epoll")
	if s.events, err = s.watch.SyscallConn(); err != nil {
		return err
	}
	conn, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) { s.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	err = unix.EpollCtl(watch, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN})
	if err == nil {
		err = unix.SetNonblock(s.fd, false)
	}
	s.socket = os.NewFile(uintptr(s.fd), "udp")
	if err == nil {
		s.control, err = s.socket.SyscallConn()
	}
	return err
}

// close ends a wait and a pause.
func (s *packetSocket) close() {
	for _, file := range []*os.File{s.watch, s.socket} {
		if file != nil {
			_ = file.Close()
		}
	}
	if s.timer != nil {
		s.timer.close()
	}
}

func (s *packetSocket) Control(f func(fd uintptr)) error { return closed(s.control.Control(f)) }

// closed is the error of a call with a file, which fails only after its end, as sockets say it.
func closed(err error) error {
	if err != nil {
		return net.ErrClosed
	}
	return nil
}

func (s *packetSocket) take() (int, error) {
	if err := s.Control(s.receiving); err != nil {
		return 0, err
	}
	return s.n, s.err
}

func (s *packetSocket) receive(fd uintptr) {
	for i := range s.headers[:s.n] {
		s.headers[i].Namelen = unix.SizeofSockaddrAny
	}
	to := unsafe.Pointer(&s.headers) //nolint:gosec // they are on the heap
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(to), batchSize, unix.MSG_DONTWAIT, 0, 0)
	s.n, s.err = result("recvmmsg", n, errno)
}

func (s *packetSocket) await() (int, error) {
	if err := closed(s.events.Read(s.awaiting)); err != nil {
		return 0, err
	}
	return s.n, s.err
}

// receiveOrWait is called again when something may have come.
func (s *packetSocket) receiveOrWait(watch uintptr) (done bool) {
	if s.quiet {
		s.quiet = false
		s.listen(watch, unix.EPOLLIN)
	}
	if err := s.Control(s.receiving); err != nil {
		s.n, s.err = 0, err
	}
	return !errors.Is(s.err, errEmpty)
}

func (s *packetSocket) pause(d time.Duration) {
	if !s.quiet {
		_ = s.events.Control(s.quieting)
	}
	s.timer.wait(d)
}

func (s *packetSocket) quieten(watch uintptr) {
	s.quiet = true
	s.listen(watch, 0)
}

// listen sets for what the instance of epoll wakes the runtime.
func (s *packetSocket) listen(watch uintptr, mask uint32) {
	_ = unix.EpollCtl(int(watch), unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Events: mask})
}

func (s *packetSocket) datagram(i int) []byte {
	return s.memory[i*maxDatagram:][:s.headers[i].length]
}

func (s *packetSocket) from(i int) netip.AddrPort {
	sender := unsafe.Pointer(&s.senders[i]) //nolint:gosec // the kernel has written what its family says
	switch s.senders[i].Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(sender)
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), bigEndian(a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(sender)
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), bigEndian(a.Port))
	default:
		return netip.AddrPort{}
	}
}

// bigEndian is a port that stands in memory in the order of the network.
func bigEndian(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}
