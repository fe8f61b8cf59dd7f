package nozzle

import (
	"context"
	"fmt"
	"net/netip"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/wholefile"
)

// port is the address of a source that others send to, which is known once the source listens.
type port struct {
	opened chan struct{} // closed when addr or failed is set
	addr   netip.AddrPort
	failed error
}

func newPort() port { return port{opened: make(chan struct{})} }

// open stores the address. Either open or fail is called, once.
func (p *port) open(addr netip.AddrPort) {
	p.addr = addr
	close(p.opened)
}

// fail stores why the source does not listen.
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

// writePortFile writes the file for the agent. It is replaced as a whole, since a file that is cut off makes the
// agent exit. A file that is right already is not written, so that its folder may be read-only.
//
// more follows the port: further lines.
func writePortFile(path string, port int, more string) error {
	text := fmt.Appendf(nil, "ingress: %d\n%s", port, more)
	if old, err := boundedfile.Read(path, boundedfile.MaxBytes); err == nil && string(old) == string(text) {
		return nil
	}
	if err := wholefile.Replace(path, text); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}
