package api

import (
	"time"

	"golang.org/x/sys/unix"
)

// used is how much time of a processor the thread of the caller has used.
func used() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
