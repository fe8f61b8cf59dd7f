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

// datagrams sends dropsonde's datagrams, from one goroutine.
type datagrams struct {
	conn net.Conn
	pace func(ctx context.Context, sent int) error
	sent int
}

// dialUDP opens a socket. Without a pace there is a pause after each burst.
func dialUDP(address string, pace func(ctx context.Context, sent int) error) (*datagrams, error) {
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("dropsonde UDP: %w", err)
	}
	conn, err := net.DialUDP("udp", nil, to)
	if err != nil {
		return nil, fmt.Errorf("dropsonde UDP: %w", err)
	}
	if pace == nil {
		pace = pause
	}
	return &datagrams{conn: conn, pace: pace}, nil
}

func pause(ctx context.Context, _ int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(burstPause):
		return nil
	}
}

// send sends one datagram. A missing reader is no error, as for a real component.
func (d *datagrams) send(ctx context.Context, datagram []byte) error {
	if d.sent > 0 && d.sent%burst == 0 {
		if err := d.pace(ctx, d.sent); err != nil {
			return err
		}
	}
	d.sent++
	if _, err := d.conn.Write(datagram); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("dropsonde UDP: %w", err)
	}
	return nil
}

func (d *datagrams) close() error { return d.conn.Close() }
