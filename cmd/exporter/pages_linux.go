package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"unsafe"

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

const (
	widePage = 2 << 20
	// widestHeap is the largest heap whose pages are widened, so that the price has a bound: to copy what is in use takes
	// time, and the rest of a wide page takes memory.
	widestHeap = 64 << 20
)

// widenHeap puts the parts of the heap that are mostly in use into pages of 2 MiB. After a silence the processor has to
// find each page again, of which a few envelopes touch a hundred of 4 KiB; where the hypervisor keeps page tables in
// software that is most of what they cost. It needs Linux 6.1; where the system does not do it, all works as before.
// Where it is told never to use such pages they are not used here either, though the system call would.
func widenHeap() {
	if from, end := heap(); end-from <= widestHeap && hasWidePages() {
		widen(from, end)
	}
}

func hasWidePages() bool {
	enabled, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	return err == nil && !bytes.Contains(enabled, []byte("[never]"))
}

// widen puts memory into wide pages where at least half of one is in use. It begins and ends at multiples of widePage.
func widen(from, end uintptr) {
	page := uintptr(os.Getpagesize())
	used := make([]byte, widePage/page)
	for at := from; at < end; at += widePage {
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, at, widePage,
			uintptr(unsafe.Pointer(&used[0]))) //nolint:gosec // the system call writes there
		if errno != 0 {
			return
		}
		n := 0
		for _, u := range used {
			n += int(u & 1) // the other bits are reserved
		}
		if n >= len(used)/2 {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, at, widePage, unix.MADV_COLLAPSE) // it is as well without
		}
	}
}

// heap returns where the mapping of the heap begins and ends, at multiples of widePage; 0 if it is not found.
func heap() (from, end uintptr) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0, 0
	}
	defer func() { _ = maps.Close() }()
	of := uintptr(unsafe.Pointer(new([1 << 10]byte))) //nolint:gosec // only compared; stacks lie in the heap, too
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var first, last uintptr
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x ", &first, &last); err == nil && first <= of && of < last {
			return (first + widePage - 1) &^ (widePage - 1), last &^ (widePage - 1)
		}
	}
	return 0, 0
}
