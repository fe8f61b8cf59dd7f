package main

import (
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// gcPercent lets the heap grow by three quarters of what is live between collections, as Prometheus does. Nearly
	// all of the heap is series that live for long, and taking samples in allocates next to nothing: collections are
	// rare at any setting. What this and Go's own 100 need with a million series stands in docs/performance.md.
	gcPercent = 75

	// limitPercent of what the control group may have is the limit at which the collector works harder: the rest is
	// for stacks, for what the runtime counts late, and for pages of the program's file.
	limitPercent = 90
)

// tuneGC sets the pace of the garbage collector unless GOGC does, and a soft limit of memory unless GOMEMLIMIT
// does: a container that comes near its own limit pays with CPU before it is killed.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit := memoryLimit(os.DirFS("/")); limit > 0 {
			debug.SetMemoryLimit(limit / 100 * limitPercent)
		}
	}
}

// memoryLimit is the least memory.max, in bytes, of the process's control group (version 2) and those above it, as
// far as they are to be seen; 0 for none.
func memoryLimit(root fs.FS) int64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(groups)) {
		group, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !ok {
			continue
		}
		// Cleaned as an absolute path it stays below the root.
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			text, err := fs.ReadFile(root, path.Join("sys/fs/cgroup", group, "memory.max"))
			if limit, parsed := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && parsed == nil &&
				limit > 0 && (least == 0 || limit < least) {
				least = limit
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}
