package main

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/filter"
)

// TestServeFiltered: what the configuration's filters refuse never becomes a series, and is counted.
func TestServeFiltered(t *testing.T) {
	cfg := testConfig()
	cfg.Nozzle.Stream.Filters = []filter.Filter{{Drop: &filter.Match{Origin: []string{"r*p"}}}}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	conn, err := net.Dial("udp", r.Listening["udp"].String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, origin := range []string{"rep", "bbs"} {
		datagram, err := proto.Marshal(&events.Envelope{
			Origin: new(origin), EventType: events.Envelope_CounterEvent.Enum(), Timestamp: new(int64(1)),
			CounterEvent: &events.CounterEvent{Name: new("requests"), Delta: new(uint64(5))},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
	}
	body := awaitPage(t, r, `cf_requests_total{component="bbs",origin="bbs"`,
		`loggregator_exporter_envelopes_total{outcome="filtered",source="udp"} 1`+"\n")
	if strings.Contains(body, `origin="rep"`) {
		t.Errorf("not filtered:\n%s", body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestServeLosses: where counters are not asked for, what Loggregator lost comes all the same, and no other counter
// does.
func TestServeLosses(t *testing.T) {
	f, err := foundation.New(foundation.Options{VMs: 60, Apps: -1, Interval: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx) }()
	cfg := testConfig()
	cfg.Nozzle.RLP = nozzle.RLPOptions{
		Enabled: true, Address: f.RLPAddress(), ServerName: "reverselogproxy",
		TLSConfig: f.ClientTLS(),
	}
	cfg.Nozzle.Stream.Selectors = []string{"gauge"}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	if err := f.AwaitReaders(ctx, 1); err != nil {
		t.Fatal(err)
	}
	counter := func(name string) *loggregator_v2.Envelope {
		return &loggregator_v2.Envelope{
			SourceId: "rlp", Tags: map[string]string{"origin": "loggregator.rlp", "direction": "egress"},
			Message: &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: name, Delta: 7, Total: 7}},
		}
	}
	f.Publish(counter("egress"))
	f.Publish(counter("dropped"))
	f.Publish(&loggregator_v2.Envelope{SourceId: "last", Message: &loggregator_v2.Envelope_Gauge{
		Gauge: &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{"last": {Value: 1}}},
	}})
	awaitPage(t, r, "cf_last{", `{outcome="filtered",source="rlp"} 1`+"\n",
		`loggregator_exporter_upstream_dropped_total{direction="egress",origin="loggregator.rlp"} 7`+"\n",
		`loggregator_exporter_envelopes_received_total{source="rlp"} 2`+"\n")
	if err := stop(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
