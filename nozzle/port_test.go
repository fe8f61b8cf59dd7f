package nozzle

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// holdPort returns an address of 127.0.0.1 that listenHeld can listen at, close and listen at again while the test
// lasts. A port that is merely free may be gone a moment later, to any connection of any process. Between two
// listeners this one refuses connections, as if nobody had it: a socket has it that does not listen, and that shares
// it with none but those who ask for that.
func holdPort(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	unix.CloseOnExec(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	held := address.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(held.Addr), uint16(held.Port)).String()
}

// heldPorts listens at what holdPort returned, as at any other address.
func heldPorts() net.ListenConfig {
	return net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		if err := conn.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); err != nil {
			return err
		}
		return failed
	}}
}

func listenHeld(t *testing.T, address string) net.Listener {
	t.Helper()
	config := heldPorts()
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// TestHeldPorts: the promise that other tests rely on.
func TestHeldPorts(t *testing.T) {
	address := holdPort(t)
	for range 3 {
		if conn, err := net.Dial("tcp", address); err == nil {
			t.Errorf("somebody listens: %v", conn.Close())
		}
		if other, err := net.Listen("tcp", address); err == nil {
			t.Errorf("another one got the port: %v", other.Close())
		}
		listener := listenHeld(t, address)
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// The side that closes first keeps the port for a minute, which is no hindrance.
		for _, c := range []interface{ Close() error }{accepted, conn, listener} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
