package nozzle

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"loggregator_exporter/internal/throttle"
)

// dropsInterval is how often the kernel is asked what it dropped while datagrams come, for the log. Scrapes ask as
// well.
const dropsInterval = 10 * time.Second

// controlled is a socket, as syscall.RawConn has it.
type controlled interface {
	Control(f func(fd uintptr)) error
}

// udpDrops counts the datagrams that the kernel dropped, as it says itself. It asks when somebody wants to know, and
// has no timer.
type udpDrops struct {
	log *slog.Logger

	mu    sync.Mutex
	ask   func() (uint32, error) // how many were dropped since the socket was opened, modulo 1<<32; nil if nobody can say
	seen  uint32
	total uint64

	// Of the goroutine that receives.
	asked    time.Time
	reported uint64
	lossy    throttle.Throttle
}

// open takes what asks the kernel about the socket.
func (d *udpDrops) open(ask func() (uint32, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ask, d.seen = ask, 0
}

// count returns the number since the start.
func (d *udpDrops) count() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ask == nil {
		return d.total
	}
	n, err := d.ask()
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, net.ErrClosed) {
			d.log.Warn("cannot read what the kernel drops: such losses are not counted", "error", err)
		}
		d.ask = nil
		return d.total
	}
	d.total += uint64(n - d.seen)
	d.seen = n
	return d.total
}

// report logs the first loss, and those after it at most once a minute. It is called after each datagram.
func (d *udpDrops) report(now time.Time) {
	if now.Sub(d.asked) < dropsInterval {
		return
	}
	d.asked = now
	n := d.count()
	if n == d.reported {
		return
	}
	if _, due := d.lossy.Add(now); due {
		d.log.Warn("the kernel drops datagrams since the receive buffer is full",
			"dropped_since_last_report", n-d.reported,
			"advice", "give the exporter more CPU, or raise nozzle.udp.receive_buffer_bytes and net.core.rmem_max")
		d.reported = n
	}
}

// register registers the metric of a source.
func (d *udpDrops) register(l *Ledger) error {
	err := l.count("udp_dropped_datagrams_total",
		"Datagrams that the kernel dropped since the socket's receive buffer was full.", "", "", d.count)
	if err != nil {
		return fmt.Errorf("nozzle.udp: %w", err)
	}
	return nil
}
