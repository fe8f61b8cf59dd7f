package store

import (
	"slices"

	"loggregator_exporter/metric"
)

// Writer takes envelopes into the store. It owns the scratch memory of one goroutine: each source has its own.
type Writer struct {
	identifier
	store *Store
}

// Writer returns a new writer.
func (s *Store) Writer() *Writer {
	return &Writer{store: s}
}

// Write updates the series of an envelope and adds one outcome for each of its samples to the tally. It keeps nothing of the
// envelope's memory. Everything that does not need the lock is done before it is taken; a known series costs two
// look-ups and no allocation, an unknown one runs the rules.
func (w *Writer) Write(e *metric.Envelope, tally *metric.Tally) {
	switch e.Kind {
	case metric.KindGauge:
		w.gauges(e, tally)
	case metric.KindCounter:
		tally[w.counter(e)]++
	case metric.KindTimer:
		tally[w.timer(e)]++
	case metric.KindNone, metric.KindLog, metric.KindEvent:
	}
}

// pointsAtATime bounds how long one envelope holds the lock.
const pointsAtATime = 256

func (w *Writer) gauges(e *metric.Envelope, tally *metric.Tally) {
	want := w.wanted(e, nameGauge, w.identify(e))
	for points := range slices.Chunk(e.Points, pointsAtATime) {
		w.points(e, points, want, tally)
	}
}

func (w *Writer) points(e *metric.Envelope, points []metric.Point, want wanted, tally *metric.Tally) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range points {
		p := &points[i]
		want.name, want.unit = p.Name, p.Unit
		pos, outcome := s.entry(&want)
		if outcome == metric.Stored {
			outcome = s.setGauge(s.slab.at(pos), p.Value, e.Timestamp, e.Arrived)
		}
		tally[outcome]++
	}
}

func (w *Writer) counter(e *metric.Envelope) metric.Outcome {
	want := w.wanted(e, nameCounter, w.identify(e))
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.entry(&want)
	if outcome == metric.Stored {
		outcome = s.setCounter(pos, s.slab.at(pos), e)
	}
	return outcome
}

func validName(name []byte) bool { return len(name) > 0 && len(name) <= metric.MaxNameBytes }

const noTagset = ^uint32(0)

// wanted is an entry that is looked for: that of an envelope's identity and a name. It borrows the memory of both, and lives on the stack.
type wanted struct {
	key        []byte // the envelope's identity
	name, unit []byte
	hash       uint64 // of the key
	arrived    int64
	tagset     uint32 // the position of the key, from one point to the next, or noTagset
	kind       nameKind
	valid      bool
}

// wanted is the entry of e's name and of the identity that the writer has made of e.
func (w *Writer) wanted(e *metric.Envelope, kind nameKind, valid bool) wanted {
	return wanted{key: w.key, name: e.Name, hash: w.store.ids.hashBytes(w.key), arrived: e.Arrived, tagset: noTagset, kind: kind, valid: valid}
}

// entry is series for what may turn out to be no identity, or no name.
func (s *Store) entry(want *wanted) (uint32, metric.Outcome) {
	if !want.valid || !validName(want.name) {
		s.refusals.countInvalid(want.name)
		return 0, metric.Invalid
	}
	return s.series(want)
}

// series finds the wanted entry or makes it. With metric.Stored it is live and its arrival time is set; any other outcome is final for the
// sample. The caller holds the lock.
func (s *Store) series(want *wanted) (uint32, metric.Outcome) {
	if want.tagset == noTagset {
		if pos, ok := s.ids.findTagset(want.hash, want.key); ok {
			want.tagset = pos
		}
	}
	nameHash := s.ids.hashName(want.kind, want.name, want.unit)
	if want.tagset != noTagset {
		if n, ok := s.ids.findName(nameHash, want.kind, want.name, want.unit); ok {
			// Fast path: both halves are known, and so is the pair.
			if pos, ok := s.find(want.tagset, n); ok {
				return s.revisit(pos, want)
			}
		}
	}
	// Slow path: once for each series.
	return s.admit(want, nameHash)
}

// revisit returns what is known of an entry. A refused one may have outlived what it was refused for; it is then made anew.
func (s *Store) revisit(pos uint32, want *wanted) (uint32, metric.Outcome) {
	arrived := want.arrived
	e := s.slab.at(pos)
	if (s.adaptive.on || e.state == statePiece) && want.kind.learns() {
		e.pace = e.pace.learn(e.arrived, arrived)
	}
	e.arrived = arrived
	before := ref{pos, e.gen}
	switch e.state {
	case stateLive:
		return pos, metric.Stored
	case stateDropped:
		return pos, metric.DroppedByRule
	case stateJoined:
		if owner := e.owner(); s.slab.alive(owner) {
			s.slab.at(owner.pos).arrived = arrived
			return owner.pos, metric.Stored
		}
	case statePiece:
		if outcome, ok := s.revisitPiece(pos, e, arrived); ok {
			return pos, outcome
		}
	case stateRefused, stateFree:
	}
	if e.state == stateRefused && s.stillRefused(e) {
		return pos, s.refuseAgain(e)
	}
	had := past{}
	if s.slab.alive(before) {
		if e.state == statePiece {
			had = s.pastOf(e)
		}
		s.free(pos)
	}
	want.tagset = noTagset // it may be gone with the entry
	pos, outcome := s.series(want)
	if outcome == metric.Stored && had.stamp != 0 {
		s.resume(s.slab.at(pos), &had)
	}
	return pos, outcome
}

// admit makes the entry of an identity that is not known.
func (s *Store) admit(want *wanted, nameHash uint64) (uint32, metric.Outcome) {
	if pos, outcome, ok := s.admitPiece(want, nameHash); ok {
		return pos, outcome
	}
	if s.live >= s.maxSeries || s.others >= s.maxSeries {
		s.refusals.countOverLimit(want.name)
		return 0, metric.OverLimit
	}
	namePos := s.internPair(want, nameHash)
	return s.create(&want.tagset, namePos, want.arrived)
}

// internPair finds or makes the tag set, unless it is known, and the name.
func (s *Store) internPair(want *wanted, nameHash uint64) uint32 {
	if want.tagset == noTagset {
		pos, ok := s.ids.findTagset(want.hash, want.key)
		if !ok {
			pos = s.ids.addTagset(want.hash, want.key)
			s.ids.tagsets[pos].owner = s.ids.owners.intern(s.ownerOf(s.ids.tagsets[pos].key))
		}
		want.tagset = pos
	}
	namePos, ok := s.ids.findName(nameHash, want.kind, want.name, want.unit)
	if !ok {
		namePos = s.ids.addName(nameHash, want.kind, want.name, want.unit)
	}
	return namePos
}

// timer observes the duration of one request, and for HTTP the size of its response.
func (w *Writer) timer(e *metric.Envelope) metric.Outcome {
	http := string(e.Name) == timerHTTP
	w.timerTags = w.store.identification.Load().TimerTags
	t := w.identifyTimer(e)
	if http && t.ok && t.duplicate {
		return metric.Duplicate
	}
	kind := nameTimer
	if http {
		kind = nameHTTPDuration
	}
	want := w.wanted(e, kind, t.ok)
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.entry(&want)
	if outcome != metric.Stored {
		return outcome
	}
	s.observe(s.slab.at(pos), t.seconds, &w.trace, e.Arrived)
	if !http || t.length < 0 {
		return metric.Stored
	}
	// The response size is a second family of the same sample, whose outcome is that of the duration.
	want.kind = nameHTTPSize
	if pos, outcome := s.series(&want); outcome == metric.Stored {
		s.observe(s.slab.at(pos), t.length, &w.trace, e.Arrived)
	}
	return metric.Stored
}

// Observe takes one observation of the family that the dialect makes of a timer of e's name: a histogram or summary takes the value, a
// counter counts one. In contrast to Write all of e's tags and its source id tell series apart, so that it is the caller who chooses
// them; instance id, start and stop are not looked at. Values that are negative or NaN are invalid.
func (w *Writer) Observe(e *metric.Envelope, v float64) metric.Outcome {
	want := w.wanted(e, nameTimer, w.identify(e) && v >= 0)
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.entry(&want)
	if outcome != metric.Stored {
		return outcome
	}
	switch owner := s.slab.at(pos); s.families.all[owner.family].typ {
	case metric.TypeHistogram:
		s.observe(owner, v, &TraceID{}, e.Arrived)
	case metric.TypeSummary:
		s.summarize(owner, v, e.Arrived)
	case metric.TypeCounter:
		s.countOne(owner, e.Arrived)
	case metric.TypeGauge:
		owner.value, owner.stamp = v, e.Arrived
	}
	return metric.Stored
}

// countOne counts an observation. Nothing was counted before the first one, so the start is known.
func (s *Store) countOne(e *series, arrived int64) {
	if e.flags&flagDeltas == 0 {
		s.sumDeltas(e, 0)
		s.side(e).start = arrived
	}
	e.stamp = arrived
	e.aux = int64(addUp(uint64(e.aux), 1))
	s.setCount(e, uint64(e.aux))
}

// setGauge applies the clock rules: the value with the newest timestamp stays.
func (s *Store) setGauge(e *series, v float64, stamp, arrived int64) metric.Outcome {
	if !e.accept(stamp, arrived) {
		return metric.Outdated
	}
	c := s.conversions[e.conversion]
	e.value = v * c.mul / c.div
	return metric.Stored
}

const (
	aheadLimit    = int64(60e9)  // a timestamp further ahead than this is a clock gone wrong
	outdatedLimit = int64(120e9) // after this long of nothing but outdated samples, the new clock is believed
)

// clampStamp returns the timestamp to go by: the emitter's, unless it is missing or from the future.
func clampStamp(stamp, arrived int64) int64 {
	if stamp <= 0 || stamp > arrived+aheadLimit {
		return arrived
	}
	return stamp
}

// accept says whether a sample may replace the value of a gauge, and moves the entry's clock.
func (e *series) accept(stamp, arrived int64) bool {
	stamp = clampStamp(stamp, arrived)
	if stamp < e.stamp {
		if e.aux == 0 || e.aux > arrived { // the second where our clock was set back
			e.aux = arrived
		}
		if arrived-e.aux < outdatedLimit {
			return false
		}
	}
	e.stamp, e.aux = stamp, 0
	return true
}
