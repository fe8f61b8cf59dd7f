package nozzle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// replaceFile writes a file that is readable by all. Whoever reads it sees the old content or the new one, never a
// part. The temporary file lies in the same folder, since a rename is atomic only within one file system, and under a
// name that no pattern for the file itself matches.
func replaceFile(path string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot write %s: %w", path, err), os.Remove(temporary.Name()))
	}
	return nil
}
