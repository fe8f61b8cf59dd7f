//go:build !linux

package overview

// resident cannot tell how much memory is resident on other systems.
type resident struct{}

func (*resident) bytes() uint64 { return 0 }
