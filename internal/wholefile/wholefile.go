// Package wholefile writes files that others may read at any time.
package wholefile

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes a file that all may read. A reader sees the old content or the new one, never a part. The temporary
// file is in the same folder, since a rename is atomic only within one file system; its name starts with a dot and
// ends in .tmp, so that patterns for the file do not match it.
func Replace(name string, text []byte) error {
	return replace(name, text, func(temporary *os.File) error { return temporary.Chmod(0o644) })
}

// Rewrite writes a file that exists, in the same way, and keeps its permissions, and its owner where the user may give
// files away. Of a symbolic link the file is written that it leads to.
func Rewrite(name string, text []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return replace(name, text, func(temporary *os.File) error {
		if err := keepOwner(temporary, info); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		return temporary.Chmod(info.Mode().Perm())
	})
}

func replace(name string, text []byte, prepare func(temporary *os.File) error) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, prepare(temporary), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
