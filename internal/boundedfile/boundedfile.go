// Package boundedfile reads the files that settings and arguments name. A wrong name may lead to a device without an
// end, to a named pipe without a writer, or to a file that does not fit into memory: each of these is an error here,
// and none blocks.
package boundedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// MaxBytes is enough for a configuration file, a secret, a key or a bundle of certificates: that of all public
// authorities has a quarter of it.
const MaxBytes = 1 << 20

// Read returns what a regular file holds, which must be at most maxBytes long.
func Read(name string, maxBytes int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	// The size that Stat tells is no bound: the file may grow, and files under /proc tell 0.
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > maxBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxBytes)
	}
	return text, nil
}

// Open opens a regular file for callers that read it in pieces.
func Open(name string) (*os.File, error) {
	// Opening a device can have effects, so the mode is checked before. It is checked again afterwards, since the name
	// may lead to another file by then; O_NONBLOCK keeps a named pipe from waiting for its writer.
	info, err := os.Stat(name)
	if err != nil {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			failed.Op = "open" // what the caller wanted
		}
		return nil, err
	}
	if err := checkRegular(name, info.Mode()); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	if err == nil {
		err = checkRegular(name, info.Mode())
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func checkRegular(name string, mode fs.FileMode) error {
	kind := "a special file"
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	}
	return fmt.Errorf("%s is %s, not a regular file", name, kind)
}
