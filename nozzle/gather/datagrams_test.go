package gather

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// datagramsOf reads a fake socket, a byte of which is a datagram, to its end.
func datagramsOf(t *testing.T, s *fakeSocket, pauses time.Duration, d delivery) {
	t.Helper()
	go func() {
		for range d.times {
			time.Sleep(d.every)
			s.deliver(d.bytes)
		}
		s.end()
	}()
	r := &Datagrams{socket: s, rhythm: rhythm{began: time.Now()}, pauses: pauses, drained: func() {}}
	b, total := make([]byte, 1), 0
	for {
		n, err := r.Read(b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if want := d.bytes * d.times; total != want {
		t.Errorf("%d datagrams, want %d", total, want)
	}
}

// TestDatagramTurns: a VM's datagrams are read by turns, and each within a pause.
func TestDatagramTurns(t *testing.T) {
	for _, pauses := range []time.Duration{Pause, 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			const seconds = 20
			datagramsOf(t, s, pauses, delivery{1, 5 * time.Millisecond, seconds * 200})
			if s.late > pauses {
				t.Errorf("unread for %v", s.late)
			}
			if n, most := len(s.pauses), int(seconds*time.Second/pauses); n > most || n < most*9/10 {
				t.Errorf("%d pauses, want up to %d", n, most)
			}
			if s.waits > 300 { // of the first second, and of the end
				t.Errorf("%d waits", s.waits)
			}
		})
	}
}

// TestDatagramsSeldom: a datagram that comes after a silence is read at once.
func TestDatagramsSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		datagramsOf(t, s, Pause, delivery{20, time.Second, 30})
		if s.late != 0 || len(s.pauses) != 0 {
			t.Errorf("unread for %v, %d pauses", s.late, len(s.pauses))
		}
	})
}

// TestDatagramSocket: with turns and without, for both families of addresses.
func TestDatagramSocket(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, buffer := range []int{ampleBuffer, 0} {
			packets, err := net.ListenPacket("udp", address)
			if err != nil {
				t.Logf("not listening on %s: %v", address, err)
				continue
			}
			conn := packets.(*net.UDPConn)
			d := NewDatagrams(conn, buffer, func() {})
			if turns := d.socket != nil; turns != (buffer > 0) {
				t.Errorf("a buffer of %d: in turns: %t", buffer, turns)
			}
			out, err := net.Dial("udp", conn.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 10)
			for _, text := range []string{"abc", "", "d"} {
				write(t, out, text)
				if n, err := d.Read(b); string(b[:n]) != text || err != nil {
					t.Errorf("%q, %v, want %q", b[:n], err, text)
				}
				if got := d.From().String(); got != out.LocalAddr().String() {
					t.Errorf("from %s, want %s", got, out.LocalAddr())
				}
			}
			ended := make(chan error)
			go func() {
				_, err := d.Read(b)
				ended <- err
			}()
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed: %v", err)
			}
			_ = out.Close()
		}
	}
}
