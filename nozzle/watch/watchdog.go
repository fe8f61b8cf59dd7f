// Package watch keeps a stream open: it opens a new one when the one before ended, and notices when one that looks open brings nothing, or
// less than it should. It knows no protocol.
package watch

import (
	"context"
	"sync/atomic"
	"time"

	"loggregator_exporter/metric"
)

// Reasons that a watchdog has for a new stream, beside those of the protocols.
const (
	ReasonIdle    = "idle"    // the stream is open, and nothing came by it for nozzle.idle_timeout
	ReasonFell    = "fell"    // a part of what used to come steadily stopped coming
	reasonStalled = "stalled" // the sink did not return: what comes is of no use here
)

var Reasons = []string{ReasonIdle, ReasonFell, reasonStalled}

const (
	DefaultIdleTimeout = 30 * time.Second
	// A store takes a batch in milliseconds. Who holds one for so long is frozen, and starves its share of the shard.
	stallTimeout = 10 * time.Second
	// watchEvery is how often a watchdog looks: what it measures is exact to that.
	watchEvery = time.Second
)

// pulse is what the reader of one stream tells its watchdog. The reader's goroutine writes, with a few atomic stores for each
// message; the keeper's reads.
type Pulse struct {
	begun, done atomic.Uint64 // messages handed to the intake, and taken by it
	envelopes   atomic.Uint64 // that came, malformed ones aside
	steady      atomic.Uint64 // of those, gauges and counters
	names       nameCounter   // of those
	left        atomic.Bool

	Tell  func(StreamEvent) // called by the reader's goroutine only
	heard bool
}

// opened says that the stream is open: from now on it counts as connected, and silence counts.
func (p *Pulse) Opened() { p.Tell(streamOpened) }

// begin says that a message is going to the intake, which says itself when it has taken it.
func (p *Pulse) Begin() { p.begun.Add(1) }

// note takes a gauge or counter of the message at hand.
func (p *Pulse) Note(e *metric.Envelope) { p.names.add(e) }

// took says that a message was taken, and how many envelopes it held.
func (p *Pulse) Took(envelopes, steady uint64) {
	p.envelopes.Add(envelopes)
	p.steady.Add(steady)
	p.done.Store(p.begun.Load())
	if !p.heard && envelopes > 0 {
		p.heard = true
		p.Tell(streamHeard)
	}
}

// leave says that the reader is to end the stream. Right after a message is the best moment: what Loggregator had gathered
// for the next one is least then, and lost.
func (p *Pulse) Leave() bool { return p.left.Load() }

type StreamEvent uint8

const (
	streamOpened StreamEvent = iota
	streamHeard              // its first envelope came
	streamEnded
)

// watched is an open stream, or one being opened, with what its watchdog remembers of it.
type watched struct {
	Pulse
	cancel context.CancelCauseFunc
	began  time.Time
	// connected: it counts in the ledger. meant: its end is wanted, and no failure.
	connected, meant bool
	reason           string // why the watchdog ended it

	seenDone, seenBegun, seenEnvelopes, seenSteady uint64 // at the last look
	silent, stuck                                  int    // looks without envelopes; looks within one message
}

// look compares a stream with the last look. It returns how many steady envelopes came since, whether any came, and for how long
// none had come before.
func (w *watched) look() (steady uint64, came bool, pause int) {
	done, begun := w.done.Load(), w.begun.Load()
	if begun != done && begun == w.seenBegun && done == w.seenDone {
		w.stuck++
	} else {
		w.stuck = 0
	}
	w.seenDone, w.seenBegun = done, begun
	total := w.steady.Load()
	steady, w.seenSteady = total-w.seenSteady, total
	envelopes := w.envelopes.Load()
	came = envelopes != w.seenEnvelopes
	w.seenEnvelopes = envelopes
	if came || !w.connected {
		pause, w.silent = w.silent, 0
		return steady, came, pause
	}
	w.silent++
	return steady, false, 0
}

// looks is how many looks fit into a time, at least one.
func looks(d time.Duration) int { return max(1, int(d/watchEvery)) }

// pauses learns how long the pauses between envelopes are, so that a silence beyond the ordinary shows before the idle timeout.
type pauses struct {
	longest int // in looks
	ticks   int
}

const (
	minQuiet  = 5 * time.Second
	pauseLife = 60 // looks after which the longest pause is believed to be one look less
)

// note takes an ordinary pause, one that ended with data by the same stream.
func (q *pauses) note(pause int) { q.longest = max(q.longest, pause) }

// limit is how long a silence may be that is still ordinary. For the first minute nothing is known, and all is ordinary up to the
// idle timeout.
func (q *pauses) limit(idle time.Duration) time.Duration {
	q.ticks++
	if q.ticks%pauseLife == 0 && q.longest > 0 {
		q.longest--
	}
	if q.ticks < pauseLife {
		return idle
	}
	return min(idle, max(minQuiet, 2*time.Duration(q.longest+1)*watchEvery))
}
