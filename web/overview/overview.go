package overview

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/internal/beat"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// Options are what a Monitor reads. Functions are called from many goroutines, must not block for long, and return
// values that nobody changes afterwards.
type Options struct {
	// Store holds the series under the exporter's own names, or under those of metrics.compatibility where these stand
	// alone.
	Store *store.Store
	// Own gathers the exporter's own metrics.
	Own prometheus.Gatherer
	// Counts passes each counter whose last hour is remembered, without gathering: it is called each minute even while
	// nobody asks, and allocates nothing.
	Counts func(yield func(c Column, value float64))
	// Recent is the time in which events make a problem; 5 minutes if 0. The history has five points in it, and no source
	// may be silent for longer. Tests set less.
	Recent time.Duration
	// Sources returns the sources in the order of the documentation.
	Sources func() []Source
	// Losses returns what Loggregator itself reports as lost, those that lost most first.
	Losses func() []Loss
	// Reload returns the last attempt to load the configuration.
	Reload func() Reload
	// Version is that of the build.
	Version string
}

// Monitor finds out how a running exporter fares. It is safe for concurrent use.
type Monitor struct {
	options Options

	recorder recorder
	set      func(c Column, value float64) // the recorder's, made once
	memory   residentMemory
	scrapers scrapers
	status   statusCache
	started  time.Time
}

// recent is the default of Options.Recent; with it the history has a point each minute.
const recent = 5 * time.Minute

// New makes a Monitor. It starts nothing.
func New(o Options) *Monitor {
	o.Recent = cmp.Or(o.Recent, recent)
	m := &Monitor{options: o, started: time.Now(), recorder: recorder{step: o.Recent / 5}}
	m.set = m.recorder.set
	return m
}

// Started is when the Monitor was made, with which the exporter starts.
func (m *Monitor) Started() time.Time { return m.started }

// Run keeps the history of the last hour until ctx is done. It returns nil then.
func (m *Monitor) Run(ctx context.Context) error {
	m.point()
	timer := time.NewTimer(beat.Next(m.recorder.step))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			m.point()
			timer.Reset(beat.Next(m.recorder.step))
		}
	}
}

// point adds a point to the history.
func (m *Monitor) point() {
	now := time.Now()
	used := m.memory.read()
	series := m.options.Store.Stats().Series
	m.recorder.begin(now)
	defer m.recorder.end()
	m.counts(m.set)
	m.set(columnSeries, float64(series))
	m.set(columnResident, float64(used.ResidentBytes))
	m.set(columnHeap, float64(used.HeapBytes))
	m.scrapers.point(now, m.set)
}

// counts passes each counter whose last hour is remembered.
func (m *Monitor) counts(yield func(c Column, value float64)) {
	if m.options.Counts != nil {
		m.options.Counts(yield)
	}
	m.scrapers.counts(yield)
}

// statusAge is how old a status may be: however many ask, it is found out once in this time.
const statusAge = time.Second

// statusCache keeps the last status, and since when each problem has been there, zero where that is not known.
type statusCache struct {
	mu    sync.Mutex
	last  *Status
	since map[string]time.Time
}

// Status returns how the exporter fares, as it was at most a second ago.
func (m *Monitor) Status(_ context.Context) (*Status, error) {
	c := &m.status
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && time.Since(c.last.Time) < statusAge {
		return c.last, nil
	}
	own := m.gather()
	used := m.memory.read()
	if used.ResidentBytes == 0 { // not Linux
		resident, _ := own.value(columnResident.Metric)
		used.ResidentBytes = uint64(resident)
	}
	s := &Status{
		Time: own.at.UTC(), Version: m.options.Version, Started: m.started.UTC(), Sources: []Source{}, Losses: []Loss{},
		Series: m.seriesCount(), Memory: used, Scrapers: m.scrapers.list(own.at), RemoteWrite: m.remoteWrite(own),
	}
	if m.options.Sources != nil {
		s.Sources = append(s.Sources, m.options.Sources()...)
	}
	if m.options.Losses != nil {
		s.Losses = append(s.Losses, m.options.Losses()...)
	}
	if m.options.Reload != nil {
		s.Reload = m.options.Reload()
	}
	m.addRates(s, own)
	s.Ledger = m.ledger(s, own)
	s.Problems = m.problems(s, own)
	s.rank()
	c.date(s)
	c.last = s
	return s, nil
}

// watched is how long before a status another must have been made, so that a problem only in the later one has just
// begun. Without the other it may have been there for long.
const watched = time.Minute

// date says since when problems have been there, where they do not say so themselves and that is known.
func (c *statusCache) date(s *Status) {
	since := map[string]time.Time{}
	begins := c.last != nil && s.Time.Sub(c.last.Time) <= watched
	for i := range s.Problems {
		p := &s.Problems[i]
		first, ok := c.since[p.ID]
		if !ok && begins {
			first = s.Time
		}
		since[p.ID] = first
		if p.Since.IsZero() {
			p.Since = first
		}
	}
	c.since = since
}

func (m *Monitor) seriesCount() SeriesCount {
	stats := m.options.Store.Stats()
	return SeriesCount{
		Series: stats.Series, MaxSeries: m.options.Store.LimitState().MaxSeries, Families: stats.Families,
		UntaggedNames: stats.UntaggedNames, UndescribedNames: stats.UndescribedNames, Refused: stats.Refused,
	}
}

// remoteWrite returns how pushing fares, nil where it is off.
func (m *Monitor) remoteWrite(own *ownMetrics) *RemoteWrite {
	taken, on := own.value("remote_write_samples_total")
	if !on {
		return nil
	}
	number := func(name string) uint64 {
		v, _ := own.value("remote_write_" + name)
		return uint64(max(0, v))
	}
	newest, _ := own.value("remote_write_highest_timestamp_seconds")
	sent, _ := own.value("remote_write_queue_highest_sent_timestamp_seconds")
	return &RemoteWrite{
		LagSeconds: max(0, newest-sent), SamplesPending: number("samples_pending"),
		SamplesPerSecond: m.recorder.rate(Column{Metric: "remote_write_samples_total"}, taken, own.at),
		SamplesTaken:     uint64(taken), SamplesFailed: number("samples_failed_total"),
		SamplesDropped: number("samples_dropped_total"), SamplesRetried: number("samples_retried_total"),
		QueueBytes: number("queue_bytes"), QueueMaxBytes: number("queue_capacity_bytes"),
	}
}

// addRates fills in the means of the last minute.
func (m *Monitor) addRates(s *Status, own *ownMetrics) {
	for i := range s.Sources {
		of := &s.Sources[i]
		key := Column{"envelopes_received_total", of.Name, ""}
		of.EnvelopesPerSecond = m.recorder.rate(key, float64(of.Received), own.at)
	}
	for i := range s.Losses {
		l := &s.Losses[i]
		key := Column{"upstream_dropped_total", l.Direction, l.Origin}
		l.PerSecond = m.recorder.rate(key, float64(l.Count), own.at)
	}
}

// envelopeMeanings and sampleMeanings list the outcomes, in the order in which they are shown.
var (
	envelopeMeanings = []Flow{
		{Outcome: "converted", Meaning: "Their samples go on to the store."},
		{Outcome: "filtered", Meaning: "nozzle.filters or nozzle.selectors exclude them.", Link: namesOf(metric.Filtered)},
		{Outcome: "ignored", Meaning: "They hold no metric: logs, events, traces.", Link: "/#ignored"},
		{Outcome: "malformed", Meaning: "Their bytes cannot be read.", Lost: true, Link: "/#malformed"},
	}
	sampleMeanings = []Flow{
		{Outcome: metric.Stored.String(), Meaning: "They are, or updated, the value of a series.", Link: "/cardinality"},
		{Outcome: metric.Filtered.String(), Meaning: "nozzle.filters excludes them.", Link: namesOf(metric.Filtered)},
		{
			Outcome: metric.DroppedByRule.String(), Meaning: "A rule says that they have no series.",
			Link: namesOf(metric.DroppedByRule),
		},
		{
			Outcome: metric.Duplicate.String(),
			Meaning: "They came before: the gorouter's second timer of a request, or a delta by OTLP.",
			Link:    namesOf(metric.Duplicate),
		},
		{
			Outcome: metric.Outdated.String(), Lost: true,
			Meaning: "They are older than the value that the series has: clocks differ, or envelopes come by two ways.",
			Link:    namesOf(metric.Outdated),
		},
		{
			Outcome: metric.Conflict.String(), Meaning: "Their series, or the family of that name, belongs to another name.",
			Lost: true, Link: namesOf(metric.Conflict),
		},
		{
			Outcome: metric.OverLimit.String(), Meaning: "A limit on series has no room for them.", Lost: true,
			Link: namesOf(metric.OverLimit),
		},
		{
			Outcome: metric.Invalid.String(), Meaning: "They have no name, too long a name, too many tags, or no sense.",
			Lost: true, Link: namesOf(metric.Invalid),
		},
	}
)

// namesOf is the page with the names whose samples have an outcome, those with most samples first.
func namesOf(outcome metric.Outcome) string {
	return "/names?reason=" + outcome.String() + "&sort=samples&order=desc"
}

// ledger adds up the accounts of the sources.
func (m *Monitor) ledger(s *Status, own *ownMetrics) Ledger {
	l := Ledger{
		UpstreamLost: Flow{
			Outcome: "upstream_lost", Meaning: "Loggregator lost them before they reached the exporter.", Lost: true,
		},
		Received: Flow{Outcome: "received", Meaning: "Envelopes that reached the exporter."},
	}
	for i := range s.Losses {
		l.UpstreamLost.Count += s.Losses[i].Count
		l.UpstreamLost.PerSecond += s.Losses[i].PerSecond
	}
	for i := range s.Sources {
		l.Received.Count += s.Sources[i].Received
		l.Received.PerSecond += s.Sources[i].EnvelopesPerSecond
	}
	for _, f := range envelopeMeanings {
		for i := range s.Sources {
			of := &s.Sources[i]
			f.Count += of.Envelopes[f.Outcome]
			key := Column{"envelopes_total", f.Outcome, of.Name}
			f.PerSecond += m.recorder.rate(key, float64(of.Envelopes[f.Outcome]), own.at)
		}
		l.Envelopes = append(l.Envelopes, f)
	}
	for _, f := range sampleMeanings {
		for i := range s.Sources {
			f.Count += s.Sources[i].Samples[f.Outcome]
		}
		f.PerSecond = m.recorder.rate(Column{"samples_total", f.Outcome, ""}, float64(f.Count), own.at)
		l.Samples = append(l.Samples, f)
	}
	return l
}

// branchProblems are the kinds of the problems that branches of the ledger are, by their outcomes.
var branchProblems = map[string]string{
	"upstream_lost": kindUpstreamLoss, "malformed": "malformed", metric.Outdated.String(): "outdated",
	metric.Conflict.String(): "conflicts", metric.OverLimit.String(): "over_limit", metric.Invalid.String(): "invalid",
}

// rank fills in how severe the branches of the ledger and the losses are, by the problems that were found.
func (s *Status) rank() {
	kinds, ids := map[string]Severity{}, map[string]Severity{}
	for i := range s.Problems {
		p := &s.Problems[i]
		kinds[p.Kind], ids[p.ID] = cmp.Or(kinds[p.Kind], p.Severity), p.Severity // the most severe comes first
	}
	s.Ledger.UpstreamLost.Severity = kinds[branchProblems[s.Ledger.UpstreamLost.Outcome]]
	for _, flows := range [][]Flow{s.Ledger.Envelopes, s.Ledger.Samples} {
		for i := range flows {
			flows[i].Severity = kinds[branchProblems[flows[i].Outcome]]
		}
	}
	for i := range s.Losses {
		s.Losses[i].Severity = ids[s.Losses[i].problemID()]
	}
}

// severityOrder has the most severe first.
var severityOrder = map[Severity]int{Critical: 0, Warning: 1, Notice: 2}
