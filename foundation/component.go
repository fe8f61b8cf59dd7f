package foundation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
)

// component is one process on a VM.
type component struct {
	origin  string
	legacy  bool         // emits by dropsonde
	scraped bool         // the prom scraper emits for it
	groups  [][]*reading // what goes into one envelope: one counter, one gauge, or all gauges of equal tags
}

// reading is one metric of a component.
type reading struct {
	name, unit string
	counter    bool
	model      model
	own        map[string]string // tags that only this metric has
	tags       map[string]string // all tags of its v2 envelope; shared between envelopes, so never changed
	total      uint64
}

// newComponent makes the component that a definition describes, on one VM.
func newComponent(def *componentDefinition, vm *VM, counts tallies) (*component, error) {
	if vm.Path == UDP && def.protocol != protocolDropsonde {
		return nil, fmt.Errorf(
			"component %s on %s/%d emits by %s, which has no UDP", def.id, vm.Job, vm.Ordinal, def.protocol,
		)
	}
	placeholders := []string{"{i}", strconv.Itoa(vm.Ordinal), "{zone}", vm.Zone, "{ip}", vm.IP}
	c := &component{
		origin:  strings.NewReplacer(placeholders...).Replace(def.origin),
		legacy:  def.protocol == protocolDropsonde,
		scraped: def.protocol == protocolScraped,
	}
	fill := strings.NewReplacer(append(placeholders, "{origin}", c.origin)...)
	known := make(timings)
	batches := make(map[string]int) // canonical tags to the group of the gauges that have them
	for _, d := range def.metrics {
		m, err := parseModel(d.model, counts, known)
		if err != nil {
			return nil, fmt.Errorf("component %s on %s/%d, metric %s: %w", def.id, vm.Job, vm.Ordinal, d.name, err)
		}
		r := &reading{name: fill.Replace(d.name), unit: d.unit, counter: d.counter, model: m, own: make(map[string]string)}
		for _, tag := range d.tags {
			key, value, _ := strings.Cut(tag, "=")
			r.own[key] = fill.Replace(value)
		}
		r.tags = vm.tags(c.origin, r.own)
		if def.protocol == protocolV2Batch && !r.counter {
			key := canonical(r.tags)
			if at, ok := batches[key]; ok {
				c.groups[at] = append(c.groups[at], r)
				continue
			}
			batches[key] = len(c.groups)
		}
		c.groups = append(c.groups, []*reading{r})
	}
	return c, nil
}

// tags are those that an agent gives every envelope of the VM, and more.
func (vm *VM) tags(origin string, more map[string]string) map[string]string {
	tags := map[string]string{
		"deployment": vm.Deployment,
		"job":        vm.Job,
		"index":      vm.Index,
		"ip":         vm.IP,
		"origin":     origin,
	}
	maps.Copy(tags, more)
	return tags
}

// advance lets some seconds pass and returns the metric's value then; of a counter, how much it has grown.
func (r *reading) advance(seconds float64, rng *rand.Rand) (value float64, delta uint64) {
	value = r.model.next(seconds, rng)
	if r.counter {
		delta = uint64(value) - r.total
		r.total = uint64(value)
	}
	return value, delta
}

// dropsonde is the next v1 envelope of a group.
func (c *component) dropsonde(group []*reading, m *machine, now int64, seconds float64) *events.Envelope {
	r := group[0]
	value, delta := r.advance(seconds, m.rng)
	e := m.dropsonde(c.origin, now)
	maps.Copy(e.Tags, r.own)
	if r.counter {
		e.EventType = events.Envelope_CounterEvent.Enum()
		e.CounterEvent = &events.CounterEvent{Name: new(r.name), Delta: new(delta)}
		return e
	}
	e.EventType = events.Envelope_ValueMetric.Enum()
	e.ValueMetric = &events.ValueMetric{Name: new(r.name), Value: new(value), Unit: new(r.unit)}
	return e
}

// envelope is the next v2 envelope of a group.
func (c *component) envelope(group []*reading, m *machine, now int64, seconds float64) *loggregator_v2.Envelope {
	e := &loggregator_v2.Envelope{Timestamp: now, SourceId: c.origin, InstanceId: m.Index, Tags: group[0].tags}
	if r := group[0]; r.counter {
		_, delta := r.advance(seconds, m.rng)
		counter := &loggregator_v2.Counter{Name: r.name, Delta: delta}
		if c.scraped {
			counter.Delta, counter.Total = 0, r.total
		}
		e.Message = &loggregator_v2.Envelope_Counter{Counter: counter}
		return e
	}
	metrics := make(map[string]*loggregator_v2.GaugeValue, len(group))
	for _, r := range group {
		value, _ := r.advance(seconds, m.rng)
		metrics[r.name] = &loggregator_v2.GaugeValue{Unit: r.unit, Value: value}
	}
	e.Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: metrics}}
	return e
}
