package watch

import (
	"sync/atomic"
	"time"
)

// liveness is what is known of the connections of one source. It is safe for concurrent use.
type Liveness struct {
	Last      atomic.Int64 // arrival of the last envelope in nanoseconds since the epoch; 0 if none came
	connected atomic.Int32 // connections that are open
	opened    atomic.Int64 // when the first of them was, like last
	quiet     atomic.Int64 // longest silence in nanoseconds that is ordinary while connected; 0 where any is
}

// Heard notes the arrival of an envelope, in nanoseconds since the epoch.
func (l *Liveness) Heard(now int64) { l.Last.Store(now) }

// LastHeard is the arrival of the last envelope in nanoseconds since the epoch; 0 if none came.
func (l *Liveness) LastHeard() int64 { return l.Last.Load() }

// Up says whether the source is connected and, where it has a watchdog, no longer silent than is ordinary for it: a connection
// whose other side vanished looks as open as any.
func (l *Liveness) Up() bool {
	if l.connected.Load() <= 0 {
		return false
	}
	quiet := l.quiet.Load()
	return quiet == 0 || time.Now().UnixNano()-max(l.Last.Load(), l.opened.Load()) <= quiet
}

// Ordinary says how long a silence is ordinary.
func (l *Liveness) Ordinary(quiet time.Duration) { l.quiet.Store(int64(quiet)) }

// Connect notes an open connection; each call of it is followed by one of Disconnect.
func (l *Liveness) Connect() {
	// A connection beside one that is silent is no sign of life by itself.
	if l.connected.Load() <= 0 {
		l.opened.Store(time.Now().UnixNano())
	}
	l.connected.Add(1)
}

// Disconnect notes that a connection ended.
func (l *Liveness) Disconnect() { l.connected.Add(-1) }
