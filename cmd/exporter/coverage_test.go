package main

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
)

const coverageApp = "f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11"

func gaugeOf(metrics map[string]*loggregator_v2.GaugeValue) *loggregator_v2.Envelope_Gauge {
	return &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: metrics}}
}

func counterOf(name string, delta, total uint64) *loggregator_v2.Envelope_Counter {
	return &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: name, Delta: delta, Total: total}}
}

func timerOf(name string, took time.Duration) *loggregator_v2.Envelope_Timer {
	now := time.Now().UnixNano()
	timer := &loggregator_v2.Timer{Name: name, Start: now - took.Nanoseconds(), Stop: now}
	return &loggregator_v2.Envelope_Timer{Timer: timer}
}

// coverageV2 is one envelope of each shape that v2 has; every one is sent by the forwarder agent's protocol.
func coverageV2() []*loggregator_v2.Envelope {
	text := func(s string) *loggregator_v2.Value {
		return &loggregator_v2.Value{Data: &loggregator_v2.Value_Text{Text: s}}
	}
	peer := func(peerType string) map[string]string {
		return map[string]string{
			"origin": "gorouter", "peer_type": peerType, "method": "GET", "status_code": "200",
			"request_id": "r",
		}
	}
	return []*loggregator_v2.Envelope{
		{
			SourceId: "doppler", InstanceId: "7", Tags: map[string]string{"origin": "doppler"},
			Message: gaugeOf(map[string]*loggregator_v2.GaugeValue{
				"many.one": {Unit: "count", Value: 1}, "many.two": {Unit: "count", Value: math.NaN()},
				"many.three": {Unit: "count", Value: math.Inf(1)},
				"many.four":  {Unit: "count", Value: math.Inf(-1)}, "many.five": {Unit: "count", Value: -1},
			}),
		},
		{SourceId: "doppler", Tags: map[string]string{"origin": "doppler"}, Message: counterOf("some.count", 5, 50)},
		{SourceId: coverageApp, Tags: peer("Server"), Message: timerOf("http", 10*time.Millisecond)},
		{SourceId: coverageApp, Tags: peer("Client"), Message: timerOf("http", 9*time.Millisecond)},
		{SourceId: "cc", Tags: map[string]string{"origin": "cc"}, Message: timerOf("cc.sync", 2*time.Second)},
		{SourceId: "cc", Message: &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{Payload: []byte("line")}}},
		{SourceId: "cc", Message: &loggregator_v2.Envelope_Event{Event: &loggregator_v2.Event{Title: "t", Body: "b"}}},
		{SourceId: "cc"},
		{},
		{SourceId: "cc", Message: gaugeOf(nil)},
		{SourceId: "old", DeprecatedTags: map[string]*loggregator_v2.Value{
			"origin": text("old"), "level": {Data: &loggregator_v2.Value_Integer{Integer: 3}},
			"share": {Data: &loggregator_v2.Value_Decimal{Decimal: 0.5}},
		}, Message: gaugeOf(map[string]*loggregator_v2.GaugeValue{"deprecated_size": {Unit: "count", Value: 4}})},
		{Message: gaugeOf(map[string]*loggregator_v2.GaugeValue{"nobody_size": {Unit: "count", Value: 6}})},
		{
			Timestamp: -1, SourceId: "late",
			Message: gaugeOf(map[string]*loggregator_v2.GaugeValue{"before_time": {Unit: "count", Value: 8}}),
		},
		{SourceId: "cc", Message: gaugeOf(map[string]*loggregator_v2.GaugeValue{"": {Unit: "count", Value: 9}})},
	}
}

// coverageV1 is one envelope of each of the six types of v1; every one is sent as a datagram.
func coverageV1() []*events.Envelope {
	e := func(kind events.Envelope_EventType, timestamp int64) *events.Envelope {
		return &events.Envelope{Origin: new("router__0"), EventType: kind.Enum(), Timestamp: new(timestamp)}
	}
	value, counter := e(events.Envelope_ValueMetric, 0), e(events.Envelope_CounterEvent, 1)
	value.ValueMetric = &events.ValueMetric{Name: new("uptime_value"), Value: new(-1.0), Unit: new("count")}
	counter.CounterEvent = &events.CounterEvent{Name: new("some_events"), Delta: new(uint64(3))}
	container := e(events.Envelope_ContainerMetric, 1)
	container.ContainerMetric = &events.ContainerMetric{
		ApplicationId: new(coverageApp), InstanceIndex: new(int32(2)), CpuPercentage: new(50.0),
		MemoryBytes: new(uint64(10)), DiskBytes: new(uint64(20)),
		MemoryBytesQuota: new(uint64(30)), DiskBytesQuota: new(uint64(40)),
	}
	http := e(events.Envelope_HttpStartStop, 1)
	now := time.Now().UnixNano()
	http.HttpStartStop = &events.HttpStartStop{
		StartTimestamp: new(now - 1e6), StopTimestamp: new(now),
		RequestId: &events.UUID{Low: new(uint64(1)), High: new(uint64(2))}, PeerType: events.PeerType_Server.Enum(),
		Method: events.Method_PUT.Enum(), Uri: new("/"), RemoteAddress: new("r"), UserAgent: new("u"),
		StatusCode: new(int32(404)), ContentLength: new(int64(100)),
	}
	log, failed := e(events.Envelope_LogMessage, 1), e(events.Envelope_Error, 1)
	log.LogMessage = &events.LogMessage{
		Message: []byte("m"), MessageType: events.LogMessage_OUT.Enum(),
		Timestamp: new(int64(1)),
	}
	failed.Error = &events.Error{Source: new("s"), Code: new(int32(1)), Message: new("m")}
	return []*events.Envelope{value, counter, container, http, log, failed}
}

// coverageConfig is for a service that takes datagrams, and envelopes of the foundation's agents.
func coverageConfig(t *testing.T) (*foundation.Foundation, *config.Config) {
	t.Helper()
	f, err := foundation.New(foundation.Options{Apps: -1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.Nozzle.Ingress.Enabled, cfg.Nozzle.Ingress.ListenAddress, cfg.Nozzle.Ingress.TLSConfig = true, "127.0.0.1:0",
		f.DownstreamTLS()
	return f, cfg
}

// TestEnvelopeCoverage sends every shape of envelope the whole way, from the protocol to the scrape, and expects
// each to be told in exactly one way: as the series that it means, or as the outcome for what means none.
func TestEnvelopeCoverage(t *testing.T) {
	f, cfg := coverageConfig(t)
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	sendV2(t, f, r.Listening["ingress"].String(), coverageV2())
	sendV1(t, r.Listening["udp"].String(), coverageV1())

	doppler := `component="doppler",instance_id="7",origin="doppler",source_id="doppler"`
	router := `component="router",index="0",origin="router__0",source_id="router__0"`
	container := `app_id="` + coverageApp + `",component="router",index="0",instance_id="2",origin="router__0",source_id="` + coverageApp + `"`
	want := map[string]float64{
		`cf_many_one{` + doppler + `}`:   1,
		`cf_many_two{` + doppler + `}`:   math.NaN(),
		`cf_many_three{` + doppler + `}`: math.Inf(1),
		`cf_many_four{` + doppler + `}`:  math.Inf(-1),
		`cf_many_five{` + doppler + `}`:  -1,

		`cf_some_count_total{component="doppler",origin="doppler",source_id="doppler"}`:               50,
		`cf_deprecated_size{component="old",level="3",origin="old",share="0.500000",source_id="old"}`: 4,

		`cf_nobody_size{}`: 6,

		`cf_before_time{component="late",source_id="late"}`:  8,
		`cf_uptime_value{` + router + `}`:                    -1,
		`cf_some_events_total{` + router + `}`:               3,
		`cf_container_cpu_ratio{` + container + `}`:          0.5,
		`cf_container_memory_bytes{` + container + `}`:       10,
		`cf_container_disk_bytes{` + container + `}`:         20,
		`cf_container_memory_quota_bytes{` + container + `}`: 30,
		`cf_container_disk_quota_bytes{` + container + `}`:   40,

		`cf_http_request_duration_seconds{app_id="` + coverageApp + `",component="gorouter",method="GET",status="2xx"}`: 1,

		`cf_sync_seconds{component="cc",origin="cc",source_id="cc"}`:                     1,
		`cf_http_request_duration_seconds{component="router",method="PUT",status="4xx"}`: 1,
		`loggregator_exporter_envelopes_total{outcome="converted",source="ingress"}`:     9,
		`loggregator_exporter_envelopes_total{outcome="ignored",source="ingress"}`:       5,
		`loggregator_exporter_envelopes_total{outcome="malformed",source="ingress"}`:     0,
		`loggregator_exporter_envelopes_total{outcome="converted",source="udp"}`:         4,
		`loggregator_exporter_envelopes_total{outcome="ignored",source="udp"}`:           2,
		`loggregator_exporter_samples_total{outcome="duplicate"}`:                        1,
		`loggregator_exporter_samples_total{outcome="invalid"}`:                          1,
		`loggregator_exporter_envelopes_received_total{source="ingress"}`:                14,
		`loggregator_exporter_envelopes_received_total{source="udp"}`:                    6,
	}
	awaitSamples(t, r, func(got map[string]float64) (wrong []string) {
		for key, value := range want {
			v, ok := got[key]
			if !ok || v != value && !(math.IsNaN(v) && math.IsNaN(value)) {
				wrong = append(wrong, fmt.Sprintf("%s is %v (there: %v), want %v", key, v, ok, value))
			}
		}
		if n := sumOf(got, "loggregator_exporter_samples_total{"); n != 5+1+2+1+1+1+1+1+1+1+5+1 {
			wrong = append(wrong, fmt.Sprintf("%v samples", n))
		}
		return wrong
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// sendV2 sends one batch as a forwarder agent does.
func sendV2(t *testing.T, f *foundation.Foundation, address string, batch []*loggregator_v2.Envelope) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(f.ForwarderTLS())))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stream, err := loggregator_v2.NewIngressClient(conn).BatchSender(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&loggregator_v2.EnvelopeBatch{Batch: batch}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
}

func sendV1(t *testing.T, address string, envelopes []*events.Envelope) {
	t.Helper()
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, e := range envelopes {
		datagram, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
	}
}
