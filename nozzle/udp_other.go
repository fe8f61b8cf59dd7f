//go:build !linux

package nozzle

import (
	"errors"
	"math"
	"net"
)

// receiveBuffer cannot tell what other systems grant: they refuse what they do not give.
func receiveBuffer(*net.UDPConn) (int, error) { return math.MaxInt, nil }

// receiveDrops cannot tell what other systems drop.
func receiveDrops(controlled) func() (uint32, error) {
	return func() (uint32, error) { return 0, errors.ErrUnsupported }
}
