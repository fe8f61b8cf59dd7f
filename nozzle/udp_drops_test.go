package nozzle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/internal/wiretest"
)

// TestUDPDropsAreCountedAndLogged: by what the kernel says each ten seconds; the first loss is logged at once, what
// follows within a minute together.
func TestUDPDropsAreCountedAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, reg := newTestLedger(t)
		log, lines := newTestLog()
		u, err := newUDP(UDPOptions{ListenAddress: "127.0.0.1:0"}, testEnv(ledger, nil, log))
		if err != nil {
			t.Fatal(err)
		}
		totals := []uint64{0, 100, 100, 56_600, 56_600, 56_700, 56_700, 57_000, 57_000}
		var reports []string
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		u.watchDrops(ctx, func() (uint64, error) {
			if len(lines) > 0 {
				reports = append(
					reports,
					fmt.Sprint(time.Since(began)-dropsInterval, " ", (<-lines).attrs["dropped_since_last_report"]),
				)
			}
			if len(totals) == 0 {
				cancel()
				return 57_000, nil
			}
			n := totals[0]
			totals = totals[1:]
			return n, nil
		})
		wiretest.RequireEqual(t, "reports", reports, []string{"20s 100", "1m20s 56900"})
		requireMetrics(t, reg, `
# HELP loggregator_exporter_udp_dropped_datagrams_total Datagrams that the kernel dropped since the socket's receive buffer was full.
# TYPE loggregator_exporter_udp_dropped_datagrams_total counter
loggregator_exporter_udp_dropped_datagrams_total 57000
`, "loggregator_exporter_udp_dropped_datagrams_total")
		for err, want := range map[error]int{errors.ErrUnsupported: 0, net.ErrClosed: 0, errors.New("denied"): 1} {
			u.watchDrops(t.Context(), func() (uint64, error) { return 0, err })
			if len(lines) != want {
				t.Errorf("%v: %d lines", err, len(lines))
			}
			drain(lines)
		}
		if n := testutil.ToFloat64(u.dropped); n != 57_000 {
			t.Errorf("%v", n)
		}
	})
}

// TestReceiveDrops: what the kernel's own table says of a socket that is flooded, by IPv4 and IPv6.
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
		if n, err := receiveDrops(conn); n != 0 || err != nil {
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
		dropped, err := receiveDrops(conn)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		arrived, buffer := uint64(0), make([]byte, 1000)
		for ; arrived < sent-dropped; arrived++ {
			if _, _, err := conn.ReadFromUDPAddrPort(buffer); err != nil {
				t.Fatal(err)
			}
		}
		if dropped == 0 || dropped == sent {
			t.Errorf("%s: %d of %d dropped", address, dropped, sent)
		}
	}
}
