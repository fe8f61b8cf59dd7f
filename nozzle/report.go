package nozzle

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/leftout"
	"loggregator_exporter/nozzle/watch"
)

// SourceReport is the account of one source at one moment. Maps are by the labels of the metrics.
type SourceReport struct {
	Name        string
	Up          bool
	Connections int
	// Opened is when the first of the open connections was opened, Heard when the last envelope came; zero if never.
	Opened, Heard time.Time
	LastFailure   *SourceFailure // nil if there was none
	Received      uint64
	Envelopes     map[string]uint64
	Samples       map[string]uint64
	Reconnects    map[string]uint64
	Refusals      map[string]uint64
	// ClockAhead is how far the timestamps of envelopes were ahead of their arrival in the last one to two minutes, at
	// most: below 0 where all were behind. ClockSender says whose they were, where that is more than some seconds.
	// ClockKnown is false where none came.
	ClockAhead  time.Duration
	ClockSender string
	ClockKnown  bool
	// Ignored and Malformed say what was ignored, and what was wrong with what is malformed: their counts add up to those
	// of Envelopes.
	Ignored   []leftout.EventReport
	Malformed []leftout.Fault
}

// SourceFailure is why a connection could not be made, was lost or was refused.
type SourceFailure struct {
	At             time.Time
	Reason, Advice string
	Text           string // of the error; may be empty
}

// LossReport is what one component of Loggregator reports as lost on one side.
type LossReport struct {
	Origin, Direction string
	Count             uint64
	// VMs are those that lost most, the rest of Count was lost by others.
	VMs []LossVM
}

// Reports returns the accounts of all sources, in the order in which they were opened.
func (l *Ledger) Reports() []SourceReport {
	all := l.all()
	reports := make([]SourceReport, 0, len(all))
	for _, s := range all {
		reports = append(reports, s.report())
	}
	return reports
}

// Losses returns what Loggregator reports as lost, by origin and direction.
func (l *Ledger) Losses() []LossReport {
	var losses []LossReport
	for key, n := range l.upstream.snapshot() {
		losses = append(losses, LossReport{key.origin, key.direction, n, l.upstream.vmsOf(key)})
	}
	slices.SortFunc(losses, func(a, b LossReport) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Direction, b.Direction))
	})
	return losses
}

// Filtered returns what filters and selectors left out, by name, in no order; the last entry is what is counted
// together.
func (l *Ledger) Filtered() []leftout.Name { return l.filtered.List() }

func (s *SourceLedger) report() SourceReport {
	r := SourceReport{
		Name: s.name, Up: s.Up(), Connections: s.Connections(), LastFailure: s.failure.Load(), Received: s.received.Load(),
		Envelopes: map[string]uint64{}, Samples: map[string]uint64{},
		Reconnects: map[string]uint64{}, Refusals: map[string]uint64{},
		Ignored: s.events.Report(), Malformed: s.faults.Report(),
	}
	maps.Copy(r.Reconnects, s.reconnects.snapshot())
	maps.Copy(r.Refusals, s.refusals.snapshot())
	if opened := s.OpenedAt(); opened > 0 {
		r.Opened = time.Unix(0, opened)
	}
	if heard := s.LastHeard(); heard > 0 {
		r.Heard = time.Unix(0, heard)
	}
	for i, outcome := range envelopeOutcomes {
		r.Envelopes[outcome] = s.envelopes[i].Load()
	}
	for i := range s.samples {
		r.Samples[metric.Outcome(i).String()] = s.samples[i].Load()
	}
	r.ClockAhead, r.ClockSender, r.ClockKnown = s.clock.read(time.Now().UnixNano())
	return r
}

// Failed implements watch.Account.
func (s *SourceLedger) Failed(f watch.Failure) {
	text := ""
	if f.Err != nil {
		text = f.Err.Error()
	}
	s.failure.Store(&SourceFailure{At: time.Now(), Reason: f.Reason, Advice: f.Advice, Text: text})
}

// refuse counts a connection or stream that the source refused or gave up.
func (s *SourceLedger) refuse(reason, advice string, err error) {
	s.refusals.add(reason)
	s.Failed(watch.Failure{Reason: reason, Advice: advice, Err: err})
}

// senderClock compares the clocks of senders with the exporter's: of each message one envelope is looked at.
type senderClock struct {
	minute atomic.Int64 // since the epoch, that most belongs to
	most   atomic.Int64 // nanoseconds by which a timestamp was ahead, at most

	mu     sync.Mutex
	sender string // of most
	before reading
}

// reading is what was seen in the minute before.
type reading struct {
	minute, most int64
	sender       string
}

// namedFrom is how far ahead a clock must be for its sender to be remembered.
const namedFrom = int64(5 * time.Second)

// note takes an envelope that arrived at the time given, in nanoseconds since the epoch. Unless it is further ahead
// than all others of the minute it costs two loads.
func (c *senderClock) note(e *metric.Envelope, now int64) {
	minute, ahead := now/int64(time.Minute), e.Timestamp-now
	if e.Timestamp <= 0 || c.minute.Load() == minute && ahead <= c.most.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := c.minute.Load(); last != minute {
		c.before = reading{last, c.most.Load(), c.sender}
	} else if ahead <= c.most.Load() {
		return
	}
	c.most.Store(ahead)
	c.minute.Store(minute) // last, so that nobody compares with what was the most of another minute
	if c.sender = ""; ahead >= namedFrom {
		c.sender = leftout.SenderOf(e)
	}
}

// read returns the highest of this minute and the one before.
func (c *senderClock) read(now int64) (ahead time.Duration, sender string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	minute := now / int64(time.Minute)
	at := reading{c.minute.Load(), c.most.Load(), c.sender}
	for _, r := range [...]reading{c.before, at} {
		if r.minute == 0 || r.minute < minute-1 {
			continue
		}
		if d := time.Duration(r.most); !known || d > ahead {
			ahead, sender, known = d, r.sender, true
		}
	}
	return ahead, sender, known
}
