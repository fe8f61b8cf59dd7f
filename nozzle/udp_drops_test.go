package nozzle

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/internal/wiretest"
)

// TestUDPDropsAreCountedAndLogged: by what the kernel says while datagrams come, and at each scrape; the first loss is
// logged at once, what follows within a minute together.
func TestUDPDropsAreCountedAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, reg := newTestLedger(t)
		log, lines := newTestLog()
		u, err := newUDP(UDPOptions{ListenAddress: "127.0.0.1:0"}, testEnv(ledger, nil, log))
		if err != nil {
			t.Fatal(err)
		}
		const wrapped = 1<<32 - 100 // the kernel's number has 32 bits
		if n := u.drops.count(); n != 0 {
			t.Errorf("%d before the socket is open", n)
		}
		asked, kernel := 0, uint32(wrapped)
		var failure error
		u.drops.open(func() (uint32, error) { asked++; return kernel, failure })
		u.drops.seen = wrapped
		began := time.Now()
		var reports []string
		for range 130 { // a datagram each second
			switch at := time.Since(began); {
			case at == 15*time.Second:
				kernel += 100
			case at > 20*time.Second && at < 90*time.Second:
				kernel += 10
			}
			u.drops.report(time.Now())
			for len(lines) > 0 {
				reports = append(reports, fmt.Sprint(time.Since(began), " ", (<-lines).attrs["dropped_since_last_report"]))
			}
			time.Sleep(time.Second)
		}
		wiretest.RequireEqual(t, "reports", reports, []string{"20s 100", "1m20s 600"})
		if asked != 13 {
			t.Errorf("asked %d times", asked)
		}
		requireMetrics(t, reg, `
# HELP loggregator_exporter_udp_dropped_datagrams_total Datagrams that the kernel dropped since the socket's receive buffer was full.
# TYPE loggregator_exporter_udp_dropped_datagrams_total counter
loggregator_exporter_udp_dropped_datagrams_total 790
`, "loggregator_exporter_udp_dropped_datagrams_total")
		for err, want := range map[error]int{errors.ErrUnsupported: 0, net.ErrClosed: 0, errors.New("denied"): 1} {
			asked, failure = 0, err
			u.drops.open(func() (uint32, error) { asked++; return 0, failure })
			for range 2 {
				if n := u.drops.count(); n != 790 {
					t.Errorf("%v: %d", err, n)
				}
			}
			if len(lines) != want || asked != 1 {
				t.Errorf("%v: %d lines, asked %d times", err, len(lines), asked)
			}
			drain(lines)
		}
		u.drops.open(func() (uint32, error) { return 5, nil }) // another socket counts from 0
		if n := u.drops.count(); n != 795 {
			t.Errorf("%d with another socket", n)
		}
	})
}

// TestReceiveDrops: what the kernel says of a socket that is flooded, by IPv4 and IPv6.
func TestReceiveDrops(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems do not say")
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		packets, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", address)
		if err != nil && strings.Contains(address, "::") {
			continue // no IPv6 here
		}
		if err != nil {
			t.Fatal(err)
		}
		conn := packets.(*net.UDPConn)
		t.Cleanup(func() { _ = conn.Close() })
		raw, err := conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		drops := receiveDrops(raw)
		if n, err := drops(); n != 0 || err != nil {
			t.Errorf("%s: %d dropped at first, %v", address, n, err)
		}
		sender, err := (&net.Dialer{}).DialContext(t.Context(), "udp", conn.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sender.Close() })
		const sent = 5000
		for range sent {
			if _, err := sender.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		dropped, err := drops()
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		arrived, buffer := uint32(0), make([]byte, 1000)
		for ; arrived < sent-dropped; arrived++ {
			if _, _, err := conn.ReadFromUDPAddrPort(buffer); err != nil {
				t.Fatal(err)
			}
		}
		if dropped == 0 || dropped == sent {
			t.Errorf("%s: %d of %d dropped", address, dropped, sent)
		}
		if n := testing.AllocsPerRun(10, func() { _, _ = drops() }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		_ = conn.Close()
		if _, err := drops(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after its end: %v", err)
		}
	}
}
