package nozzle

import (
	"context"
	"net/netip"
)

// port is the address of a source that others send to. It is known once the source listens.
type port struct {
	opened chan struct{} // closed when addr or failed is set
	addr   netip.AddrPort
	failed error
}

func newPort() port { return port{opened: make(chan struct{})} }

// open notes the address. One of open and fail is called, once.
func (p *port) open(addr netip.AddrPort) {
	p.addr = addr
	close(p.opened)
}

// fail notes why the source does not listen.
func (p *port) fail(err error) {
	p.failed = err
	close(p.opened)
}

// Addr implements Listener.
func (p *port) Addr(ctx context.Context) (netip.AddrPort, error) {
	select {
	case <-p.opened:
		return p.addr, p.failed
	case <-ctx.Done():
		return netip.AddrPort{}, ctx.Err()
	}
}
