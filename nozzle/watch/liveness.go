package watch

import (
	"sync/atomic"
	"time"
)

// Liveness records the connections of one source, and when it last received something. It is safe for concurrent use.
type Liveness struct {
	last      atomic.Int64 // arrival of the last envelope in nanoseconds since the epoch; 0 if none came
	connected atomic.Int32 // connections that are open
	opened    atomic.Int64 // when the first of them was opened, in the unit of last
	maxPause  atomic.Int64 // longest silence in nanoseconds for which the source is up; 0 where any is
}

// Heard notes the arrival of an envelope, in nanoseconds since the epoch.
func (l *Liveness) Heard(now int64) { l.last.Store(now) }

// LastHeard is the arrival of the last envelope in nanoseconds since the epoch; 0 if none came.
func (l *Liveness) LastHeard() int64 { return l.last.Load() }

// Connections is the number of open connections.
func (l *Liveness) Connections() int { return int(max(0, l.connected.Load())) }

// OpenedAt is when the first of the open connections was opened, in nanoseconds since the epoch; 0 if none is open.
func (l *Liveness) OpenedAt() int64 {
	if l.connected.Load() <= 0 {
		return 0
	}
	return l.opened.Load()
}

// Up says whether the source is connected and, if it has a keeper, silent for no longer than is usual: a connection
// whose peer vanished looks as open as any.
func (l *Liveness) Up() bool {
	if l.connected.Load() <= 0 {
		return false
	}
	limit := l.maxPause.Load()
	return limit == 0 || time.Now().UnixNano()-max(l.last.Load(), l.opened.Load()) <= limit
}

// AllowPause sets how long a connected source may be silent and still be up.
func (l *Liveness) AllowPause(d time.Duration) { l.maxPause.Store(int64(d)) }

// Connect notes an open connection; each call of it is followed by one of Disconnect.
func (l *Liveness) Connect() {
	// A second connection beside one that is silent is no sign of life by itself.
	if l.connected.Load() <= 0 {
		l.opened.Store(time.Now().UnixNano())
	}
	l.connected.Add(1)
}

// Disconnect notes that a connection ended.
func (l *Liveness) Disconnect() { l.connected.Add(-1) }

// pauses learns how long the pauses between envelopes are, so that a source whose peer vanished counts as down before
// the idle timeout.
type pauses struct {
	longest int // in checks
	checks  int // so far
}

const (
	minPause  = 5 * time.Second // that a source may be silent and still be up
	pauseLife = 60              // checks after which the longest pause counts as one check less
)

// note takes a pause that ended with data by the same stream.
func (q *pauses) note(pause int) { q.longest = max(q.longest, pause) }

// limit is how long a silence may be and still be usual: twice the longest pause. For the first pauseLife checks it is
// the idle timeout.
func (q *pauses) limit(idle time.Duration) time.Duration {
	q.checks++
	if q.checks%pauseLife == 0 && q.longest > 0 {
		q.longest--
	}
	if q.checks < pauseLife {
		return idle
	}
	return min(idle, max(minPause, 2*time.Duration(q.longest+1)*checkInterval))
}
