// Package throttle keeps log lines that bad input could repeat without end to one a minute.
package throttle

import "time"

// Interval is the time between two reports.
const Interval = time.Minute

// Throttle counts events of one kind. Its zero value is ready; it is not for concurrent use.
type Throttle struct {
	last  time.Time
	count int
}

// Add counts one more event. If a report is due it returns how many there were since the last one.
func (t *Throttle) Add(now time.Time) (count int, due bool) {
	t.count++
	if !t.last.IsZero() && now.Sub(t.last) < Interval {
		return 0, false
	}
	count, t.last, t.count = t.count, now, 0
	return count, true
}
