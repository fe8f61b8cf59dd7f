package foundation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"
)

// Workload is a fixed number of gauge and counter series for benchmarks: those of VMs that have a hundred metrics
// each, with names of real components and six tags (deployment, job, index, ip, origin, product). Each series stands
// exactly once in a cycle, those of one VM together; a benchmark sends cycle after cycle.
type Workload struct {
	series []workloadSeries
	at     int64 // timestamp of every envelope
}

type workloadSeries struct {
	vm                 *VM
	origin, name, unit string
	counter            bool
	value              float64
	delta, total       uint64
}

const (
	workloadMetrics = 100 // of one VM
	workloadProduct = "elastic-runtime"
)

// NewWorkload makes a workload of some series, at least one. Equal arguments make equal workloads; at is the
// timestamp of every envelope.
func NewWorkload(series int, seed uint64, at time.Time) (*Workload, error) {
	if series < 1 {
		return nil, errors.New("foundation: a workload has at least one series")
	}
	definitions, err := parseDefinitions(metricsTable)
	if err != nil {
		return nil, fmt.Errorf("foundation: %w", err)
	}
	rng := Options{Seed: seed}.rng("workload")
	names := workloadNames(definitions)
	w := &Workload{series: make([]workloadSeries, 0, series), at: at.UnixNano()}
	for number := 0; len(w.series) < series; number++ {
		vm := workloadVM(number, rng)
		fill := strings.NewReplacer("{i}", strconv.Itoa(vm.Ordinal), "{zone}", vm.Zone, "{ip}", vm.IP)
		for i := range min(workloadMetrics, series-len(w.series)) {
			// Consecutive VMs run different components, as in a foundation.
			s := names[(number*workloadMetrics+i)%len(names)]
			s.vm = vm
			s.origin = fill.Replace(s.origin)
			s.name = fill.Replace(strings.ReplaceAll(s.name, "{origin}", s.origin))
			s.value = float64(rng.IntN(100_000_000))
			s.delta = 1 + rng.Uint64N(1000)
			s.total = s.delta + rng.Uint64N(1_000_000_000)
			w.series = append(w.series, s)
		}
	}
	return w, nil
}

// workloadNames are all names of real components, each origin and name once, in a fixed order.
func workloadNames(definitions map[string]*componentDefinition) []workloadSeries {
	// Others emit the same metrics under a second raw name: both would end in one series.
	// What was scraped are parts of histograms and summaries, and so no series of their own.
	skipped := []string{
		"cc_flat", "metron_flat", "router_name", "p-redis_broker", "route_emitter", "cc_scraped", "credhub_scraped",
	}
	ids := make([]string, 0, len(definitions))
	for id, def := range definitions {
		if def.protocol != protocolNone && !slices.Contains(skipped, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var names []workloadSeries
	seen := make(map[[2]string]bool)
	for _, id := range ids {
		def := definitions[id]
		for _, d := range def.metrics {
			if key := [2]string{def.origin, d.name}; !seen[key] {
				seen[key] = true
				names = append(names, workloadSeries{origin: def.origin, name: d.name, unit: d.unit, counter: d.counter})
			}
		}
	}
	return names
}

func workloadVM(number int, rng *rand.Rand) *VM {
	jobs := []string{"router", "diego-cell", "api", "doppler", "uaa", "diego-api", "log-api", "scheduler"}
	return &VM{
		Deployment: "cf",
		Job:        jobs[number%len(jobs)],
		Ordinal:    number / len(jobs),
		Index:      newGUID(rng),
		IP:         fmt.Sprintf("10.%d.%d.%d", number>>16&0xff, number>>8&0xff, number&0xff),
		Zone:       "z" + strconv.Itoa(1+number%3),
	}
}

// Series returns the number of series.
func (w *Workload) Series() int { return len(w.series) }

// Batches is one cycle as the RLP sends it: wire bytes of EnvelopeBatch, 100 envelopes each, the last one maybe fewer.
func (w *Workload) Batches() ([][]byte, error) {
	batches := make([][]byte, 0, len(w.series)/batchSize+1)
	for chunk := range slices.Chunk(w.series, batchSize) {
		batch := &loggregator_v2.EnvelopeBatch{Batch: make([]*loggregator_v2.Envelope, len(chunk))}
		for i := range chunk {
			batch.Batch[i] = chunk[i].envelope(w.at)
		}
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(batch)
		if err != nil {
			return nil, fmt.Errorf("foundation: batch: %w", err)
		}
		batches = append(batches, wire)
	}
	return batches, nil
}

// Datagrams is one cycle as dropsonde sends it: wire bytes of v1 envelopes, one series each. Counters have no totals.
func (w *Workload) Datagrams() ([][]byte, error) {
	datagrams := make([][]byte, len(w.series))
	for i := range w.series {
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(w.series[i].dropsonde(w.at))
		if err != nil {
			return nil, fmt.Errorf("foundation: datagram: %w", err)
		}
		datagrams[i] = wire
	}
	return datagrams, nil
}

func (s *workloadSeries) envelope(at int64) *loggregator_v2.Envelope {
	e := &loggregator_v2.Envelope{
		Timestamp:  at,
		SourceId:   s.origin,
		InstanceId: s.vm.Index,
		Tags:       s.vm.tags(s.origin, map[string]string{"product": workloadProduct}),
	}
	if s.counter {
		e.Message = &loggregator_v2.Envelope_Counter{
			Counter: &loggregator_v2.Counter{Name: s.name, Delta: s.delta, Total: s.total},
		}
		return e
	}
	e.Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
		Metrics: map[string]*loggregator_v2.GaugeValue{s.name: {Unit: s.unit, Value: s.value}},
	}}
	return e
}

func (s *workloadSeries) dropsonde(at int64) *events.Envelope {
	m := machine{VM: *s.vm}
	e := m.dropsonde(s.origin, at)
	e.Tags["product"] = workloadProduct
	if s.counter {
		e.EventType = events.Envelope_CounterEvent.Enum()
		e.CounterEvent = &events.CounterEvent{Name: new(s.name), Delta: new(s.delta)}
		return e
	}
	e.EventType = events.Envelope_ValueMetric.Enum()
	e.ValueMetric = &events.ValueMetric{Name: new(s.name), Value: new(s.value), Unit: new(s.unit)}
	return e
}
