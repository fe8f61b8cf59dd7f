package main

import (
	"time"

	"golang.org/x/sys/windows"
)

// processorTime is how much time of processors the process has used.
func processorTime() time.Duration {
	var begun, ended, system, user windows.Filetime
	_ = windows.GetProcessTimes(windows.CurrentProcess(), &begun, &ended, &system, &user) // fails only for wrong arguments
	return of(system) + of(user)
}

// of is a length of time, which the system counts in 100 ns.
func of(t windows.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}
