package nozzle

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// syslogMetrics are what the syslog source tells of itself.
type syslogMetrics struct {
	connections atomic.Int64 // that are open
	probes      prometheus.Counter
	oversized   prometheus.Counter
	cutSource   prometheus.Counter
	cutInstance prometheus.Counter
	agents      peers
	oldest      oldest
}

func newSyslogMetrics(reg prometheus.Registerer) (*syslogMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: metricPrefix + name, Help: help})
	}
	cut := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: metricPrefix + "syslog_cut_ids_total",
		Help: "Messages whose source id or instance id is as long as agents cut them, so that several may look as one.",
	}, []string{"id"})
	m := &syslogMetrics{
		probes:      counter("syslog_probes_total", "Connections to nozzle.syslog that ended before any data came."),
		oversized:   counter("syslog_oversized_messages_total", "Messages over nozzle.syslog.max_message_bytes."),
		cutSource:   cut.WithLabelValues("source_id"),
		cutInstance: cut.WithLabelValues("instance_id"),
	}
	connections := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: metricPrefix + "syslog_connections", Help: "Connections to nozzle.syslog that are open.",
	}, func() float64 { return float64(m.connections.Load()) })
	agents := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: metricPrefix + "syslog_agents",
		Help: "Addresses from which syslog agents are connected and have sent messages.",
	}, m.agents.count)
	oldest := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: metricPrefix + "syslog_oldest_data_seconds",
		Help: "Age at arrival of the oldest message of the last one to two minutes; 0 if none came.",
	}, func() float64 { return m.oldest.seconds(time.Now()) })
	return m, errors.Join(reg.Register(connections), reg.Register(m.probes), reg.Register(m.oversized),
		reg.Register(cut), reg.Register(agents), reg.Register(oldest))
}

// note takes the message that the intake has decoded last.
func (m *syslogMetrics) note(in *Intake, arrived time.Time) {
	if in.syslog.CutSourceID {
		m.cutSource.Inc()
	}
	if in.syslog.CutInstanceID {
		m.cutInstance.Inc()
	}
	m.oldest.note(arrived.UnixNano()-in.view.Timestamp, arrived.UnixNano())
}

// peers counts connections by their address.
type peers struct {
	mu   sync.Mutex
	open map[netip.Addr]int
}

func (p *peers) connect(peer netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = make(map[netip.Addr]int)
	}
	p.open[peer]++
}

func (p *peers) disconnect(peer netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[peer]--; p.open[peer] == 0 {
		delete(p.open, peer)
	}
}

func (p *peers) count() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return float64(len(p.open))
}

// oldestPeriod is the period of which oldest keeps the oldest data.
const oldestPeriod = int64(time.Minute)

// maxAge is the largest age that is believed: what claims to be older has no timestamp, or one in another unit.
const maxAge = int64(24 * time.Hour)

// oldest keeps the greatest age of data in the current period and the one before, in nanoseconds.
type oldest struct {
	period atomic.Int64 // since the epoch
	now    atomic.Int64

	mu     sync.Mutex // held to change anything
	before int64
}

func (o *oldest) note(age, now int64) {
	if age > maxAge || age <= o.now.Load() && now/oldestPeriod == o.period.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn(now / oldestPeriod)
	o.now.Store(max(age, o.now.Load()))
}

// turn begins a new period if it is time; mu is held.
func (o *oldest) turn(period int64) {
	was := o.period.Load()
	if period <= was {
		return
	}
	o.before = 0
	if period == was+1 {
		o.before = o.now.Load()
	}
	o.now.Store(0)
	o.period.Store(period)
}

func (o *oldest) seconds(now time.Time) float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn(now.UnixNano() / oldestPeriod)
	return time.Duration(max(o.before, o.now.Load())).Seconds()
}
