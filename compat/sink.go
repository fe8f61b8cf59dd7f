package compat

import (
	"bytes"
	"math"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// Requests are counted by these tags: those of the duration, which has no status code, stand after the first.
var requestTags = [...]string{
	"status_code", tagAppName, tagAppID, "space_name", "space_id", "organization_name", "organization_id",
	"process_id", "process_instance_id", "process_type", tagInstanceID, "method",
}

var (
	keyScheme = []byte("scheme")
	keyHost   = []byte("host")

	bytesTotal    = []byte(nameTotal)
	bytesDuration = []byte(nameDuration)
	bytesSize     = []byte(nameSize)
)

// requestKeys are the tags by position.
var requestKeys = func() (keys [len(requestTags)][]byte) {
	for i, t := range requestTags {
		keys[i] = []byte(t)
	}
	return keys
}()

// Sink takes envelopes into a store whose resolver is a *Resolver. It serves one goroutine, and allocates nothing
// for series that are known.
type Sink struct {
	writer   *store.Writer
	received *account
	request  metric.Envelope // what is made of a timer
}

// NewSink makes a sink. The writer is its own from then on, and belongs to such a store.
func NewSink(w *store.Writer, r *Received) *Sink {
	return &Sink{writer: w, received: r.account()}
}

// Write takes an envelope that comes by itself.
func (s *Sink) Write(e *metric.Envelope, tally *metric.Tally) {
	s.Add(e, tally)
	s.Flush(tally)
}

// Add takes an envelope of a batch, which Flush ends, as a store.Writer does. It keeps nothing of it.
func (s *Sink) Add(e *metric.Envelope, tally *metric.Tally) {
	if e.Kind == metric.KindTimer {
		s.Flush(tally) // what came before is stored before
	}
	before := *tally
	switch e.Kind {
	case metric.KindTimer:
		outcome := s.timer(e)
		s.writer.LeaveOut(e, outcome)
		tally[outcome]++
	case metric.KindHistogram, metric.KindSummary:
		s.writer.LeaveOut(e, metric.DroppedByRule) // firehose_exporter knows none
		tally[metric.DroppedByRule]++
	default:
		s.writer.Add(e, tally)
	}
	s.received.add(e, &before, tally)
}

// Flush ends a batch: by then one outcome for each of its samples was added to the tally.
func (s *Sink) Flush(tally *metric.Tally) {
	before := *tally
	s.writer.Flush(tally)
	s.received.addOutcomes(&before, tally)
}

// timer counts a request in three families. The outcome of the first is that of the sample.
func (s *Sink) timer(e *metric.Envelope) metric.Outcome {
	if string(e.Name) != timerHTTP {
		return metric.DroppedByRule // firehose_exporter knows no other timers
	}
	if repeated(e) {
		return metric.Duplicate
	}
	r := &s.request
	size := s.readRequest(e)
	took := float64(e.Stop-e.Start) / 1e9
	if e.Stop < e.Start || took < 0 {
		took = math.NaN() // invalid
	}
	if r.Name = bytesTotal; math.IsNaN(took) {
		return s.writer.Observe(r, took)
	}
	outcome := s.writer.Observe(r, 1)
	if outcome == metric.Invalid {
		return outcome
	}
	if size >= 0 {
		r.Name = bytesSize
		s.writer.Observe(r, size)
	}
	r.Name = bytesDuration
	r.Tags = withoutStatus(r.Tags)
	s.writer.Observe(r, took)
	return outcome
}

// readRequest fills the request, and returns the size of its response, or -1.
func (s *Sink) readRequest(e *metric.Envelope) (size float64) {
	r := &s.request
	r.Reset()
	r.Kind, r.SourceID, r.TooManyTags = metric.KindTimer, e.SourceID, e.TooManyTags
	r.Timestamp, r.Arrived = e.Timestamp, e.Arrived
	return s.readTags(e)
}

// Placements is Writer.Placements for what a sink has taken; of an HTTP request the count comes first.
func (s *Sink) Placements(dst []store.Placement, e *metric.Envelope) []store.Placement {
	switch e.Kind {
	case metric.KindTimer:
		if string(e.Name) != timerHTTP {
			return append(dst, store.Placement{Outcome: metric.DroppedByRule, Reason: "firehose_exporter knows no such timers"})
		}
		s.readRequest(e)
		r := &s.request
		r.Name = bytesTotal
		total := s.writer.ObservedPlacement(r)
		r.Name = bytesSize
		size := s.writer.ObservedPlacement(r)
		r.Name, r.Tags = bytesDuration, withoutStatus(r.Tags)
		return append(dst, total, s.writer.ObservedPlacement(r), size)
	case metric.KindHistogram, metric.KindSummary:
		return append(dst, store.Placement{Outcome: metric.DroppedByRule, Reason: "firehose_exporter knows no such metrics"})
	default:
		return s.writer.Placements(dst, e)
	}
}

// readTags fills the tags of the request, and returns the size of its response, or -1.
func (s *Sink) readTags(e *metric.Envelope) (size float64) {
	size = -1
	var uri []byte
	for _, tag := range e.Tags {
		switch string(tag.Key) {
		case "content_length":
			size = metric.ContentLength(tag.Value)
		case "uri":
			uri = tag.Value
		default:
			for i := range requestKeys {
				if bytes.Equal(requestKeys[i], tag.Key) {
					s.request.AddTag(tag.Key, tag.Value)
					break
				}
			}
		}
	}
	if len(uri) > 0 {
		scheme, host := metric.SchemeHost(uri)
		s.request.AddTag(keyScheme, scheme)
		s.request.AddTag(keyHost, host)
	}
	return size
}

// withoutStatus takes the status code out, in place.
func withoutStatus(tags []metric.Tag) []metric.Tag {
	kept := tags[:0]
	for _, t := range tags {
		if string(t.Key) != requestTags[0] {
			kept = append(kept, t)
		}
	}
	return kept
}

// repeated says whether another timer tells of the same request: of the gorouter's two the one of the server counts,
// and of an app's the one that names the app in its tags.
func repeated(e *metric.Envelope) bool {
	sender := e.Tag(tagOrigin)
	if len(sender) == 0 {
		sender = e.SourceID
	}
	if metric.IsRouter(e.SourceID) || metric.IsRouter(sender) {
		if bytes.EqualFold(e.Tag("peer_type"), []byte("client")) {
			return true
		}
	}
	return metric.IsGUID(e.SourceID) && e.Tag(tagAppID) == nil
}
