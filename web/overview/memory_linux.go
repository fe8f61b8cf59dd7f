package overview

import (
	"bytes"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resident reads how much memory the process has resident.
type resident struct {
	file *os.File
	text [128]byte // numbers of pages: of all memory, of what is resident, ...
}

// bytes returns 0 where the system does not tell. The system call, which never waits, is made without telling the
// runtime: in a process at rest that would wake up the thread that watches over system calls.
func (r *resident) bytes() uint64 {
	if r.file == nil {
		var err error
		if r.file, err = os.Open("/proc/self/statm"); err != nil {
			return 0
		}
	}
	text := unsafe.Pointer(&r.text) //nolint:gosec // it is on the heap
	n, _, errno := unix.RawSyscall6(unix.SYS_PREAD64, r.file.Fd(), uintptr(text), unsafe.Sizeof(r.text), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	_, rest, _ := bytes.Cut(r.text[:n], []byte(" "))
	pages := uint64(0)
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		pages = 10*pages + uint64(c-'0')
	}
	return pages * uint64(os.Getpagesize())
}
