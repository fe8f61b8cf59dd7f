package store

import (
	"loggregator_exporter/metric"
)

// Writer takes envelopes into the store. It owns the scratch memory of one goroutine: each source has its own.
type Writer struct {
	identifier
	store   *Store
	batch   batch
	repeats repeats
	checked checked
}

// Writer returns a new writer.
func (s *Store) Writer() *Writer {
	return &Writer{store: s}
}

// Write updates the series of an envelope that comes by itself.
func (w *Writer) Write(e *metric.Envelope, tally *metric.Tally) {
	w.Add(e, tally)
	w.Flush(tally)
}

// Add takes an envelope of a batch, which Flush ends. It keeps nothing of the envelope's memory. The series of its
// samples are updated, and one outcome for each of them is added to the tally, by the end of the batch. Everything
// that does not need the lock is done here; a known series costs two look-ups and no allocation, an unknown one runs
// the rules.
func (w *Writer) Add(e *metric.Envelope, tally *metric.Tally) {
	switch e.Kind {
	case metric.KindGauge:
		w.gauges(e, tally)
	case metric.KindCounter:
		w.counter(e, tally)
	case metric.KindTimer:
		w.timer(e, tally)
	case metric.KindHistogram, metric.KindSummary:
		w.Flush(tally) // what came before is stored before
		tally[w.countedBySender(e)]++
	case metric.KindNone, metric.KindLog, metric.KindEvent:
	}
}

func (w *Writer) gauges(e *metric.Envelope, tally *metric.Tally) {
	of := w.sample(e, nameGauge, w.identify(e))
	for i := range e.Points {
		p := &e.Points[i]
		of.key, of.name, of.unit, of.value = w.key, p.Name, p.Unit, p.Value
		w.add(&of, tally)
	}
}

func (w *Writer) counter(e *metric.Envelope, tally *metric.Tally) {
	kind := nameCounter
	if e.Fractional {
		kind = nameFractionalCounter
	}
	of := w.sample(e, kind, w.identify(e))
	of.began, of.delta, of.total = e.Began, e.Delta, e.Total
	w.add(&of, tally)
}

// sample is what a sample of e's name has of e and of the identity that the writer has made of e.
func (w *Writer) sample(e *metric.Envelope, kind nameKind, invalid string) sample {
	return sample{
		key: w.key, name: e.Name, unit: e.Unit, arrived: e.Arrived, stamp: e.Timestamp, kind: kind, invalid: invalid,
	}
}

// add puts a sample into the batch, which is ended before if it is full.
func (w *Writer) add(of *sample, tally *metric.Tally) {
	if w.batch.full() && !of.follows {
		w.Flush(tally)
	}
	w.batch.add(of, &w.store.entries)
}

// timer takes the duration of one request, and for HTTP the size of its response.
func (w *Writer) timer(e *metric.Envelope, tally *metric.Tally) {
	http := string(e.Name) == timerHTTP
	w.identification = w.store.identification.Load()
	t := w.identifyTimer(e)
	if http && t.invalid == "" && t.duplicate {
		w.repeats.add(e.Arrived, w.key)
		tally[metric.Duplicate]++
		return
	}
	kind := nameTimer
	if http {
		kind = nameHTTPDuration
	}
	of := w.sample(e, kind, t.invalid)
	of.value, of.trace = t.seconds, w.trace
	w.add(&of, tally)
	if http && t.length >= 0 {
		// The response size is a second family of the same sample, whose outcome is that of the duration.
		of.kind, of.value, of.follows = nameHTTPSize, t.length, true
		w.add(&of, tally)
	}
}

// observe takes an observation of a timer.
func (s *registry) observe(e *entry, of *sample) {
	switch f := s.families.at(e.family); f.typ {
	case metric.TypeHistogram:
		s.distributions.at(e.distribution()).observe(f.bounds, of.value, &of.trace, of.arrived)
	case metric.TypeSummary:
		s.distributions.at(e.distribution()).summarize(of.value, of.arrived)
	case metric.TypeCounter:
		s.counters.countOne(e, of.arrived)
	case metric.TypeGauge:
		e.value = of.value
	}
	e.stamp = of.arrived
}

// Observe takes one observation of the family that the resolver makes of a timer of e's name: a histogram or summary
// takes the value, a counter counts one. In contrast to Write, the caller chooses what distinguishes series: e's
// source id and all of its tags; instance id, start and stop are not looked at. Values that are negative or NaN are
// invalid.
func (w *Writer) Observe(e *metric.Envelope, v float64) metric.Outcome {
	of := w.sample(e, nameTimer, w.identify(e))
	w.store.entries.hash(&of)
	of.value = v
	if !(v >= 0) && of.invalid == "" {
		of.invalid = reasonTimer
	}
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.findOrAdd(&of)
	if outcome == metric.Stored {
		s.observe(s.entries.at(pos), &of)
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
