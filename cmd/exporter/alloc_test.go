package main

import (
	"log/slog"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/config"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
)

// From the received bytes to the store the steady state allocates nothing, for each kind of both protocols.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	cfg := config.Default()
	rules, err := newTagger(&cfg.Tagger)
	if err != nil {
		t.Fatal(err)
	}
	o := storeOptions(cfg, slog.New(slog.DiscardHandler))
	o.Resolver = resolver.New(resolverOptions(&cfg.Metrics, rules))
	s, err := store.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := nozzle.NewLedger(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	in := nozzle.NewIntake(ledger.Source("rlp"), s.Writer())
	now := time.Now()
	for name, message := range v2Messages(now) {
		batch, err := proto.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		checkAllocations(t, "v2 "+name, func() bool { return in.V2(batch, now) == 0 })
	}
	for name, message := range v1Messages(now) {
		datagram, err := proto.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		checkAllocations(t, "v1 "+name, func() bool { return in.V1(datagram, now) })
	}
	if got := s.Stats(); got.Series != 1+1+2+3+1+1+2 || got.Refused != 0 {
		t.Errorf("%+v: %+v", got, s.Refusals())
	}
}

func checkAllocations(t *testing.T, what string, take func() bool) {
	t.Helper()
	if !take() {
		t.Errorf("%s: malformed", what)
	}
	n := 0.0
	for range 5 { // what connections of tests before allocate on their way out would be counted too
		if n = testing.AllocsPerRun(100, func() { take() }); n == 0 {
			return
		}
	}
	t.Errorf("%s: %v allocations", what, n)
}

func v2Messages(now time.Time) map[string]*loggregator_v2.EnvelopeBatch {
	envelope := func(e *loggregator_v2.Envelope) *loggregator_v2.EnvelopeBatch {
		e.Timestamp, e.SourceId = now.UnixNano(), "router"
		e.Tags = map[string]string{
			"origin": "gorouter", "deployment": "cf", "job": "router", "index": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
			"ip":          "10.0.0.5",
			"status_code": "200", "method": "GET", "content_length": "512", "peer_type": "Server", "uri": "/",
			"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		}
		return &loggregator_v2.EnvelopeBatch{Batch: []*loggregator_v2.Envelope{e}}
	}
	return map[string]*loggregator_v2.EnvelopeBatch{
		"gauge": envelope(&loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
			Metrics: map[string]*loggregator_v2.GaugeValue{"memoryStats.numFrees": {Unit: "count", Value: 1}},
		}}}),
		"counter": envelope(&loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Counter{
			Counter: &loggregator_v2.Counter{Name: "responses.2xx", Delta: 1, Total: 2},
		}}),
		"timer": envelope(&loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Timer{
			Timer: &loggregator_v2.Timer{Name: "http", Start: 1, Stop: 2e6},
		}}),
	}
}

func v1Messages(now time.Time) map[string]*events.Envelope {
	envelope := func(kind events.Envelope_EventType, e *events.Envelope) *events.Envelope {
		e.EventType, e.Timestamp, e.Origin = kind.Enum(), new(now.UnixNano()), new("rep")
		e.Deployment, e.Job, e.Index, e.Ip = new("cf"), new("cell"), new("0"), new("10.0.0.6")
		return e
	}
	return map[string]*events.Envelope{
		"container": envelope(events.Envelope_ContainerMetric, &events.Envelope{ContainerMetric: &events.ContainerMetric{
			ApplicationId: new("f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11"), InstanceIndex: new(int32(1)), CpuPercentage: new(1.0),
			MemoryBytes: new(uint64(1)), DiskBytes: new(uint64(1)),
		}}),
		"counter": envelope(events.Envelope_CounterEvent, &events.Envelope{CounterEvent: &events.CounterEvent{
			Name: new("events"), Delta: new(uint64(1)),
		}}),
		"value": envelope(events.Envelope_ValueMetric, &events.Envelope{ValueMetric: &events.ValueMetric{
			Name: new("CapacityTotalMemory"), Value: new(1.0), Unit: new("MiB"),
		}}),
		"http": envelope(events.Envelope_HttpStartStop, &events.Envelope{HttpStartStop: &events.HttpStartStop{
			StartTimestamp: new(int64(1)), StopTimestamp: new(int64(2e6)), PeerType: events.PeerType_Server.Enum(),
			Method:    events.Method_GET.Enum(),
			RequestId: &events.UUID{Low: new(uint64(1)), High: new(uint64(2))}, Uri: new("/"), RemoteAddress: new("10.0.0.1:1"),
			UserAgent: new("curl"), StatusCode: new(int32(200)), ContentLength: new(int64(512)),
		}}),
	}
}
