package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// unmapProgram gives the pages of the program's own code back that the start has read: most of them are not needed
// again. Those that are come back from the system's cache of the file, a page fault for 64 KiB. Only mappings that
// cannot be written to, and have no page of their own, are given back: they hold what is in the file.
func unmapProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	var from, length uintptr // of a mapping of the program that cannot be written to; length is 0 for others
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		var first, end uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &first, &end); err == nil {
			from, length = first, 0
			if fields[len(fields)-1] == program && !strings.Contains(fields[1], "w") {
				length = end - first
			}
		} else if fields[0] == "Anonymous:" && fields[1] == "0" && length > 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, from, length, unix.MADV_DONTNEED) // it is as well without
		}
	}
}
