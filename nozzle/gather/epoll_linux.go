package gather

import (
	"errors"
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
// pause what comes wakes no thread. The runtime watches over another instance, in which are a timer and, while it waits
// for events, that one. As by kernelSocket, system calls that never wait are not told to the runtime.
type epoll struct {
	members int // the instance for connections, edge-triggered
	timer   int
	outer   int      // the instance for members and timer
	file    *os.File // has outer
	conn    syscall.RawConn

	// The functions are made once, since each would be allocated. Their arguments and results are below.
	pausing, waiting func(fd uintptr) bool

	length   unix.ItimerSpec
	set      bool   // the timer is set
	mask     uint32 // of members in outer
	err      error
	happened []event // that ready has yet to return

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
	e.pausing, e.waiting = e.setTimer, e.collect
	return errors.Join(
		unix.EpollCtl(e.outer, unix.EPOLL_CTL_ADD, e.members, &unix.EpollEvent{}),
		unix.EpollCtl(e.outer, unix.EPOLL_CTL_ADD, e.timer, &unix.EpollEvent{Events: unix.EPOLLIN}),
		e.pause(1),
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
	return receive(uintptr(fd), b)
}

func (e *epoll) send(fd int, b []byte) (int, error) {
	from := unsafe.Pointer(unsafe.SliceData(b)) //nolint:gosec // the call keeps it
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(from), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return result("sendto", n, errno)
}

func (e *epoll) release(fd int) error { return os.NewSyscallError("close", unix.Close(fd)) }

func (e *epoll) ready(events []event) []event {
	e.take()
	events = append(events, e.happened...)
	e.happened = e.happened[:0]
	return events
}

// take adds to what has happened.
func (e *epoll) take() {
	for n := uintptr(eventsAtATime); n == eventsAtATime; {
		to := unsafe.Pointer(&e.events) //nolint:gosec // it is on the heap
		var errno unix.Errno
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.members), uintptr(to), eventsAtATime, 0, 0, 0)
		if errno != 0 {
			return
		}
		for _, of := range e.events[:n] {
			e.happened = append(e.happened, event{
				fd: int(of.Fd), ends: of.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			})
		}
	}
}

func (e *epoll) wait() error {
	return errors.Join(e.conn.Read(e.waiting), e.err)
}

// collect is called again when something may have happened. It looks for itself each time: of what happened before the
// runtime began to wait, the kernel does not tell.
func (e *epoll) collect(uintptr) (done bool) {
	e.watch(unix.EPOLLIN)
	e.take()
	return len(e.happened) > 0 || e.err != nil
}

func (e *epoll) pause(d time.Duration) error {
	e.length.Value, e.set = unix.NsecToTimespec(int64(d)), false
	return errors.Join(e.conn.Read(e.pausing), e.err)
}

// setTimer is called again when the time is over.
func (e *epoll) setTimer(uintptr) (done bool) {
	if e.set {
		return true
	}
	e.set = true
	if e.watch(0); e.err == nil {
		e.err = unix.TimerfdSettime(e.timer, 0, &e.length, nil)
	}
	return e.err != nil
}

// watch sets for which events of members the runtime wakes up.
func (e *epoll) watch(mask uint32) {
	if e.mask != mask {
		e.mask = mask
		e.err = unix.EpollCtl(e.outer, unix.EPOLL_CTL_MOD, e.members, &unix.EpollEvent{Events: mask})
	}
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
