package watch

import (
	"context"
	"sync/atomic"
	"time"

	"loggregator_exporter/metric"
)

const (
	// DefaultIdleTimeout is the default of nozzle.idle_timeout.
	DefaultIdleTimeout = 30 * time.Second
	// stallTimeout is far more than the milliseconds that a store needs for a batch: a reader that needs it for one is
	// stuck, and the shard's other readers lack its share.
	stallTimeout = 10 * time.Second
	// checkInterval is how often a keeper checks its streams: the times that it measures are exact to that. Readers
	// that are awake ask for it, since to wake up for a timer costs as much as some batches. firstAlone after the
	// last of them has asked the keeper goes on by itself.
	checkInterval = time.Second
	firstAlone    = 3 * checkInterval
)

// checks is how many checks fit into a time, at least one.
func checks(d time.Duration) int { return max(1, int(d/checkInterval)) }

// Pulse is what the reader of one stream tells the keeper. The reader's goroutine writes, with a few atomic stores
// for each message; the keeper's reads.
type Pulse struct {
	begun, done atomic.Uint64 // messages handed to the intake, and taken by it
	envelopes   atomic.Uint64 // that came, malformed ones aside
	leave       atomic.Bool

	// The reader's goroutine only.
	due       chan<- struct{} // asks the keeper for a check; nil if there is none
	asked     int64           // when it was asked last, nanoseconds
	dopplers  *dopplers       // or nil
	tell      func(streamEvent)
	delivered bool
}

// Opened says that the stream is open: from now on it counts as connected, and silence counts.
func (p *Pulse) Opened() { p.event(streamOpened) }

// Begin says that a message is going to the intake, which calls Took when it has taken it.
func (p *Pulse) Begin() { p.begun.Add(1) }

// Note takes a gauge or counter of the message at hand.
func (p *Pulse) Note(e *metric.Envelope) {
	if p.dopplers != nil {
		p.dopplers.note(e)
	}
}

// Took says that a message was taken, how many envelopes it held, and when it had arrived, in nanoseconds.
func (p *Pulse) Took(envelopes uint64, arrived int64) {
	p.envelopes.Add(envelopes)
	p.done.Store(p.begun.Load())
	if arrived-p.asked >= int64(checkInterval) {
		p.asked = arrived
		select {
		case p.due <- struct{}{}:
		default: // it was asked before, or nobody listens
		}
	}
	if !p.delivered && envelopes > 0 {
		p.delivered = true
		p.event(streamDelivered)
	}
}

// Leave says whether the reader is to end the stream. Right after a message is the best moment: what Loggregator has
// gathered for the next message is lost, and is least then.
func (p *Pulse) Leave() bool { return p.leave.Load() }

func (p *Pulse) event(e streamEvent) {
	if p.tell != nil {
		p.tell(e)
	}
}

type streamEvent uint8

const (
	streamOpened    streamEvent = iota
	streamDelivered             // its first envelope came
	streamEnded
)

// stream is an open stream, or one being opened, with what its keeper remembers of it.
type stream struct {
	Pulse
	cancel    context.CancelCauseFunc
	began     time.Time
	connected bool   // it counts in the account
	closing   bool   // the keeper asked it to end: its end is no failure
	reason    string // why the keeper cut it off, if it did

	seenDone, seenBegun, seenEnvelopes uint64 // at the last check
	silent, stuck                      int    // intervals without envelopes; intervals within one message
}

// check compares a stream with the last check, some intervals ago. asked says that its reader asked for it, with a
// message at hand. It returns whether any envelopes came since, and for how many intervals none had come before.
func (s *stream) check(intervals int, asked bool) (came bool, pause int) {
	done, begun := s.done.Load(), s.begun.Load()
	if begun != done && begun == s.seenBegun && done == s.seenDone {
		s.stuck += intervals
	} else {
		s.stuck = 0
	}
	s.seenDone, s.seenBegun = done, begun
	envelopes := s.envelopes.Load()
	came = envelopes != s.seenEnvelopes
	s.seenEnvelopes = envelopes
	silent := intervals - 1 // of these intervals, before what came or behind it
	switch {
	case !s.connected:
		pause, s.silent = s.silent, 0
	case came && asked:
		pause, s.silent = s.silent+silent, 0
	case came:
		pause, s.silent = s.silent, silent
	default:
		s.silent += intervals
	}
	return came, pause
}
