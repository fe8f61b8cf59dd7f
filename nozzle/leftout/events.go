package leftout

import (
	"sync"
	"sync/atomic"
	"time"

	"loggregator_exporter/metric"
)

// Event is what an envelope without a metric is.
type Event uint8

// The events.
const (
	Log        Event = iota // a log message, or an error by v1
	EventOnly               // an event of Loggregator's v2: a title and a text
	NoMessage               // an envelope that holds nothing
	EmptyGauge              // a gauge without metrics
	Span                    // a span by OTLP
	LogRecord               // a log record by OTLP

	numEvents = iota
)

var events = [numEvents]struct{ name, why string }{
	{"log message", "logs hold no metric"},
	{"event", "a title and a text are no metric"},
	{"envelope without message", "there is nothing in it"},
	{"gauge without metrics", "there is nothing in it"},
	{"span", "traces hold no metric"},
	{"log record", "logs hold no metric"},
}

// EventOf returns what an envelope is that has no samples.
func EventOf(e *metric.Envelope) Event {
	switch e.Kind {
	case metric.KindLog:
		return Log
	case metric.KindEvent:
		return EventOnly
	case metric.KindGauge:
		return EmptyGauge
	default:
		return NoMessage
	}
}

// EventCounts counts envelopes without a metric. It belongs to one goroutine.
type EventCounts [numEvents]uint64

// Events counts envelopes without a metric. It is safe for concurrent use.
type Events struct {
	counts [numEvents]atomic.Uint64
	last   [numEvents]atomic.Int64 // when the last one came, in nanoseconds since the epoch
	noted  [numEvents]atomic.Int64 // when the sender was noted, likewise

	mu      sync.Mutex
	senders [numEvents]string
}

// noteEvery is how often the sender of envelopes is noted that are not looked at otherwise.
const noteEvery = int64(time.Second)

// Note remembers the sender of an event, at most once a second.
func (c *Events) Note(of Event, e *metric.Envelope, now int64) {
	if last := c.noted[of].Load(); now-last < noteEvery && now >= last {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noted[of].Store(now)
	c.senders[of] = SenderOf(e)
}

// Flush adds counts, and empties them.
func (c *Events) Flush(counts *EventCounts, now int64) {
	for i, n := range counts {
		if n > 0 {
			c.counts[i].Add(n)
			c.last[i].Store(now)
			counts[i] = 0
		}
	}
}

// EventReport is how many envelopes of one kind were ignored.
type EventReport struct {
	Event, Why string
	Count      uint64
	Last       time.Time
	// Sender sent one of the last second of them; empty where it is not known.
	Sender string
}

// Report lists the kinds that came.
func (c *Events) Report() []EventReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []EventReport
	for i := range c.counts {
		if n := c.counts[i].Load(); n > 0 {
			all = append(all, EventReport{events[i].name, events[i].why, n, time.Unix(0, c.last[i].Load()), c.senders[i]})
		}
	}
	return all
}
