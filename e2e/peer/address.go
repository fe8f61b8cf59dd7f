package peer

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	lowest  = 10_000
	highest = 65_535
)

// FreeAddress returns an address that nobody listens at, for programs that are started more than once, or do not say
// where they listen. It stays free until the test ends: the port is none of those that the kernel gives to whoever
// asks for any, or connects, and each is lent to one test at a time, of whatever process.
func FreeAddress(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "loggregator_exporter-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	ports := notGiven()
	first := int(time.Now().UnixNano() % int64(len(ports))) // others look elsewhere
	for i := range ports {
		port := strconv.Itoa(ports[(first+i)%len(ports)])
		if address := net.JoinHostPort("127.0.0.1", port); lend(t, filepath.Join(dir, port)) && free(t, address) {
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// notGiven are the ports that the kernel gives to nobody by itself, by default where it does not say which. Where it
// gives all of them, chance has to do.
func notGiven() (ports []int) {
	from, to := 32768, 60999
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &from, &to)
	}
	if from <= lowest && to >= highest {
		from, to = highest+1, highest+1
	}
	for port := lowest; port <= highest; port++ {
		if port < from || port > to {
			ports = append(ports, port)
		}
	}
	return ports
}

// lend takes the lock of a port until the test ends, unless somebody else has it.
func lend(t *testing.T, name string) bool {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			t.Fatal(err)
		}
		return false
	}
	t.Cleanup(func() { _ = f.Close() })
	return true
}

// free says whether nobody listens at an address.
func free(t *testing.T, address string) bool {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		return false
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return true
}
