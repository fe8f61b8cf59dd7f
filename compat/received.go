package compat

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// The kinds of metrics that firehose_exporter counts apart.
const (
	receivedContainer = iota
	receivedCounter
	receivedHTTP
	receivedValue

	numReceived
)

var receivedNames = [numReceived]struct{ total, last, what, one string }{
	{
		"total_container_metrics_received", "last_container_metric_received_timestamp", "container metrics",
		"container metric",
	},
	{"total_counter_events_received", "last_counter_event_received_timestamp", "counter events", "counter event"},
	{"total_http_metrics_received", "last_http_metric_received_timestamp", "http metrics", "http metric"},
	{"total_value_metrics_received", "last_value_metric_received_timestamp", "value metrics", "value metric"},
}

// Received shows the metrics that firehose_exporter has of itself. What counts has no type: OpenMetrics would give a
// counter another name.
type Received struct {
	envelopes, lost, lastEnvelope, metrics, refused, lastMetric *prometheus.Desc
	totals, lasts                                               [numReceived]*prometheus.Desc

	mu       sync.Mutex
	accounts []*account
}

// account is what one sink has taken. Only its sink writes to it.
type account struct {
	envelopes, lastEnvelope atomic.Uint64 // times in seconds
	lastMetric              atomic.Uint64
	samples                 [metric.NumOutcomes]atomic.Uint64
	totals, lasts           [numReceived]atomic.Uint64
}

// NewReceived makes the collector.
func NewReceived(namespace, environment string) *Received {
	var constant prometheus.Labels
	if environment != "" {
		constant = prometheus.Labels{labelEnvironment: environment}
	}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, nil, constant)
	}
	const since = "Number of seconds since 1970 since last "
	r := &Received{
		envelopes: desc("total_envelopes_received", "Total number of envelopes received from Cloud Foundry Firehose."),
		lost: desc(
			"total_envelopes_dropped",
			"Total number of envelopes dropped by the exporter: it has no queue that could drop any, so always 0.",
		),
		lastEnvelope: desc("last_envelope_received_timestamp", since+"envelope received from Cloud Foundry Firehose."),
		metrics:      desc("total_metrics_received", "Total number of metrics received from Cloud Foundry Firehose."),
		refused: desc(
			"total_metrics_dropped",
			"Total number of metrics from Cloud Foundry Firehose that are in conflict, over a limit or invalid.",
		),
		lastMetric: desc("last_metric_received_timestamp", since+"metric received from Cloud Foundry Firehose."),
	}
	for i, n := range receivedNames {
		r.totals[i] = desc(n.total, "Total number of "+n.what+" received from Cloud Foundry Firehose.")
		r.lasts[i] = desc(n.last, since+n.one+" received from Cloud Foundry Firehose.")
	}
	return r
}

// account opens the account of a new sink.
func (r *Received) account() *account {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := new(account)
	r.accounts = append(r.accounts, a)
	return a
}

// add notes an envelope, and the outcomes that are the difference of two tallies: of a timer its own, else those of
// samples before.
func (a *account) add(e *metric.Envelope, before, after *metric.Tally) {
	now := uint64(max(e.Arrived, 0)) / uint64(time.Second)
	a.envelopes.Add(1)
	a.lastEnvelope.Store(now)
	a.addOutcomes(before, after)
	switch e.Kind {
	case metric.KindGauge:
		inContainer := uint64(0)
		for i := range e.Points {
			if metric.IsContainerMetric(e.Points[i].Name) {
				inContainer++
			}
		}
		a.count(receivedContainer, inContainer, now)
		a.count(receivedValue, uint64(len(e.Points))-inContainer, now)
	case metric.KindCounter:
		a.count(receivedCounter, 1, now)
	case metric.KindTimer:
		if after[metric.Duplicate]+after[metric.DroppedByRule] == before[metric.Duplicate]+before[metric.DroppedByRule] {
			a.count(receivedHTTP, 1, now)
		}
	case metric.KindNone, metric.KindLog, metric.KindEvent, metric.KindHistogram, metric.KindSummary:
	}
}

// addOutcomes notes the difference of two tallies.
func (a *account) addOutcomes(before, after *metric.Tally) {
	for outcome := range after {
		if n := after[outcome] - before[outcome]; n > 0 {
			a.samples[outcome].Add(n)
		}
	}
}

func (a *account) count(what int, n, now uint64) {
	if n == 0 {
		return
	}
	a.totals[what].Add(n)
	a.lasts[what].Store(now)
	a.lastMetric.Store(now)
}

// all sums the accounts up.
func (r *Received) all() *account {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := new(account)
	for _, a := range r.accounts {
		sum.sum(a)
	}
	return sum
}

// samples returns the outcomes of all samples.
func (r *Received) samples() (t metric.Tally) {
	all := r.all()
	for i := range t {
		t[i] = all.samples[i].Load()
	}
	return t
}

// Describe implements prometheus.Collector.
func (r *Received) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{r.envelopes, r.lost, r.lastEnvelope, r.metrics, r.refused, r.lastMetric} {
		ch <- d
	}
	for i := range numReceived {
		ch <- r.totals[i]
		ch <- r.lasts[i]
	}
}

// Collect implements prometheus.Collector.
func (r *Received) Collect(ch chan<- prometheus.Metric) {
	all := r.all()
	counter := func(d *prometheus.Desc, n uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.UntypedValue, float64(n))
	}
	gauge := func(d *prometheus.Desc, n uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	metrics := uint64(0)
	for i := range numReceived {
		metrics += all.totals[i].Load()
		counter(r.totals[i], all.totals[i].Load())
		gauge(r.lasts[i], all.lasts[i].Load())
	}
	counter(r.metrics, metrics)
	refused := uint64(0)
	for _, outcome := range []metric.Outcome{metric.Conflict, metric.OverLimit, metric.Invalid} {
		refused += all.samples[outcome].Load()
	}
	counter(r.refused, refused)
	counter(r.envelopes, all.envelopes.Load())
	counter(r.lost, 0)
	gauge(r.lastEnvelope, all.lastEnvelope.Load())
	gauge(r.lastMetric, all.lastMetric.Load())
}

// sum adds an account to this one, of which the latest times stay.
func (a *account) sum(b *account) {
	add := func(to, from *atomic.Uint64) { to.Add(from.Load()) }
	later := func(to, from *atomic.Uint64) { to.Store(max(to.Load(), from.Load())) }
	add(&a.envelopes, &b.envelopes)
	later(&a.lastEnvelope, &b.lastEnvelope)
	later(&a.lastMetric, &b.lastMetric)
	for i := range a.samples {
		add(&a.samples[i], &b.samples[i])
	}
	for i := range numReceived {
		add(&a.totals[i], &b.totals[i])
		later(&a.lasts[i], &b.lasts[i])
	}
}

// collector shows what the exporter knows of a store of these names that stands beside its own.
type collector struct {
	store    *store.Store
	received *Received

	series, families, samples, refused *prometheus.Desc
}

// NewCollector makes the collector of the exporter's own metrics on a store of these names: it is for stores whose
// own Collector would repeat the names of another store's.
func NewCollector(s *store.Store, r *Received) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("loggregator_exporter_compatibility_"+name, help, labels, nil)
	}
	return &collector{
		store: s, received: r,
		series:   desc("series", "Series that are exposed now by the names of metrics.compatibility."),
		families: desc("families", "Metric families that are exposed now by the names of metrics.compatibility."),
		samples:  desc("samples_total", "Samples by what became of them by the names of metrics.compatibility.", "outcome"),
		refused: desc(
			"refused_samples_total",
			"Samples that were not stored by the names of metrics.compatibility, by name; beyond 100 names an outcome "+
				"the rest is counted together, without a name.",
			"outcome",
			"metric",
			"raw_name",
		),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.series, c.families, c.samples, c.refused} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	stats := c.store.Stats()
	ch <- prometheus.MustNewConstMetric(c.series, prometheus.GaugeValue, float64(stats.Series))
	ch <- prometheus.MustNewConstMetric(c.families, prometheus.GaugeValue, float64(stats.Families))
	for outcome, n := range c.received.samples() {
		ch <- prometheus.MustNewConstMetric(c.samples, prometheus.CounterValue, float64(n), metric.Outcome(outcome).String())
	}
	for _, r := range c.store.Refusals() {
		ch <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(r.Count),
			r.Outcome.String(), r.Metric, r.RawName)
	}
}
