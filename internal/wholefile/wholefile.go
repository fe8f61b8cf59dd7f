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
	temporary, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
