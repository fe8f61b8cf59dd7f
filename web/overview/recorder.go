package overview

import (
	"math"
	"slices"
	"sync"
	"time"
)

const (
	historyLength = 61 // an hour and the point before it, a point a minute
	// maxColumns bounds the series that are remembered: sources, outcomes and reasons are some hundred.
	maxColumns = 512
)

// Column names a number whose last hour is remembered: a metric of the exporter's own, without its prefix, and the
// values of its labels, in the order of the names of these; most have fewer than two.
type Column struct{ Metric, First, Second string }

// Columns that are no counters of others.
var (
	columnSeries        = Column{Metric: "series"}
	columnScrapeSeconds = Column{Metric: "scrape_seconds"}
	columnScrapeBytes   = Column{Metric: "scrape_bytes"}
	columnResident      = Column{Metric: "process_resident_memory_bytes"}
	columnHeap          = Column{Metric: "go_memstats_heap_inuse_bytes"}
)

// recorder keeps the last hour of some numbers, in equal steps. Its memory is bounded: at most 0.5 MB. A point
// allocates only for columns that are new.
type recorder struct {
	step time.Duration

	mu      sync.Mutex
	times   []time.Time
	columns map[Column]*columnValues
}

// columnValues has a value for each of the recorder's times; NaN where there is none.
type columnValues struct{ values []float64 }

// begin begins a point, which set and end complete; it holds mu until then.
func (r *recorder) begin(now time.Time) {
	r.mu.Lock()
	if r.columns == nil {
		r.columns = map[Column]*columnValues{}
		r.times = make([]time.Time, 0, historyLength)
	}
	if len(r.times) == historyLength {
		r.times = slices.Delete(r.times, 0, 1)
		for _, c := range r.columns {
			c.values = slices.Delete(c.values, 0, 1)
		}
	}
	r.times = append(r.times, now)
}

// set gives the point a value. The first one counts.
func (r *recorder) set(key Column, value float64) {
	c := r.columns[key]
	if c == nil {
		if len(r.columns) >= maxColumns {
			return
		}
		c = &columnValues{values: make([]float64, 0, historyLength)}
		for range len(r.times) - 1 {
			c.values = append(c.values, math.NaN())
		}
		r.columns[key] = c
	}
	if len(c.values) < len(r.times) {
		c.values = append(c.values, value)
	}
}

// end ends a point.
func (r *recorder) end() {
	defer r.mu.Unlock()
	for _, c := range r.columns {
		if len(c.values) < len(r.times) {
			c.values = append(c.values, math.NaN())
		}
	}
}

// increase returns how much a counter grew to a value in the time before now, or since the start, and in how long a
// time. A counter that was not there is one that was 0.
func (r *recorder) increase(key Column, value float64, now time.Time, window time.Duration) (float64, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A point may be somewhat late.
	from := now.Add(-window - r.step/2)
	at := slices.IndexFunc(r.times, func(t time.Time) bool { return !t.Before(from) })
	if at < 0 {
		return 0, 0
	}
	before := 0.0
	if c := r.columns[key]; c != nil && len(c.values) > at && !math.IsNaN(c.values[at]) {
		before = c.values[at]
	}
	return max(0, value-before), now.Sub(r.times[at])
}

// rate is the mean increase a second in the last minute.
func (r *recorder) rate(key Column, value float64, now time.Time) float64 {
	grown, took := r.increase(key, value, now, time.Minute)
	if took <= 0 {
		return 0
	}
	return grown / took.Seconds()
}

// line returns the values of a column, or how much it grew a second from one to the next; mu is held.
func (r *recorder) line(key Column, perSecond bool) []Value {
	values := make([]Value, len(r.times))
	c := r.columns[key]
	for i := range values {
		values[i] = Value(math.NaN())
		switch {
		case c == nil || i >= len(c.values):
		case !perSecond:
			values[i] = Value(c.values[i])
		case i > 0:
			values[i] = Value((c.values[i] - c.values[i-1]) / r.times[i].Sub(r.times[i-1]).Seconds())
		}
	}
	return values
}
