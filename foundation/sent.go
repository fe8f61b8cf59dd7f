package foundation

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/metric"
)

// Sent is what the foundation has sent so far for one metric of one sender, in the shape of Loggregator v2 whichever
// protocol it went by. A reader need not have got it: datagrams may be lost, a reader may have come late.
type Sent struct {
	Path                 Path
	Kind                 metric.Kind // KindGauge, KindCounter or KindTimer
	Name                 string
	Origin               string // the tag of that name
	SourceID, InstanceID string
	// Tags are those of the envelope; of a timer only peer_type, method, status_code and those that do not differ from
	// request to request. It is shared and must not be changed.
	Tags      map[string]string
	Timestamp int64 // of the last envelope

	Unit  string  // of a gauge
	Value float64 // of a gauge: the last one

	Delta uint64 // of a counter: the last one
	Total uint64 // of a counter: the sum of its deltas, or the last total of one that is sent without deltas
	// AgentTotal is the last total of a counter as its agent forwards it: less than Total once the agent has set it to 0.
	AgentTotal uint64

	Count   uint64  // of a timer: how many were sent
	Seconds float64 // of a timer: their durations together
}

// perRequest are the tags of a timer that are new with every request.
var perRequest = []string{"request_id", "remote_address", "user_agent", "content_length", "forwarded", "uri"}

// ledger remembers the last of everything sent.
type ledger struct {
	mu        sync.Mutex
	sent      map[string]*Sent
	envelopes map[Path]uint64
}

// record notes an envelope, in the shape that its agent gives it.
func (l *ledger) record(path Path, e *loggregator_v2.Envelope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.envelopes == nil {
		l.envelopes = make(map[Path]uint64)
	}
	l.envelopes[path]++
	switch message := e.Message.(type) {
	case *loggregator_v2.Envelope_Gauge:
		tags := canonical(e.Tags)
		for name, value := range message.Gauge.Metrics {
			s := l.entry(path, metric.KindGauge, name, e, e.Tags, tags)
			s.Unit, s.Value = value.Unit, value.Value
		}
	case *loggregator_v2.Envelope_Counter:
		s := l.entry(path, metric.KindCounter, message.Counter.Name, e, e.Tags, canonical(e.Tags))
		counter := message.Counter
		s.Delta, s.AgentTotal = counter.Delta, counter.Total
		if s.Total += counter.Delta; counter.Delta == 0 {
			s.Total = max(s.Total, counter.Total)
		}
	case *loggregator_v2.Envelope_Timer:
		kept := maps.Clone(e.Tags)
		for _, key := range perRequest {
			delete(kept, key)
		}
		s := l.entry(path, metric.KindTimer, message.Timer.Name, e, kept, canonical(kept))
		s.Count++
		s.Seconds += float64(message.Timer.Stop-message.Timer.Start) / 1e9
	}
}

// entry finds or creates the record of a metric; canonicalTags is the canonical form of tags.
func (l *ledger) entry(
	path Path, kind metric.Kind, name string, e *loggregator_v2.Envelope, tags map[string]string, canonicalTags string,
) *Sent {
	key := strings.Join([]string{string(path), kind.String(), name, e.SourceId, e.InstanceId, canonicalTags}, "\x00")
	s := l.sent[key]
	if s == nil {
		s = &Sent{
			Path:       path,
			Kind:       kind,
			Name:       name,
			Origin:     tags["origin"],
			SourceID:   e.SourceId,
			InstanceID: e.InstanceId,
			Tags:       tags,
		}
		if l.sent == nil {
			l.sent = make(map[string]*Sent)
		}
		l.sent[key] = s
	}
	s.Timestamp = e.Timestamp
	return s
}

// count is how many envelopes went by a path.
func (l *ledger) count(path Path) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.envelopes[path]
}

// all returns a copy, in an order that depends only on what was sent.
func (l *ledger) all() []Sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := make([]Sent, 0, len(l.sent))
	for _, key := range slices.Sorted(maps.Keys(l.sent)) {
		sent = append(sent, *l.sent[key])
	}
	return sent
}

// Parts splits off what the prom scraper has made of histograms and summaries: counters x_bucket with the tag le,
// gauges x with the tag quantile, and the x_sum and x_count of both. An exporter is expected to put them together
// again.
func Parts(sent []Sent) (whole, parts []Sent) {
	composite := make(map[string]bool) // source id and name
	for _, s := range sent {
		if _, ok := s.Tags["le"]; ok {
			composite[s.SourceID+"\x00"+strings.TrimSuffix(s.Name, "_bucket")] = true
		}
		if _, ok := s.Tags["quantile"]; ok {
			composite[s.SourceID+"\x00"+s.Name] = true
		}
	}
	for _, s := range sent {
		name := s.Name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if composite[s.SourceID+"\x00"+name] {
			parts = append(parts, s)
		} else {
			whole = append(whole, s)
		}
	}
	return whole, parts
}
