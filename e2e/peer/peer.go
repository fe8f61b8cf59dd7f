// Package peer runs the programs that the tests try the exporter against: it builds them once, into a cache outside the tree, and ends
// what it started with the test.
package peer

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Patience bounds what takes a moment: far more than anything takes on a busy machine.
const Patience = 5 * time.Minute

// Root returns the folder of the project, from any package of the tests.
func Root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; filepath.Base(dir) != "e2e"; dir = filepath.Dir(dir) {
		if dir == filepath.Dir(dir) {
			t.Fatal("not run in the folder e2e of the project")
		}
	}
	return filepath.Dir(dir)
}
