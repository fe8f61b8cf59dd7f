package gather

import (
	"net"
	"testing"
)

// pair returns both ends of a connection by the loopback device.
func pair(tb testing.TB) (ours, theirs *net.TCPConn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = in.Close(); _ = out.Close() })
	return in.(*net.TCPConn), out.(*net.TCPConn)
}

func write(tb testing.TB, c net.Conn, text string) {
	tb.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
}
