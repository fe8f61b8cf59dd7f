//go:build !linux

package gather

import "net"

// newSocket returns nil: other systems have no such timers.
func newSocket(net.Conn, reading) socket { return nil }

// newKernel returns nil as well.
func newKernel() kernel { return nil }

// newPackets returns nil, too.
func newPackets(*net.UDPConn) packets { return nil }
