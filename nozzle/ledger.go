package nozzle

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/leftout"
	"loggregator_exporter/nozzle/watch"
)

// The outcomes of an envelope; every one received ends in exactly one.
const (
	converted = iota // its samples are in samples_total
	filtered         // the configured filters refused all of its samples
	ignored          // it holds no metric: a log, an event, no message, a gauge without points
	malformed        // its bytes could not be read

	numEnvelopeOutcomes
)

var envelopeOutcomes = [numEnvelopeOutcomes]string{"converted", "filtered", "ignored", "malformed"}

const metricPrefix = "loggregator_exporter_"

// Ledger accounts for everything received: the outcome of each envelope and sample, which source is connected, and
// the losses that Loggregator reports. Sources write to it after each batch with a few atomic additions; a scrape
// reads it. At rest the envelopes received are the sum of their outcomes, and the samples of the converted envelopes
// are the sum of theirs.
type Ledger struct {
	mu      sync.Mutex
	sources []*SourceLedger

	upstream *upstream
	kinds    *kindAccount
	filtered *leftout.Names

	registerer prometheus.Registerer // for metrics of single sources
	own        []ownCounter          // of these, what Counts passes

	received, envelopes, samples, dropped, up, last, reconnects, refusals *prometheus.Desc
}

// NewLedger registers a ledger. Its metrics are exposed from the start, at 0 for all known combinations of labels.
func NewLedger(reg prometheus.Registerer) (*Ledger, error) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(metricPrefix+name, help, labels, nil)
	}
	l := &Ledger{
		upstream:   newUpstream(),
		kinds:      newKindAccount(),
		filtered:   leftout.NewNames(),
		registerer: reg,
		received:   desc("envelopes_received_total", "Envelopes received from Loggregator.", "source"),
		envelopes:  desc("envelopes_total", "Envelopes by what became of them.", "source", "outcome"),
		samples:    desc("samples_total", "Samples of converted envelopes by what became of them.", "outcome"),
		dropped: desc("upstream_dropped_total",
			"Envelopes that Loggregator itself reports as lost before they reached the exporter.", "origin", "direction"),
		up: desc("source_up", "Whether the source is connected (1) or not (0).", "source"),
		last: desc("source_last_envelope_timestamp_seconds",
			"Unix time at which the source last received an envelope; 0 if never.", "source"),
		reconnects: desc("source_reconnects_total", "Times the source had to connect again, by why.", "source", "reason"),
		refusals: desc("source_refusals_total",
			"Connections and streams that the source itself refused or gave up, by why.", "source", "reason"),
	}
	if err := reg.Register(l); err != nil {
		return nil, fmt.Errorf("register the ledger's metrics: %w", err)
	}
	return l, nil
}

// Source returns the account of a source by its configuration key; the same one each time.
func (l *Ledger) Source(name string) *SourceLedger {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sources {
		if s.name == name {
			return s
		}
	}
	s := &SourceLedger{name: name, ledger: l, faults: leftout.NewFaults()}
	l.sources = append(l.sources, s)
	return s
}

// Ready reports whether at least one source is connected.
func (l *Ledger) Ready() bool {
	for _, s := range l.all() {
		if s.Up() {
			return true
		}
	}
	return false
}

func (l *Ledger) all() []*SourceLedger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.sources)
}

// Describe implements prometheus.Collector.
func (l *Ledger) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		l.received, l.envelopes, l.samples, l.dropped, l.up, l.last, l.reconnects,
		l.refusals,
	} {
		ch <- d
	}
	l.kinds.describe(ch)
}

// Collect implements prometheus.Collector.
func (l *Ledger) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	var samples metric.Tally
	for _, s := range l.all() {
		counter(l.received, s.received.Load(), s.name)
		for i, outcome := range envelopeOutcomes {
			counter(l.envelopes, s.envelopes[i].Load(), s.name, outcome)
		}
		for i := range samples {
			samples[i] += s.samples[i].Load()
		}
		up := 0.0
		if s.Up() {
			up = 1
		}
		gauge(l.up, up, s.name)
		gauge(l.last, float64(s.LastHeard())/float64(time.Second), s.name)
		for reason, n := range s.reconnects.snapshot() {
			counter(l.reconnects, n, s.name, reason)
		}
		for reason, n := range s.refusals.snapshot() {
			counter(l.refusals, n, s.name, reason)
		}
	}
	for i, n := range samples {
		counter(l.samples, n, metric.Outcome(i).String())
	}
	for key, n := range l.upstream.snapshot() {
		counter(l.dropped, n, key.origin, key.direction)
	}
	l.kinds.collect(ch)
}

// SourceLedger is the account of one source. It is safe for concurrent use.
type SourceLedger struct {
	name   string
	ledger *Ledger
	watch.Liveness

	received  atomic.Uint64
	envelopes [numEnvelopeOutcomes]atomic.Uint64
	samples   [metric.NumOutcomes]atomic.Uint64

	events leftout.Events  // what was ignored
	faults *leftout.Faults // what was malformed

	failure    atomic.Pointer[SourceFailure] // the last one
	clock      senderClock
	reconnects reasonCounts // connections that had to be made again
	refusals   reasonCounts // connections and streams that the source refused or gave up
}

// Reconnecting counts a connection that has to be made again.
func (s *SourceLedger) Reconnecting(reason string) { s.reconnects.add(reason) }

// reasonCounts counts events by reason. It is safe for concurrent use.
type reasonCounts struct {
	mu     sync.Mutex
	counts map[string]uint64
}

// expect names the reasons that are possible, so that each is exposed at 0.
func (c *reasonCounts) expect(reasons ...string) { c.count(0, reasons...) }

func (c *reasonCounts) add(reason string) { c.count(1, reason) }

func (c *reasonCounts) count(n uint64, reasons ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]uint64{}
	}
	for _, reason := range reasons {
		c.counts[reason] += n
	}
}

func (c *reasonCounts) snapshot() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}
