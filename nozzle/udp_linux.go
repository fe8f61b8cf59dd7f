package nozzle

import (
	"errors"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiveBuffer is the size of a socket's receive buffer in the measure in which it was asked for: Linux doubles
// that for its own bookkeeping.
func receiveBuffer(conn *net.UDPConn) (int, error) {
	var size int
	err := withSocket(conn, func(fd int) (err error) {
		size, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		return err
	})
	return size / 2, err
}

// receiveDrops returns a function that says how many datagrams the kernel has dropped since the socket was opened
// because its receive buffer was full. It allocates nothing, and makes its system call, which never waits, without
// telling the runtime: in a process at rest that would wake up the thread that watches over system calls.
func receiveDrops(socket controlled) func() (uint32, error) {
	var info [unix.SK_MEMINFO_VARS]uint32
	var errno syscall.Errno
	ask := func(fd uintptr) {
		size := uint32(unsafe.Sizeof(info))
		_, _, errno = unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // the call keeps both
	}
	return func() (uint32, error) {
		if err := socket.Control(ask); err != nil {
			return 0, err
		}
		switch errno {
		case 0:
			return info[unix.SK_MEMINFO_DROPS], nil
		case unix.ENOPROTOOPT: // before Linux 4.12
			return 0, errors.ErrUnsupported
		default:
			return 0, errno
		}
	}
}

func withSocket(conn *net.UDPConn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	return errors.Join(err, failed)
}
