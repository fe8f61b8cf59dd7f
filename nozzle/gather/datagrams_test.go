package gather

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakePackets is a fakeSocket each byte of which is a datagram.
type fakePackets struct {
	*fakeSocket
	t       *testing.T
	memory  [batchSize]byte
	pending int // datagrams that the reader has and not been told to pass on
}

func (s *fakePackets) take() (int, error) { return s.fakeSocket.take(s.memory[:]) }

func (s *fakePackets) await() (int, error) {
	s.rests()
	return s.fakeSocket.await(s.memory[:])
}

func (s *fakePackets) pause(d time.Duration) {
	s.rests()
	s.fakeSocket.pause(d)
}

func (s *fakePackets) rests() {
	if s.pending > 0 {
		s.t.Errorf("rests with %d datagrams", s.pending)
	}
}

func (s *fakePackets) datagram(i int) []byte          { return s.memory[i : i+1] }
func (s *fakePackets) from(int) netip.AddrPort        { return netip.AddrPort{} }
func (s *fakePackets) Control(func(fd uintptr)) error { return errors.ErrUnsupported }

// datagramsOf reads a fake socket to its end.
func datagramsOf(t *testing.T, fake *fakeSocket, receiveBuffer int, deliveries ...delivery) {
	t.Helper()
	go func() {
		for _, d := range deliveries {
			for range d.times {
				time.Sleep(d.every)
				fake.deliver(d.bytes)
			}
		}
		fake.end()
	}()
	s, total := &fakePackets{fakeSocket: fake, t: t}, 0
	r := newDatagrams(s, receiveBuffer, func() { s.pending = 0 })
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total++
		s.pending++
	}
	want := 0
	for _, d := range deliveries {
		want += d.bytes * d.times
	}
	if total != want {
		t.Errorf("%d datagrams, want %d", total, want)
	}
}

// TestDatagramTurns: a VM's datagrams are read by turns, and each within a pause, also where more come than one call
// reads.
func TestDatagramTurns(t *testing.T) {
	for pauses, buffer := range map[time.Duration]int{Pause: ampleBuffer, 20 * time.Millisecond: ampleBuffer / 2} {
		for _, datagrams := range []int{1, batchSize, 3*batchSize + 1} {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				const seconds = 20
				datagramsOf(t, s, buffer, delivery{datagrams, 5 * time.Millisecond, seconds * 200})
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
}

// TestDatagramsSeldom: a datagram that comes after a silence is read at once, and so is each where the receive buffer
// is small.
func TestDatagramsSeldom(t *testing.T) {
	for buffer, d := range map[int]delivery{
		ampleBuffer:      {batchSize + 1, time.Second, 30},
		ampleBuffer / 40: {20, time.Millisecond, 3_000},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			datagramsOf(t, s, buffer, d)
			if s.late != 0 || len(s.pauses) != 0 {
				t.Errorf("unread for %v, %d pauses", s.late, len(s.pauses))
			}
		})
	}
}

// TestDatagramsFast: the faster datagrams come the shorter the pauses, so that the receive buffer has room for them.
func TestDatagramsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		const perMillisecond = 400
		datagramsOf(t, s, ampleBuffer, delivery{20, time.Millisecond, 1_200}, delivery{perMillisecond, time.Millisecond, 3_000})
		// The first turn of the faster ones comes after a whole pause.
		if most := perMillisecond * int(Pause/time.Millisecond+2); s.most > most {
			t.Errorf("up to %d datagrams waited, want %d", s.most, most)
		}
		last := len(s.pauses) - 1 // before that one fewer came
		for _, p := range s.pauses[last-100 : last] {
			if p < 4*time.Millisecond || p > 7*time.Millisecond { // 2 MiB, 1 KiB and a byte each
				t.Fatalf("a pause of %v", p)
			}
		}
	})
}

// udpSocket listens by loopback.
func udpSocket(tb testing.TB, address string) (ours *net.UDPConn, out net.Conn) {
	tb.Helper()
	packets, err := net.ListenPacket("udp", address)
	if err != nil && strings.Contains(address, "::") {
		tb.Skip("no IPv6 here: ", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = packets.Close() })
	out, err = net.Dial("udp", packets.LocalAddr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = out.Close() })
	return packets.(*net.UDPConn), out
}

// openers are the ways to read datagrams that this system has.
func openers() map[string]func(c *net.UDPConn) *Datagrams {
	of := map[string]func(c *net.UDPConn) *Datagrams{
		"one by one": func(c *net.UDPConn) *Datagrams {
			return newDatagrams(&single{UDPConn: c, memory: make([]byte, maxDatagram)}, 0, func() {})
		},
	}
	if runtime.GOOS == "linux" {
		for name, buffer := range map[string]int{"with turns": ampleBuffer, "without turns": 0} {
			of[name] = func(c *net.UDPConn) *Datagrams { return NewDatagrams(c, buffer, func() {}) }
		}
	}
	return of
}

// TestDatagrams: what is queued is read whole and in order, with its sender.
func TestDatagrams(t *testing.T) {
	numbers := func(n int) (texts []string) {
		for i := range n {
			texts = append(texts, fmt.Sprint("datagram ", i))
		}
		return texts
	}
	longest := strings.Repeat("x", 65_507)
	cases := map[string][]string{
		"one":                           {"a"},
		"empty":                         {""},
		"empty among others":            {"a", "", "b", "", ""},
		"longest":                       {longest},
		"longest in between":            {"a", longest, "b"},
		"as many as one call takes":     numbers(batchSize),
		"more than one call takes":      numbers(batchSize + 1),
		"many more than one call takes": numbers(3*batchSize - 1),
	}
	for kind, open := range openers() {
		for _, address := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
			t.Run(kind+"/"+address, func(t *testing.T) {
				ours, out := udpSocket(t, address)
				d := open(ours)
				defer d.Close()
				for name, texts := range cases {
					for _, text := range texts {
						write(t, out, text)
					}
					got := make([]string, 0, len(texts))
					for range texts {
						b, err := d.Next()
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, string(b))
						if from := d.From().String(); from != out.LocalAddr().String() {
							t.Errorf("%s: from %s, want %s", name, from, out.LocalAddr())
						}
					}
					if !slices.Equal(got, texts) {
						t.Errorf("%s: got %.100q", name, got)
					}
				}
			})
		}
	}
}

// TestDatagramsClosed: closing ends a wait.
func TestDatagramsClosed(t *testing.T) {
	for name, open := range openers() {
		t.Run(name, func(t *testing.T) {
			ours, out := udpSocket(t, "127.0.0.1:0")
			d := open(ours)
			write(t, out, "a")
			if _, err := d.Next(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error)
			go func() {
				_, err := d.Next()
				ended <- err
			}()
			d.Close()
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
			d.Close() // again
			if _, err := d.Next(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after it: %v", err)
			}
			if err := d.Control(func(uintptr) { t.Error("it has no socket") }); !errors.Is(err, net.ErrClosed) {
				t.Errorf("control after it: %v", err)
			}
		})
	}
}

// TestDatagramsAllocNothing: neither a datagram nor a turn allocates anything.
func TestDatagramsAllocNothing(t *testing.T) {
	for name, open := range openers() {
		t.Run(name, func(t *testing.T) {
			ours, out := udpSocket(t, "127.0.0.1:0")
			d := open(ours)
			defer d.Close()
			text := []byte("abc")
			if n := testing.AllocsPerRun(20, func() {
				for range 2 * batchSize {
					if _, err := out.Write(text); err != nil {
						t.Error(err)
					}
				}
				for range 2 * batchSize {
					if _, err := d.Next(); err != nil || !d.From().IsValid() {
						t.Error(err, d.From())
					}
				}
				d.pause(time.Microsecond)
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
