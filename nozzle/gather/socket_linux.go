package gather

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelSocket makes its system calls, which never wait, without telling the runtime, as the runtime does with its own:
// else the first call after each silence wakes the thread that watches over system calls, which costs more than the
// call. A pause is that of a timer of the kernel: for one of the runtime threads wake up three times.
type kernelSocket struct {
	conn      syscall.RawConn
	datagrams bool            // it is no stream
	timer     *os.File        // or nil
	ticks     syscall.RawConn // of timer

	// The functions are made once, since each would be allocated. Their arguments and results are below.
	reading, awaiting, pausing, quieting, sending func(fd uintptr) bool

	memory []byte
	n      int
	err    error

	unsent  []byte // by send
	sendErr error

	sender       unix.RawSockaddrAny
	senderLength uint32

	length unix.ItimerSpec
	set    bool // the timer is set
	quiet  bool // the low-water mark is quietBytes
}

// newSocket returns nil where c is no socket. Without a timer there are no pauses.
func newSocket(c net.Conn, timer bool) socket {
	system, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	conn, err := system.SyscallConn()
	if err != nil {
		return nil
	}
	s := &kernelSocket{conn: conn}
	_, s.datagrams = c.(*net.UDPConn)
	s.awaiting, s.sending = s.readOrWait, s.write
	if !timer {
		return s
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	s.timer = os.NewFile(uintptr(fd), "timer")
	if s.ticks, err = s.timer.SyscallConn(); err != nil {
		s.close()
		return nil
	}
	s.reading, s.pausing, s.quieting = s.read, s.setTimer, s.quieten
	return s
}

func (s *kernelSocket) close() {
	if s.timer != nil {
		_ = s.timer.Close()
	}
}

func (s *kernelSocket) take(b []byte) (int, error) { return s.do(s.reading, b) }

func (s *kernelSocket) await(b []byte) (int, error) { return s.do(s.awaiting, b) }

func (s *kernelSocket) do(f func(fd uintptr) bool, b []byte) (int, error) {
	s.memory, s.n, s.err = b, 0, nil
	err := s.conn.Read(f)
	s.memory = nil
	if err != nil {
		return 0, err // closed, or the deadline is over
	}
	return s.n, s.err
}

func (s *kernelSocket) read(fd uintptr) (done bool) {
	s.senderLength = unix.SizeofSockaddrAny
	s.n, s.err = receive(fd, s.memory, &s.sender, &s.senderLength)
	if s.n == 0 && s.err == nil && !s.datagrams {
		s.err = io.EOF
	}
	return true
}

// receive reads what has come; the error is errEmpty if nothing has. Where there is a sender it is written to memory
// on the heap.
func receive(fd uintptr, b []byte, sender *unix.RawSockaddrAny, length *uint32) (int, error) {
	to := unsafe.Pointer(unsafe.SliceData(b)) //nolint:gosec // the call keeps it
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(to), uintptr(len(b)), unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(sender)), uintptr(unsafe.Pointer(length))) //nolint:gosec // the call keeps them
	return result("recvfrom", n, errno)
}

// result is that of a call that reads or writes: errEmpty if nothing can be read or written.
func result(call string, n uintptr, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, errEmpty
	default:
		return 0, os.NewSyscallError(call, errno)
	}
}

// from is the sender of the last datagram.
func (s *kernelSocket) from() netip.AddrPort {
	sender := unsafe.Pointer(&s.sender) //nolint:gosec // the kernel has written what its family says
	switch s.sender.Addr.Family {
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

// readOrWait is called again when something may have come.
func (s *kernelSocket) readOrWait(fd uintptr) (done bool) {
	if s.quiet {
		s.quiet = false
		setLowWater(fd, 1)
	}
	s.read(fd)
	return !errors.Is(s.err, errEmpty)
}

// send writes all of b, and waits where the socket is full.
func (s *kernelSocket) send(b []byte) (int, error) {
	s.unsent, s.sendErr = b, nil
	err := s.conn.Write(s.sending)
	n := len(b) - len(s.unsent)
	s.unsent = nil
	if err != nil {
		return n, err // closed, or the deadline is over
	}
	return n, s.sendErr
}

// write is called again when the socket has room.
func (s *kernelSocket) write(fd uintptr) (done bool) {
	for len(s.unsent) > 0 {
		from := unsafe.Pointer(unsafe.SliceData(s.unsent)) //nolint:gosec // send keeps it
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(from), uintptr(len(s.unsent)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			s.unsent = s.unsent[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			s.sendErr = os.NewSyscallError("sendto", errno)
			return true
		}
	}
	return true
}

func (s *kernelSocket) pause(d time.Duration) {
	if !s.quiet {
		_ = s.conn.Read(s.quieting)
	}
	s.length.Value, s.set = unix.NsecToTimespec(int64(d)), false
	_ = s.ticks.Read(s.pausing)
}

func (s *kernelSocket) quieten(fd uintptr) (done bool) {
	s.quiet = true
	setLowWater(fd, quietBytes)
	return true
}

// setTimer is called again when the time is over.
func (s *kernelSocket) setTimer(fd uintptr) (done bool) {
	if s.set {
		return true
	}
	s.set = true
	length := unsafe.Pointer(&s.length) //nolint:gosec // it is on the heap
	_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(length), 0, 0, 0)
	return errno != 0
}

// setLowWater sets how much must have come until the kernel wakes who waits for it; the receive buffer grows as needed.
// Where that fails pauses save less.
func setLowWater(fd uintptr, bytes int32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT,
		uintptr(unsafe.Pointer(&bytes)), unsafe.Sizeof(bytes), 0) //nolint:gosec // the call keeps it
}
