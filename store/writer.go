package store

import (
	"loggregator_exporter/metric"
)

// Writer takes envelopes into the store. It owns the scratch memory of one goroutine: each source has its own.
type Writer struct {
	store *Store
	tags  []metric.Tag // of a timer: those that make its identity
	order tagOrder
	key   []byte
	trace TraceID // of a timer
}

// Writer returns a new writer.
func (s *Store) Writer() *Writer { return &Writer{store: s} }

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

func (w *Writer) gauges(e *metric.Envelope, tally *metric.Tally) {
	ok := w.identify(e)
	hash := w.store.ids.hashBytes(w.key)
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	tagset := noTagset
	for i := range e.Points {
		p := &e.Points[i]
		if !ok || !validName(p.Name) {
			s.refusals.countInvalid(p.Name)
			tally[metric.Invalid]++
			continue
		}
		pos, outcome := s.series(w, hash, &tagset, nameGauge, p.Name, p.Unit, e.Arrived)
		if outcome == metric.Stored {
			outcome = s.setGauge(s.slab.at(pos), p.Value, e.Timestamp, e.Arrived)
		}
		tally[outcome]++
	}
}

func (w *Writer) counter(e *metric.Envelope) metric.Outcome {
	ok := w.identify(e)
	hash := w.store.ids.hashBytes(w.key)
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok || !validName(e.Name) {
		s.refusals.countInvalid(e.Name)
		return metric.Invalid
	}
	tagset := noTagset
	pos, outcome := s.series(w, hash, &tagset, nameCounter, e.Name, nil, e.Arrived)
	if outcome == metric.Stored {
		outcome = s.setCounter(pos, s.slab.at(pos), e)
	}
	return outcome
}

// identify brings the envelope's identity into its canonical form, in w.key. It is false where the envelope exceeds the bounds.
func (w *Writer) identify(e *metric.Envelope) bool {
	ok := !e.TooManyTags && len(e.SourceID) <= metric.MaxValueBytes && len(e.InstanceID) <= metric.MaxValueBytes
	for i := range e.Tags {
		ok = ok && len(e.Tags[i].Key)+len(e.Tags[i].Value) <= metric.MaxValueBytes
	}
	if !ok {
		return false
	}
	w.key = appendIdentity(w.key[:0], e.SourceID, e.InstanceID, e.Tags, w.order.sort(e.Tags))
	return true
}

func validName(name []byte) bool { return len(name) > 0 && len(name) <= metric.MaxNameBytes }

const noTagset = ^uint32(0)

// series finds the entry of the envelope identity in w.key and a name, or makes it. With metric.Stored it is live and its arrival
// time is set; any other outcome is final for the sample. tagset carries the position of the envelope's tag set from one
// point to the next. The caller holds the lock.
func (s *Store) series(w *Writer, hash uint64, tagset *uint32, kind nameKind, name, unit []byte, arrived int64) (uint32, metric.Outcome) {
	nameHash := s.ids.hashName(kind, name, unit)
	if *tagset == noTagset {
		if pos, ok := s.ids.findTagset(hash, w.key); ok {
			*tagset = pos
		}
	}
	if *tagset != noTagset {
		if n, ok := s.ids.findName(nameHash, kind, name, unit); ok {
			// Fast path: both halves are known, and so is the pair.
			if pos, ok := s.find(*tagset, n); ok {
				return s.revisit(pos, w, hash, tagset, kind, name, unit, arrived)
			}
		}
	}
	// Slow path: once for each series.
	return s.admit(w, hash, tagset, nameHash, kind, name, unit, arrived)
}

// revisit returns what is known of an entry. A refused one may have outlived what it was refused for; it is then made anew.
func (s *Store) revisit(pos uint32, w *Writer, hash uint64, tagset *uint32, kind nameKind, name, unit []byte, arrived int64) (uint32, metric.Outcome) {
	e := s.slab.at(pos)
	if s.adaptive.on && kind.learns() {
		e.pace = e.pace.learn(e.arrived, arrived)
	}
	e.arrived = arrived
	switch e.state {
	case stateLive:
		return pos, metric.Stored
	case stateDropped:
		return pos, metric.DroppedByRule
	case stateRefused, stateFree:
	}
	if s.stillRefused(e) {
		s.refusals.count(e.extra)
		if e.flags&flagFull != 0 {
			return pos, metric.OverLimit
		}
		return pos, metric.Conflict
	}
	s.free(pos)
	*tagset = noTagset // it may be gone with the entry
	return s.series(w, hash, tagset, kind, name, unit, arrived)
}

// admit makes the entry of an identity that is not known.
func (s *Store) admit(w *Writer, hash uint64, tagset *uint32, nameHash uint64, kind nameKind, name, unit []byte, arrived int64) (uint32, metric.Outcome) {
	if s.live >= s.maxSeries || s.others >= s.maxSeries {
		s.refusals.countOverLimit(name)
		return 0, metric.OverLimit
	}
	if *tagset == noTagset {
		pos, ok := s.ids.findTagset(hash, w.key)
		if !ok {
			pos = s.ids.addTagset(hash, w.key)
			s.ids.tagsets[pos].owner = s.ids.owners.intern(s.ownerOf(s.ids.tagsets[pos].key))
		}
		*tagset = pos
	}
	namePos, ok := s.ids.findName(nameHash, kind, name, unit)
	if !ok {
		namePos = s.ids.addName(nameHash, kind, name, unit)
	}
	return s.create(*tagset, namePos, arrived)
}

// timer observes the duration of one request. Its identity covers only what may become a label, so that no request id or address
// ever makes an entry.
func (w *Writer) timer(e *metric.Envelope) metric.Outcome {
	http := string(e.Name) == httpTimer
	ok := !e.TooManyTags && validName(e.Name) && e.Stop >= e.Start
	duplicate, length := w.identifyTimer(e)
	hash := w.store.ids.hashBytes(w.key)
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !ok:
		s.refusals.countInvalid(e.Name)
		return metric.Invalid
	case http && duplicate:
		return metric.Duplicate
	case !http:
		tagset := noTagset
		pos, outcome := s.series(w, hash, &tagset, nameTimer, e.Name, nil, e.Arrived)
		if outcome == metric.Stored {
			s.observe(s.slab.at(pos), seconds(e), &w.trace, e.Arrived)
		}
		return outcome
	}
	tagset := noTagset
	pos, outcome := s.series(w, hash, &tagset, nameHTTPDuration, e.Name, nil, e.Arrived)
	if outcome != metric.Stored {
		return outcome
	}
	s.observe(s.slab.at(pos), seconds(e), &w.trace, e.Arrived)
	if length < 0 {
		return metric.Stored
	}
	// The response size is a second family of the same sample, whose outcome is that of the duration.
	if pos, outcome := s.series(w, hash, &tagset, nameHTTPSize, e.Name, nil, e.Arrived); outcome == metric.Stored {
		s.observe(s.slab.at(pos), length, &w.trace, e.Arrived)
	}
	return metric.Stored
}

func seconds(e *metric.Envelope) float64 { return float64(e.Stop-e.Start) / 1e9 }

const (
	tagStatusCode = "status_code"
	labelStatus   = "status"
)

// identifyTimer puts the identity of a timer into w.key: the tags on the allow-list, the status code as its class, the
// app's id. It also says whether the timer is the gorouter's second one for a request, and the response's length, -1 where
// it does not say.
func (w *Writer) identifyTimer(e *metric.Envelope) (duplicate bool, length float64) {
	var client, hasApp bool
	var origin []byte
	length = -1
	w.tags, w.trace = w.tags[:0], TraceID{}
	for _, t := range e.Tags {
		switch string(t.Key) {
		case "peer_type":
			client = string(t.Value) == "Client"
		case "content_length":
			length = parseLength(t.Value)
		case "origin":
			origin = t.Value
		case tagStatusCode:
			t.Value = statusClass(t.Value)
		case "app_id":
			hasApp = hasApp || len(t.Value) > 0
		default:
			if traceTags[string(t.Key)] {
				w.trace.readTrace(t)
			}
		}
		if len(t.Value) <= metric.MaxValueBytes && w.store.timerTags[string(t.Key)] {
			w.tags = append(w.tags, t)
		}
	}
	sourceID := e.SourceID
	if isGUID(sourceID) {
		if !hasApp && w.store.timerTags["app_id"] {
			w.tags = append(w.tags, metric.Tag{Key: appIDKey, Value: sourceID})
		}
		sourceID = nil
	} else if len(origin) > 0 {
		sourceID = nil // it only serves to name the component, which the origin does better
	}
	w.key = appendIdentity(w.key[:0], sourceID, nil, w.tags, w.order.sort(w.tags))
	return client && w.store.fromRouter(origin, e.SourceID), length
}

var appIDKey = []byte("app_id")

// fromRouter says whether the gorouter sent an envelope, as an old one (router__0) or a new one.
func (s *Store) fromRouter(origin, sourceID []byte) bool {
	if len(origin) == 0 {
		origin = sourceID
	}
	for _, p := range routerOrigins {
		if len(origin) >= len(p) && string(origin[:len(p)]) == p {
			return len(origin) == len(p) || origin[len(p)] == '_'
		}
	}
	return false
}

var routerOrigins = []string{"gorouter", "router"}

func parseLength(b []byte) float64 {
	if len(b) == 0 || len(b) > 18 {
		return -1
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return float64(n)
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
		if e.aux == 0 {
			e.aux = arrived
		}
		if arrived-e.aux < outdatedLimit {
			return false
		}
	}
	e.stamp, e.aux = stamp, 0
	return true
}
