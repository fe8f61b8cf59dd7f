package gather

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelSocket makes its system calls, which never wait but in linger, without telling the runtime, as the runtime does
// with its own: else the first call after each silence wakes the thread that watches over system calls, which costs
// more than the call.
type kernelSocket struct {
	conn  syscall.RawConn
	timer *timer // or nil

	// The functions are made once, since each would be allocated. Their arguments and results are below.
	reading, awaiting, quieting, sending func(fd uintptr) bool

	memory []byte
	n      int
	err    error
	waited bool   // the call before found nothing
	linger func() // is called between a wait and the read after it; nil for nothing

	unsent  []byte // by send
	sendErr error

	quiet bool // the low-water mark is quietBytes
}

// newSocket returns nil where c is no socket.
func newSocket(c net.Conn, how reading) socket {
	system, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	conn, err := system.SyscallConn()
	if err != nil {
		return nil
	}
	s := &kernelSocket{conn: conn}
	s.awaiting, s.sending = s.readOrWait, s.write
	if how == oneByOne {
		s.linger = linger
	}
	if how == atOnce {
		return s
	}
	if s.timer, err = newTimer(); err != nil {
		return nil
	}
	s.reading, s.quieting = s.read, s.quieten
	return s
}

func (s *kernelSocket) close() {
	if s.timer != nil {
		s.timer.close()
	}
}

func (s *kernelSocket) take(b []byte) (int, error) { return s.do(s.reading, b) }

func (s *kernelSocket) await(b []byte) (int, error) { return s.do(s.awaiting, b) }

func (s *kernelSocket) do(f func(fd uintptr) bool, b []byte) (int, error) {
	s.memory, s.n, s.err, s.waited = b, 0, nil, false
	err := s.conn.Read(f)
	s.memory = nil
	if err != nil {
		return 0, err // closed, or the deadline is over
	}
	return s.n, s.err
}

func (s *kernelSocket) read(fd uintptr) (done bool) {
	s.n, s.err = receive(fd, s.memory)
	return true
}

// receive reads what has come; the error is errEmpty if nothing has, and io.EOF at the end.
func receive(fd uintptr, b []byte) (int, error) {
	to := unsafe.Pointer(unsafe.SliceData(b)) //nolint:gosec // the call keeps it
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(to), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if n == 0 && errno == 0 {
		return 0, io.EOF
	}
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

// readOrWait is called again when something may have come.
func (s *kernelSocket) readOrWait(fd uintptr) (done bool) {
	if s.quiet {
		s.quiet = false
		setLowWater(fd, 1)
	}
	if s.waited && s.linger != nil {
		s.linger()
	}
	s.read(fd)
	s.waited = errors.Is(s.err, errEmpty)
	return !s.waited
}

// linger waits for a burst. The thread keeps its processor meanwhile, since to give that back costs more.
func linger() {
	t := unix.NsecToTimespec(int64(lingering))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0) //nolint:gosec // the call keeps it
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
	s.timer.wait(d)
}

func (s *kernelSocket) quieten(fd uintptr) (done bool) {
	s.quiet = true
	setLowWater(fd, quietBytes)
	return true
}

// setLowWater sets how much must have come until the kernel wakes who waits for it; the receive buffer grows as needed.
// Where that fails pauses save less.
func setLowWater(fd uintptr, bytes int32) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT,
		uintptr(unsafe.Pointer(&bytes)), unsafe.Sizeof(bytes), 0) //nolint:gosec // the call keeps it
}
