package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
)

var countedTotal = regexp.MustCompile(`(?m)^cf_counted_total\{.*\} (\S+)$`)

// TestOTLPInDisorder: counters and gauges that come twice and through a collector, in disorder, end at their newest
// value, and no scrape ever sees a counter fall.
func TestOTLPInDisorder(t *testing.T) {
	f, err := foundation.New(foundation.Options{Apps: -1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.Nozzle.UDP.Enabled = false
	cfg.Nozzle.OTLP = nozzle.OTLPOptions{
		Enabled: true, ListenAddress: "127.0.0.1:0", MaxRequestBytes: 1 << 24, TLSConfig: f.CollectorTLS(),
	}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	collector, err := foundation.NewCollector(foundation.CollectorOptions{
		To: r.Listening["otlp"].String(), TLS: f.OTLPClientTLS(), Lateness: 5 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = collector.Run(ctx, listener, f.CollectorTLS()) })
	agent := foundation.NewOTLPAgent(foundation.OTLPAgentOptions{Interval: time.Millisecond})
	agent.Connect(f.OTLPClientTLS(), listener.Addr().(*net.TCPAddr).Port)
	running.Go(func() { _ = agent.Run(ctx) })
	defer func() {
		cancel()
		running.Wait()
	}()

	const last = 9000
	began := time.Now().Add(-time.Minute).UnixNano()
	send := func(i, total int) {
		tags := map[string]string{"origin": "rep", "deployment": "cf", "job": "diego_cell"}
		for range 2 {
			agent.Emit(&loggregator_v2.Envelope{
				Timestamp: began + int64(i)*1000,
				SourceId:  "rep",
				Tags:      tags,
				Message: &loggregator_v2.Envelope_Counter{
					Counter: &loggregator_v2.Counter{Name: "counted", Total: uint64(total)},
				},
			})
		}
		agent.Emit(&loggregator_v2.Envelope{
			Timestamp: began + int64(i)*1000, SourceId: "rep", Tags: tags,
			Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
				Metrics: map[string]*loggregator_v2.GaugeValue{"shown": {Value: float64(i)}},
			}},
		})
	}
	page := func() string { _, page := fetch(t, "http://"+r.Web.String()+"/metrics"); return page }
	highest := 0.0
	watch := func() (value float64) {
		if m := countedTotal.FindStringSubmatch(page()); m != nil {
			value, _ = strconv.ParseFloat(m[1], 64)
		}
		if value < highest {
			t.Fatalf("the counter fell from %v to %v", highest, value)
		}
		highest = value
		return value
	}
	for i := 1; i <= last; i++ {
		send(i, i)
		if i%1000 == 0 {
			awaitDelivered(t, agent, uint64(3*i), func() { watch() })
		}
	}
	for watch() != last { // the collector still has some; the test's own timeout ends it
	}
	tags := `bosh_deployment="cf",bosh_job_name="diego_cell",component="rep",origin="rep",source_id="rep"`
	awaitPage(t, r, fmt.Sprintf("cf_counted_total{%s} %d\n", tags, last), fmt.Sprintf("cf_shown{%s} %d\n", tags, last))
}

// awaitDelivered calls watch until the agent has got rid of so many metrics.
func awaitDelivered(t *testing.T, agent *foundation.OTLPAgent, metrics uint64, watch func()) {
	t.Helper()
	for {
		c := agent.Counts()
		if c.Lost+c.Overflowed > 0 {
			t.Fatalf("%+v", c)
		}
		if c.Delivered >= metrics {
			return
		}
		watch()
	}
}
