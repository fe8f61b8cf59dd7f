package nozzle

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/metric"
)

// CountFunc takes a counter: the name of its metric without the prefix, the values of its labels in the order of their
// names, and the number since the start. Most have fewer than two labels.
type CountFunc func(name, first, second string, n uint64)

// Counts passes the counters of all sources, as their metrics show them, to yield. It allocates nothing.
func (l *Ledger) Counts(yield CountFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var samples metric.Tally
	for _, s := range l.sources {
		yield("envelopes_received_total", s.name, "", s.received.Load())
		for i, outcome := range envelopeOutcomes {
			yield("envelopes_total", outcome, s.name, s.envelopes[i].Load())
		}
		for i := range samples {
			samples[i] += s.samples[i].Load()
		}
		s.reconnects.each(func(reason string, n uint64) { yield("source_reconnects_total", reason, s.name, n) })
		s.refusals.each(func(reason string, n uint64) { yield("source_refusals_total", reason, s.name, n) })
	}
	for i, n := range samples {
		yield("samples_total", metric.Outcome(i).String(), "", n)
	}
	for i, kind := range sampleKindNames {
		yield("received_samples_total", kind, "", l.kinds.counts[i].Load())
	}
	l.upstream.each(func(key upstreamKey, n uint64) { yield("upstream_dropped_total", key.direction, key.origin, n) })
	for i := range l.own {
		yield(l.own[i].name, l.own[i].value, "", l.own[i].read())
	}
}

// each passes the counts by reason.
func (c *reasonCounts) each(yield func(reason string, n uint64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for reason, n := range c.counts {
		yield(reason, n)
	}
}

// each passes the number of envelopes lost so far.
func (u *upstream) each(yield func(key upstreamKey, n uint64)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, lost := range u.lost {
		yield(key, lost.total)
	}
}

// ownCounter is a series of a counter that one source alone has.
type ownCounter struct {
	name, value string // without the prefix; of its label, or ""
	read        func() uint64
}

// count registers a counter of one source alone, which Counts passes as well. label is "" where it has none.
func (l *Ledger) count(name, help, label, value string, read func() uint64) error {
	opts := prometheus.CounterOpts{Name: metricPrefix + name, Help: help}
	if label != "" {
		opts.ConstLabels = prometheus.Labels{label: value}
	}
	counter := prometheus.NewCounterFunc(opts, func() float64 { return float64(read()) })
	if err := l.registerer.Register(counter); err != nil {
		return fmt.Errorf("register %s: %w", name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own = append(l.own, ownCounter{name, value, read})
	return nil
}
