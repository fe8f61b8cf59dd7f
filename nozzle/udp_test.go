package nozzle

import (
	"bytes"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/cloudfoundry/dropsonde/emitter"
	"github.com/cloudfoundry/dropsonde/metric_sender"
	"github.com/cloudfoundry/sonde-go/events"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

func runUDP(t *testing.T, options UDPOptions) *listener {
	t.Helper()
	l, env := newListener(t)
	options.ListenAddress = "127.0.0.1:0"
	u, err := newUDP(options, env)
	if err != nil {
		t.Fatal(err)
	}
	l.stop = run(t, u.Run)
	l.address = listening(t, u.Addr)
	return &l
}

// TestUDPFromDropsonde: what components send with the public client library arrives.
func TestUDPFromDropsonde(t *testing.T) {
	u := runUDP(t, UDPOptions{})
	if !u.ledger.Ready() {
		t.Fatal("listens, and is not ready")
	}
	udp, err := emitter.NewUdpEmitter(u.address)
	if err != nil {
		t.Fatal(err)
	}
	events1 := emitter.NewEventEmitter(udp, "router__0")
	defer events1.Close()
	sender := metric_sender.NewMetricSender(events1)

	send := func(err error) wiretest.Plain {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		p := receive(t, u.got)
		if p.Timestamp == 0 {
			t.Fatal("no timestamp")
		}
		p.Timestamp = 0
		return p
	}
	tags := func(more ...string) map[string]string {
		m := map[string]string{"origin": "router__0"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	wiretest.RequireEqual(
		t,
		"value",
		send(sender.SendValue("memoryStats.numBytesAllocated", 1048576, "count")),
		wiretest.Plain{
			Kind: metric.KindGauge, SourceID: "router__0", Tags: tags("__v1_type", "ValueMetric"),
			Points: map[string]wiretest.PlainPoint{"memoryStats.numBytesAllocated": {Unit: "count", Bits: 0x4130000000000000}},
		},
	)
	wiretest.RequireEqual(
		t,
		"tagged value",
		send(sender.Value("latency", 1, "ms").SetTag("source_id", "s").SetTag("a", "b").Send()),
		wiretest.Plain{
			Kind: metric.KindGauge, SourceID: "s", Tags: tags("__v1_type", "ValueMetric", "a", "b"),
			Points: map[string]wiretest.PlainPoint{"latency": {Unit: "ms", Bits: 0x3ff0000000000000}},
		},
	)
	wiretest.RequireEqual(t, "counter", send(sender.AddToCounter("total_requests", 5)), wiretest.Plain{
		Kind:     metric.KindCounter,
		SourceID: "router__0",
		Tags:     tags("__v1_type", "CounterEvent"),
		Points:   map[string]wiretest.PlainPoint{},
		Name:     "total_requests",
		Delta:    5,
	})
	wiretest.RequireEqual(t, "container", send(sender.SendContainerMetric("the-app", 2, 1, 2, 0)), wiretest.Plain{
		Kind: metric.KindGauge, SourceID: "the-app", InstanceID: "2", Tags: tags("__v1_type", "ContainerMetric"),
		Points: map[string]wiretest.PlainPoint{
			"cpu": {
				Unit: "percentage",
				Bits: 0x3ff0000000000000,
			},
			"memory": {Unit: "bytes", Bits: 0x4000000000000000},
			"disk":   {Unit: "bytes", Bits: 0},
		},
	})
	http := wiretest.HTTPV1().HttpStartStop
	wiretest.RequireEqual(t, "http", send(events1.Emit(http)).Tags["status_code"], "404")
}

// TestUDPBadDatagrams: each is counted, the first is reported with its sender, and what follows is not lost.
func TestUDPBadDatagrams(t *testing.T) {
	u := runUDP(t, UDPOptions{})
	conn, err := net.Dial("udp", u.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	good := wiretest.MarshalV1(t, wiretest.ValueV1())
	long := wiretest.ValueV1()
	long.ValueMetric.Name = new(strings.Repeat("n", 60_000))
	log := wiretest.EventV1(events.Envelope_LogMessage)
	log.LogMessage = &events.LogMessage{
		Message:     []byte("m"),
		MessageType: events.LogMessage_OUT.Enum(),
		Timestamp:   new(int64(1)),
	}
	for i, datagram := range [][]byte{
		{}, []byte("garbage"), good[:len(good)-1], bytes.Repeat([]byte{0}, 65507), bytes.Repeat([]byte{0xff}, 65507), wiretest.MarshalV1(t, log), wiretest.MarshalV1(t, long), good,
	} {
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
		// One at a time: the kernel drops what its buffer has no room for.
		until(t, "a datagram is received", func() bool { return u.ledger.Source(nameUDP).received.Load() > uint64(i) })
	}
	for name := range receive(t, u.got).Points {
		if len(name) != 60_000 {
			t.Fatalf("name of %d bytes", len(name))
		}
	}
	receive(t, u.got)
	u.stop()
	requireMetrics(t, u.reg, `
# HELP loggregator_exporter_envelopes_received_total Envelopes received from Loggregator.
# TYPE loggregator_exporter_envelopes_received_total counter
loggregator_exporter_envelopes_received_total{source="udp"} 8
# HELP loggregator_exporter_envelopes_total Envelopes by what became of them.
# TYPE loggregator_exporter_envelopes_total counter
loggregator_exporter_envelopes_total{outcome="converted",source="udp"} 2
loggregator_exporter_envelopes_total{outcome="filtered",source="udp"} 0
loggregator_exporter_envelopes_total{outcome="ignored",source="udp"} 1
loggregator_exporter_envelopes_total{outcome="malformed",source="udp"} 5
# HELP loggregator_exporter_source_up Whether the source is connected (1) or not (0).
# TYPE loggregator_exporter_source_up gauge
loggregator_exporter_source_up{source="udp"} 0
`, metricPrefix+"envelopes_received_total", metricPrefix+"envelopes_total", metricPrefix+"source_up")
	var warnings []logLine
	close(u.lines)
	for line := range u.lines {
		if line.level == slog.LevelWarn {
			warnings = append(warnings, line)
		}
	}
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0].message, "malformed datagram") ||
		warnings[0].attrs["remote"] != conn.LocalAddr().String() {
		t.Fatalf("%+v", warnings)
	}
}

// TestUDPOrder: datagrams that come faster than they are taken are taken in order, and all are counted.
func TestUDPOrder(t *testing.T) {
	u := runUDP(t, UDPOptions{})
	conn, err := net.Dial("udp", u.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const sent = maxDatagrams + 50
	for i := range sent {
		e := wiretest.ValueV1()
		e.ValueMetric.Name = new(strconv.Itoa(i))
		if _, err := conn.Write(wiretest.MarshalV1(t, e)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range sent {
		if points := receive(t, u.got).Points; points[strconv.Itoa(i)].Unit == "" {
			t.Fatalf("%d: got %v", i, points)
		}
	}
	until(t, "all are counted", func() bool { return u.ledger.Source(nameUDP).received.Load() == sent })
}

func TestUDPAddressInUse(t *testing.T) {
	taken := runUDP(t, UDPOptions{})
	ledger, _ := newTestLedger(t)
	log, _ := newTestLog()
	u, err := newUDP(UDPOptions{ListenAddress: taken.address}, testEnv(ledger, func() Sink { return &nullSink{} }, log))
	if err != nil {
		t.Fatal(err)
	}
	err = u.Run(t.Context())
	if err == nil ||
		!strings.HasPrefix(err.Error(), "nozzle.udp.listen_address: cannot listen on "+taken.address+": another process") {
		t.Fatal(err)
	}
	if _, same := u.Addr(t.Context()); same != err { //nolint:errorlint // it is the very error
		t.Fatal(same)
	}
	if ledger.Ready() {
		t.Fatal("ready without a socket")
	}
}

// TestUDPSmallBuffer: no kernel gives two gibibytes, whatever its limit, and the log must say how to raise that.
func TestUDPSmallBuffer(t *testing.T) {
	u := runUDP(t, UDPOptions{ReceiveBufferBytes: math.MaxInt32})
	line := receive(t, u.lines)
	if line.level != slog.LevelWarn || line.attrs["remedy"] != "sysctl -w net.core.rmem_max=2147483647" ||
		line.attrs["granted_bytes"] == "" {
		t.Fatalf("%+v", line)
	}
}
