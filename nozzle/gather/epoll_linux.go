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

// eventsAtATime is how many events one call returns.
const eventsAtATime = 128

// epoll has the connections of a group in an instance of epoll of its own, of which the runtime knows nothing: during a
// pause what comes wakes no thread. The runtime watches over another instance, in which are that one, while a sleep may
// end early, and a timer. As by kernelSocket, system calls that never wait are not told to the runtime.
type epoll struct {
	members int // the instance for connections, edge-triggered
	timer   int
	outer   int      // the instance for members and timer
	file    *os.File // has outer
	conn    syscall.RawConn

	sleeping func(fd uintptr) bool // made once, since it would be allocated; its arguments are below
	length   unix.ItimerSpec
	early    bool // members may end the sleep
	armed    bool // the sleep has begun
	mask     uint32
	err      error

	events [eventsAtATime]unix.EpollEvent
}

func newKernel() kernel {
	e := &epoll{members: -1, timer: -1, outer: -1}
	if err := e.open(); err != nil {
		e.close()
		return nil
	}
	return e
}

func (e *epoll) open() (err error) {
	if e.members, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if e.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	if e.outer, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if err := unix.SetNonblock(e.outer, true); err != nil { // so that the runtime watches over it
		return err
	}
	e.file = os.NewFile(uintptr(e.outer), "epoll")
	if e.conn, err = e.file.SyscallConn(); err != nil {
		return err
	}
	e.sleeping = e.sleepOrWake
	return errors.Join(
		unix.EpollCtl(e.outer, unix.EPOLL_CTL_ADD, e.members, &unix.EpollEvent{}),
		unix.EpollCtl(e.outer, unix.EPOLL_CTL_ADD, e.timer, &unix.EpollEvent{Events: unix.EPOLLIN}),
		e.sleep(1, false),
	)
}

func (e *epoll) adopt(c net.Conn) (int, error) {
	system, ok := c.(syscall.Conn)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	conn, err := system.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var failed error
	err = conn.Control(func(original uintptr) { fd, failed = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(err, failed); err != nil {
		return -1, err
	}
	if err := unix.EpollCtl(e.members, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(fd),
	}); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (e *epoll) receive(fd int, b []byte) (int, error) {
	n, err := receive(uintptr(fd), b, nil, nil)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

func (e *epoll) send(fd int, b []byte) (int, error) {
	from := unsafe.Pointer(unsafe.SliceData(b)) //nolint:gosec // the call keeps it
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(from), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return result("sendto", n, errno)
}

func (e *epoll) release(fd int) error { return os.NewSyscallError("close", unix.Close(fd)) }

func (e *epoll) ready(events []event) []event {
	for {
		into := unsafe.Pointer(&e.events) //nolint:gosec // it is on the heap
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.members), uintptr(into), eventsAtATime, 0, 0, 0)
		if errno != 0 {
			return events
		}
		for _, of := range e.events[:n] {
			events = append(events, event{
				fd: int(of.Fd), ends: of.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			})
		}
		if n < eventsAtATime {
			return events
		}
	}
}

func (e *epoll) sleep(d time.Duration, early bool) error {
	e.length.Value, e.early, e.armed, e.err = unix.NsecToTimespec(int64(d)), early, false, nil
	return errors.Join(e.conn.Read(e.sleeping), e.err)
}

// sleepOrWake is called again when the sleep may be over. The instance of connections is set each time that it may end
// one, so that it does if something has happened before.
func (e *epoll) sleepOrWake(uintptr) (done bool) {
	if e.armed {
		return true
	}
	e.armed = true
	mask := uint32(0)
	if e.early {
		mask = unix.EPOLLIN
	}
	if e.early || e.mask != 0 {
		e.mask = mask
		e.err = unix.EpollCtl(e.outer, unix.EPOLL_CTL_MOD, e.members, &unix.EpollEvent{Events: mask})
	}
	if e.err == nil {
		e.err = unix.TimerfdSettime(e.timer, 0, &e.length, nil)
	}
	return e.err != nil
}

func (e *epoll) end() { _ = e.file.Close() }

func (e *epoll) close() {
	if e.file != nil {
		e.end()
	} else if e.outer >= 0 {
		_ = unix.Close(e.outer)
	}
	for _, fd := range []int{e.members, e.timer} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
