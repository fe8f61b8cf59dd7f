package gather

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// timer is one of the kernel: for one of the runtime threads wake up three times.
type timer struct {
	file    *os.File
	ticks   syscall.RawConn
	setting func(fd uintptr) bool // made once, since it would be allocated
	length  unix.ItimerSpec
	set     bool
}

func newTimer() (*timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	t := &timer{file: os.NewFile(uintptr(fd), "timer")}
	t.setting = t.start
	if t.ticks, err = t.file.SyscallConn(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// wait returns when the time is over, or the timer closed.
func (t *timer) wait(d time.Duration) {
	t.length.Value, t.set = unix.NsecToTimespec(int64(d)), false
	_ = t.ticks.Read(t.setting)
}

// start is called again when the time is over.
func (t *timer) start(fd uintptr) (done bool) {
	if t.set {
		return true
	}
	t.set = true
	length := unsafe.Pointer(&t.length) //nolint:gosec // it is on the heap
	_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(length), 0, 0, 0)
	return errno != 0
}

func (t *timer) close() { _ = t.file.Close() }
