package nozzle

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"loggregator_exporter/internal/boundedfile"
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
	return replaceFile(path, text)
}

// replaceFile writes a file that all may read. A reader sees the old content or the new one, never a part. The
// temporary file is in the same folder, since a rename is atomic only within one file system; its name matches no
// pattern for the file.
func replaceFile(path string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot write %s: %w", path, err), os.Remove(temporary.Name()))
	}
	return nil
}
