package gather

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newPacketSocket(t *testing.T) (*packetSocket, net.Conn) {
	t.Helper()
	ours, out := udpSocket(t, "127.0.0.1:0")
	s, ok := newPackets(ours).(*packetSocket)
	if !ok {
		t.Fatal("no socket")
	}
	t.Cleanup(s.close)
	return s, out
}

// TestPackets: one call takes all that is queued, up to a batch.
func TestPackets(t *testing.T) {
	s, out := newPacketSocket(t)
	for range batchSize + 8 {
		write(t, out, "a")
	}
	for _, want := range []int{batchSize, 8} {
		if n, err := s.take(); n != want || err != nil {
			t.Errorf("%d datagrams, %v, want %d", n, err, want)
		}
	}
	if n, err := s.take(); n != 0 || !errors.Is(err, errEmpty) {
		t.Errorf("%d datagrams, %v", n, err)
	}
}

// TestPacketsUnwatched: the runtime leaves files in blocking mode alone.
func TestPacketsUnwatched(t *testing.T) {
	s, _ := newPacketSocket(t)
	var flags int
	var err error
	if failed := s.Control(func(fd uintptr) { flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0) }); failed != nil {
		t.Fatal(failed)
	}
	if err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

// TestPacketsQuiet: during a pause nothing is woken by what comes, and afterwards by each datagram.
func TestPacketsQuiet(t *testing.T) {
	s, out := newPacketSocket(t)
	wakes := func() bool {
		var n int
		var err error
		if failed := s.events.Control(func(fd uintptr) {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		}); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
		return n > 0
	}
	s.pause(time.Microsecond)
	write(t, out, "a")
	if wakes() {
		t.Error("woken in a pause")
	}
	if n, err := s.await(); n != 1 || err != nil || string(s.datagram(0)) != "a" {
		t.Errorf("%d datagrams, %v", n, err)
	}
	if wakes() {
		t.Error("woken for nothing")
	}
	write(t, out, "b")
	if !wakes() {
		t.Error("not woken after a pause")
	}
}

// TestPacketsClosedInPause: closing ends a pause, which would last for an hour.
func TestPacketsClosedInPause(t *testing.T) {
	s, _ := newPacketSocket(t)
	ended := make(chan struct{})
	go func() {
		s.pause(time.Hour)
		close(ended)
	}()
	s.close()
	<-ended
}

// TestPacketsNoSocket: where there can be no such socket the connection stays as it was.
func TestPacketsNoSocket(t *testing.T) {
	ours, out := udpSocket(t, "127.0.0.1:0")
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if newPackets(ours) != nil {
		t.Error("a socket that is closed")
	}
	_ = out.Close()
}
