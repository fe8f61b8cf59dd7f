package main

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/nozzle"
)

// TestServeFiltered: what the configuration's filters refuse never becomes a series, and is counted.
func TestServeFiltered(t *testing.T) {
	cfg := testConfig()
	cfg.Nozzle.Stream.Filters = []nozzle.FilterOptions{{Drop: &nozzle.FilterMatch{Origin: []string{"r*p"}}}}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	conn, err := net.Dial("udp", r.UDP.String())
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
	const kept = `cf_requests_total{component="bbs",origin="bbs"`
	var body string
	for !strings.Contains(body, kept) { // the test's own timeout ends it
		_, body = fetch(t, "http://"+r.Web.String()+"/metrics")
	}
	if !strings.Contains(body, `loggregator_exporter_envelopes_total{outcome="filtered",source="udp"} 1`) || strings.Contains(body, `origin="rep"`) {
		t.Errorf("not filtered:\n%s", body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
