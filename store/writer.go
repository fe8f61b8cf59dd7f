package store

import (
	"slices"

	"loggregator_exporter/metric"
)

// Writer takes envelopes into the store. It owns the scratch memory of one goroutine: each source has its own.
type Writer struct {
	identifier
	store   *Store
	checked checked
}

// Writer returns a new writer.
func (s *Store) Writer() *Writer {
	return &Writer{store: s}
}

// Write updates the series of an envelope and adds one outcome for each of its samples to the tally. It keeps
// nothing of the envelope's memory. Everything that does not need the lock is done before it is taken; a known
// series costs two look-ups and no allocation, an unknown one runs the rules.
func (w *Writer) Write(e *metric.Envelope, tally *metric.Tally) {
	switch e.Kind {
	case metric.KindGauge:
		w.gauges(e, tally)
	case metric.KindCounter:
		tally[w.counter(e)]++
	case metric.KindTimer:
		tally[w.timer(e)]++
	case metric.KindHistogram, metric.KindSummary:
		tally[w.countedBySender(e)]++
	case metric.KindNone, metric.KindLog, metric.KindEvent:
	}
}

// pointsAtATime bounds how long one envelope holds the lock.
const pointsAtATime = 256

func (w *Writer) gauges(e *metric.Envelope, tally *metric.Tally) {
	of := w.sample(e, nameGauge, w.identify(e))
	for points := range slices.Chunk(e.Points, pointsAtATime) {
		w.points(e, points, &of, tally)
	}
}

func (w *Writer) points(e *metric.Envelope, points []metric.Point, of *sample, tally *metric.Tally) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range points {
		p := &points[i]
		of.name, of.unit = p.Name, p.Unit
		pos, outcome := s.findOrAdd(of)
		if outcome == metric.Stored {
			g := s.entries.at(pos)
			outcome = g.setGauge(p.Value, &s.conversions[g.conversion], e.Timestamp, e.Arrived)
		}
		tally[outcome]++
	}
}

func (w *Writer) counter(e *metric.Envelope) metric.Outcome {
	kind := nameCounter
	if e.Fractional {
		kind = nameFractionalCounter
	}
	of := w.sample(e, kind, w.identify(e))
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.findOrAdd(&of)
	switch {
	case outcome != metric.Stored:
		return outcome
	case e.Began > 0:
		return s.counters.setSince(pos, s.entries.at(pos), e)
	default:
		return s.counters.set(pos, s.entries.at(pos), e)
	}
}

// sample is what finds the entry of e's name and of the identity that the writer has made of e.
func (w *Writer) sample(e *metric.Envelope, kind nameKind, invalid string) sample {
	return sample{
		key:     w.key,
		name:    e.Name,
		unit:    e.Unit,
		hash:    w.store.entries.hashBytes(w.key),
		arrived: e.Arrived,
		kind:    kind,
		invalid: invalid,
	}
}

// timer observes the duration of one request, and for HTTP the size of its response.
func (w *Writer) timer(e *metric.Envelope) metric.Outcome {
	http := string(e.Name) == timerHTTP
	w.identification = w.store.identification.Load()
	t := w.identifyTimer(e)
	if http && t.invalid == "" && t.duplicate {
		return metric.Duplicate
	}
	kind := nameTimer
	if http {
		kind = nameHTTPDuration
	}
	of := w.sample(e, kind, t.invalid)
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.findOrAdd(&of)
	if outcome != metric.Stored {
		return outcome
	}
	w.observe(pos, t.seconds, e.Arrived)
	if !http || t.length < 0 {
		return metric.Stored
	}
	// The response size is a second family of the same sample, whose outcome is that of the duration.
	of.kind = nameHTTPSize
	if pos, outcome := s.findOrAdd(&of); outcome == metric.Stored {
		w.observe(pos, t.length, e.Arrived)
	}
	return metric.Stored
}

// observe takes an observation of a timer.
func (w *Writer) observe(pos entryPos, v float64, arrived int64) {
	s := w.store
	e := s.entries.at(pos)
	switch f := s.families.at(e.family); f.typ {
	case metric.TypeHistogram:
		s.distributions.at(e.distribution()).observe(f.bounds, v, &w.trace, arrived)
	case metric.TypeSummary:
		s.distributions.at(e.distribution()).summarize(v, arrived)
	case metric.TypeCounter:
		s.counters.countOne(e, arrived)
	case metric.TypeGauge:
		e.value = v
	}
	e.stamp = arrived
}

// Observe takes one observation of the family that the resolver makes of a timer of e's name: a histogram or summary
// takes the value, a counter counts one. In contrast to Write, the caller chooses what distinguishes series: e's
// source id and all of its tags; instance id, start and stop are not looked at. Values that are negative or NaN are
// invalid.
func (w *Writer) Observe(e *metric.Envelope, v float64) metric.Outcome {
	of := w.sample(e, nameTimer, w.identify(e))
	w.trace = TraceID{}
	if !(v >= 0) && of.invalid == "" {
		of.invalid = reasonTimer
	}
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.findOrAdd(&of)
	if outcome == metric.Stored {
		w.observe(pos, v, e.Arrived)
	}
	return outcome
}

// setGauge applies the clock rules: the value with the newest timestamp stays.
func (e *entry) setGauge(v float64, c *conversion, stamp, arrived int64) metric.Outcome {
	if !e.accept(stamp, arrived) {
		return metric.Outdated
	}
	e.value = c.apply(v)
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
func (e *entry) accept(stamp, arrived int64) bool {
	stamp = clampStamp(stamp, arrived)
	if stamp < e.stamp && e.staysOutdated(arrived) {
		return false
	}
	e.stamp, e.aux = stamp, 0
	return true
}

// staysOutdated reports whether a sample that is older than the value is refused: not if all samples have been for
// some time.
func (e *entry) staysOutdated(arrived int64) bool {
	if e.aux == 0 || e.aux > arrived { // the second where our clock was set back
		e.aux = arrived
	}
	return arrived-e.aux < outdatedLimit
}
