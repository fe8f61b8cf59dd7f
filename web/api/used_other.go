//go:build !linux

package api

import "time"

var began = time.Now()

// used is the time that has passed, which is at least what the thread of the caller has used.
func used() time.Duration { return time.Since(began) }
