package nozzle

import (
	"net"

	"golang.org/x/sys/unix"
)

// receiveBuffer is the size of a socket's receive buffer in the measure in which it was asked for: Linux doubles that
// for its own bookkeeping.
func receiveBuffer(conn *net.UDPConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var size int
	var failed error
	err = raw.Control(func(fd uintptr) {
		size, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	if err == nil {
		err = failed
	}
	return size / 2, err
}
