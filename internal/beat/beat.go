// Package beat lets what is done seldom be done at the same moments, so that a process that has nothing else to do
// wakes up once for all of it.
package beat

import "time"

// Next returns the time until the next multiple of a step, which divides a day: more than 0, at most the step.
func Next(step time.Duration) time.Duration {
	now := time.Now()
	return now.Truncate(step).Add(step).Sub(now)
}
