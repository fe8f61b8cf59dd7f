package main

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow by three quarters of what is live between collections, as Prometheus does. Nearly all of the heap is
// series that live for long, and taking samples in allocates next to nothing: collections are rare at any setting, and a
// lower one than Go's 100 saves more memory than it costs CPU.
const gcPercent = 75

// tuneGC sets the pace of the garbage collector unless GOGC does. GOMEMLIMIT needs nothing of us: the runtime collects more often
// near the limit whatever the percentage.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
