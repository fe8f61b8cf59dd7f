package foundation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Sixty VMs do not send in the same microsecond. Without a pause a whole round would overflow a receive buffer of the
// kernel's default size (208 KiB, some 160 datagrams) before a reader on a busy host is scheduled.
const (
	burst      = 16
	burstPause = time.Millisecond
)

// datagrams sends dropsonde's datagrams. It is for one goroutine.
type datagrams struct {
	conn  net.Conn
	timer *time.Timer
	count int
}

func dialUDP(address string) (*datagrams, error) {
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("dropsonde UDP: %w", err)
	}
	conn, err := net.DialUDP("udp", nil, to)
	if err != nil {
		return nil, fmt.Errorf("dropsonde UDP: %w", err)
	}
	timer := time.NewTimer(burstPause)
	timer.Stop()
	return &datagrams{conn: conn, timer: timer}, nil
}

// send sends one datagram. A reader that is not there is no error, as it is none for a real component.
func (d *datagrams) send(ctx context.Context, datagram []byte) error {
	if d.count++; d.count%burst == 0 {
		d.timer.Reset(burstPause)
		select {
		case <-ctx.Done():
			d.timer.Stop()
			return ctx.Err()
		case <-d.timer.C:
		}
	}
	if _, err := d.conn.Write(datagram); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("dropsonde UDP: %w", err)
	}
	return nil
}

func (d *datagrams) close() error { return d.conn.Close() }
