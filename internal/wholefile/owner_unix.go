//go:build unix

package wholefile

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a file to the owner and the group of another.
func keepOwner(f *os.File, of fs.FileInfo) error {
	if owner, ok := of.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}
