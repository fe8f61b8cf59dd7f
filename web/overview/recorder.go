package overview

import (
	"math"
	"slices"
	"sync"
	"time"
)

const (
	historyStep   = 10 * time.Second
	historyLength = 361 // an hour and the point before it
	// maxColumns bounds the series that are remembered: sources, outcomes and reasons are some hundred.
	maxColumns = 512
)

// remembered are the exporter's own metrics whose last hour is kept.
var remembered = []string{
	"envelopes_received_total", "envelopes_total", "samples_total", "upstream_dropped_total",
	"source_refusals_total", "source_reconnects_total", "scrapes_total", "series",
	"udp_dropped_datagrams_total", "uaa_token_requests_total", "otlp_points_refused_total",
	"syslog_oversized_messages_total", "scrape_families_omitted_total",
	"remote_write_samples_total", "remote_write_samples_failed_total", "remote_write_samples_dropped_total",
	"process_resident_memory_bytes", "go_memstats_heap_inuse_bytes",
}

// Columns that are no metrics.
const (
	columnScrapeSeconds = "scrape_seconds"
	columnScrapeBytes   = "scrape_bytes"
)

// recorder keeps the last hour of some numbers, in steps of historyStep. Its memory is bounded: at most 1.5 MB.
type recorder struct {
	mu      sync.Mutex
	times   []time.Time
	columns map[string][]float64 // each as long as times; NaN where there is no value
}

// record adds a point.
func (r *recorder) record(own *ownMetrics, more map[string]float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.columns == nil {
		r.columns = map[string][]float64{}
	}
	if len(r.times) == historyLength {
		r.times = append(r.times[:0], r.times[1:]...)
		for key, column := range r.columns {
			r.columns[key] = append(column[:0], column[1:]...)
		}
	}
	r.times = append(r.times, own.at)
	for _, name := range remembered {
		for i := range own.samples[name] {
			s := &own.samples[name][i]
			r.set(s.column(name), s.value)
		}
	}
	for key, value := range more {
		r.set(key, value)
	}
	for key, column := range r.columns {
		if len(column) < len(r.times) {
			r.columns[key] = append(column, math.NaN())
		}
	}
}

// set adds a value to a column; mu is held.
func (r *recorder) set(key string, value float64) {
	column, ok := r.columns[key]
	switch {
	case !ok && len(r.columns) >= maxColumns, len(column) == len(r.times):
		return
	case !ok:
		column = slices.Grow(column, historyLength)
		for range len(r.times) - 1 {
			column = append(column, math.NaN())
		}
	}
	r.columns[key] = append(column, value)
}

// increase returns how much a counter grew to a value in the time before now, or since the start, and in how long a
// time. A counter that was not there is one that was 0.
func (r *recorder) increase(key string, value float64, now time.Time, window time.Duration) (float64, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A point may be somewhat late.
	from := now.Add(-window - historyStep/2)
	at := slices.IndexFunc(r.times, func(t time.Time) bool { return !t.Before(from) })
	if at < 0 {
		return 0, 0
	}
	before := 0.0
	if column := r.columns[key]; len(column) > at && !math.IsNaN(column[at]) {
		before = column[at]
	}
	return max(0, value-before), now.Sub(r.times[at])
}

// rate is the mean increase a second in the last minute.
func (r *recorder) rate(key string, value float64, now time.Time) float64 {
	grown, took := r.increase(key, value, now, time.Minute)
	if took <= 0 {
		return 0
	}
	return grown / took.Seconds()
}

// line returns the values of a column, or how much it grew a second from one to the next.
func (r *recorder) line(key string, perSecond bool) []Value {
	column := r.columns[key]
	values := make([]Value, len(r.times))
	for i := range values {
		values[i] = Value(math.NaN())
		switch {
		case i >= len(column):
		case !perSecond:
			values[i] = Value(column[i])
		case i > 0:
			values[i] = Value((column[i] - column[i-1]) / r.times[i].Sub(r.times[i-1]).Seconds())
		}
	}
	return values
}
