// Package leaks finds goroutines that tests leave behind.
package leaks

import (
	"fmt"
	"os"

	"go.uber.org/goleak"
)

// attempts is how often goroutines are searched for, each time for half a second: on a busy machine they may need long
// to end.
const attempts = 100

// Check returns the status of a package's tests: their own, or 1 where they pass and leave goroutines that do not
// end, which it writes to standard error.
func Check(status int) int {
	if status != 0 {
		return status
	}
	var err error
	for range attempts {
		if err = goleak.Find(); err == nil {
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "goroutines that do not end:", err)
	return 1
}
