package nozzle

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

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

// receiveDrops is how many datagrams the kernel has dropped since the socket was opened because its receive buffer was
// full.
func receiveDrops(conn *net.UDPConn) (uint64, error) {
	var stat unix.Stat_t
	if err := withSocket(conn, func(fd int) error { return unix.Fstat(fd, &stat) }); err != nil {
		return 0, err
	}
	for _, path := range []string{"/proc/self/net/udp", "/proc/self/net/udp6"} {
		table, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return 0, err
		}
		drops, found, err := socketDrops(table, stat.Ino)
		if err := errors.Join(err, table.Close()); found || err != nil {
			return drops, err
		}
	}
	return 0, errors.New("the socket is not in /proc/self/net/udp")
}

// socketDrops finds a socket in a table of the kernel, by the fields inode and drops.
func socketDrops(table io.Reader, inode uint64) (drops uint64, found bool, err error) {
	const inodeField, dropsField = 9, 12
	want := strconv.FormatUint(inode, 10)
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > dropsField && fields[inodeField] == want {
			drops, err = strconv.ParseUint(fields[dropsField], 10, 64)
			return drops, true, err
		}
	}
	return 0, false, lines.Err()
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
