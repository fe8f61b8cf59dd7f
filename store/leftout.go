package store

import (
	"strings"

	"loggregator_exporter/metric"
)

// Samples that nothing refuses are left out all the same where they are outdated, came before, or a rule drops them.
// They are counted by name, kind and unit as refused ones are, but not logged: most are as they should be. The name of
// an entry remembers where it is counted, so that a sample costs no look-up.

const (
	// maxLeftOut bounds how many names are counted one by one for each outcome: some 400 bytes each, and not more than
	// some 3 KiB.
	maxLeftOut = 1000
	// maxLeftOutSender bounds the identity that is kept of a sender.
	maxLeftOutSender = 2 << 10
)

// Why samples are left out.
const (
	reasonOutdated  = "they are older than the value that their series has"
	reasonSecond    = "the gorouter sends each request twice, as client and as server, of which the second counts"
	reasonSameDelta = "a delta with the same time has been counted"
	reasonDropped   = "a rule drops them"
)

// isLeftOut reports whether samples with an outcome are counted here.
func isLeftOut(outcome metric.Outcome) bool {
	return outcome == metric.Outdated || outcome == metric.Duplicate || outcome == metric.DroppedByRule
}

// LeftOut lists samples that are outdated, came before, or that a rule drops, by name, bounded. Names that count
// nothing are left out.
func (s *Store) LeftOut() []Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return withSamples(s.leftOut.all)
}

// leaveOut counts a sample with such an outcome; others are counted where they are refused. pos is its entry, or 0.
func (s *registry) leaveOut(pos entryPos, of *sample, outcome metric.Outcome) {
	if !isLeftOut(outcome) {
		return
	}
	var late int64
	var n *name
	if pos != 0 {
		e := s.entries.at(pos)
		n = s.entries.names.at(e.name)
		if outcome == metric.Outdated {
			late = max(0, e.stamp-clampStamp(of.stamp, of.arrived))
		}
	}
	if n == nil || !n.is(of.kind, of.name, of.unit) { // a timer may have joined another
		n = &name{}
	}
	if n.leftOut == 0 || s.leftOut.all[n.leftOut].Outcome != outcome {
		n.leftOut = s.leftOut.named(outcome, of)
	}
	s.leftOut.all[n.leftOut].add(1, of.arrived, late)
}

func (r *Refusal) add(samples uint64, arrived, late int64) {
	r.Count += samples
	r.Arrived, r.Late, r.MostLate = arrived, late, max(r.MostLate, late)
}

// named returns the position that counts the name of a sample. Only a new name is kept.
func (r *refusals) named(outcome metric.Outcome, of *sample) refusalPos {
	// In one expression, the look-up allocates nothing.
	pos, ok := r.by[refusalKey{outcome: outcome, kind: of.kind, name: string(of.name), unit: string(of.unit)}]
	if ok {
		return pos
	}
	if len(of.name) == 0 || len(of.name) > metric.MaxNameBytes || len(of.unit) > metric.MaxNameBytes || r.full(outcome) {
		return refusalPos(outcome)
	}
	refused := Refusal{
		Outcome: outcome, Kind: of.kind.kind(), Unit: string(of.unit), Sender: Sender{kind: of.kind}, raw: string(of.name),
	}
	refused.RawName = strings.Clone(printable(refused.raw))
	if len(of.key) <= maxLeftOutSender {
		refused.Sender.key = string(of.key)
	}
	switch {
	case outcome == metric.Outdated:
		refused.Reason = reasonOutdated
	case outcome == metric.DroppedByRule:
		refused.Reason = reasonDropped
	case of.kind.timer():
		refused.Reason = reasonSecond
	default:
		refused.Reason = reasonSameDelta
	}
	return r.insert(refusalKey{outcome: outcome, kind: of.kind, name: refused.raw, unit: refused.Unit}, &refused)
}

// repeats counts the gorouter's second timers until the writer's next flush, which has the lock.
type repeats struct {
	count   uint64
	arrived int64
	key     []byte // the identity of the first
}

func (r *repeats) add(arrived int64, key []byte) {
	if r.count == 0 {
		r.key = append(r.key[:0], key...)
	}
	r.count++
	r.arrived = arrived
}

// take counts them in the store. The caller holds the lock.
func (r *repeats) take(s *registry) {
	if r.count == 0 {
		return
	}
	of := sample{kind: nameHTTPDuration, name: httpName, key: r.key}
	s.leftOut.all[s.leftOut.named(metric.Duplicate, &of)].add(r.count, r.arrived, 0)
	r.count = 0
}

var httpName = []byte(timerHTTP) // constant

// LeaveOut counts a sample of a timer, histogram or summary that is not handed over because of its outcome. Outcomes
// other than Duplicate and DroppedByRule are counted elsewhere.
func (w *Writer) LeaveOut(e *metric.Envelope, outcome metric.Outcome) {
	if !isLeftOut(outcome) {
		return
	}
	of := w.sample(e, nameKindOf(e.Kind), "")
	of.unit = nil
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	of.key = nil
	_, known := s.leftOut.by[refusalKey{outcome: outcome, kind: of.kind, name: string(e.Name)}]
	if !known && w.identify(e) == "" {
		of.key = w.key
	}
	s.leaveOut(0, &of, outcome)
}
