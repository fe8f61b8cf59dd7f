// Package peer runs the programs that the tests try the exporter against: it builds them once, into a cache outside
// the tree, and ends what it started with the test.
package peer

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Patience bounds what takes a moment: far more than anything takes on a busy machine.
const Patience = 5 * time.Minute

// Lookback is less than the five minutes for which Prometheus and VictoriaMetrics show a series that has not ended:
// what is gone by then has.
const Lookback = 3 * time.Minute

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

// Within is a context that is done after a time, or with the test.
func Within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
