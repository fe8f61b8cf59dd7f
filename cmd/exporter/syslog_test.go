package main

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/config"
	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/filter"
)

// syslogConfig is the configuration of a drain without TLS.
func syslogConfig() *config.Config {
	cfg := testConfig()
	cfg.Nozzle.UDP.Enabled = false
	cfg.Nozzle.Syslog.Enabled, cfg.Nozzle.Syslog.ListenAddress = true, "127.0.0.1:0"
	return cfg
}

// sendSyslog sends text to the drain of a service, and waits until so many envelopes are received.
func sendSyslog(t *testing.T, r running, text string, envelopes int) {
	t.Helper()
	conn, err := net.Dial("tcp", r.Listening["syslog"].String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	received := gatherer(t, r.Ledger)
	for received("syslog") < uint64(envelopes) || r.Ledger.Ready() {
		_, _ = fetch(t, "http://"+r.Web.String()+"/-/healthy")
	}
}

// TestSyslogSeries: each message of a real agent becomes the series of a golden page, and the same data by RLP becomes
// the same page.
func TestSyslogSeries(t *testing.T) {
	r, stop := startService(t, syslogConfig(), slog.New(slog.DiscardHandler))
	frames := wiretest.SyslogFrames(t)
	sendSyslog(t, r, strings.Join(frames, ""), len(frames))
	_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
	if err := stop(); err != nil {
		t.Error(err)
	}
	compareGolden(t, "testdata/syslog/page.txt", caseLines(page))

	other, stop := startService(t, syslogConfig(), slog.New(slog.DiscardHandler))
	in := nozzle.NewIntake(other.Ledger.Source("rlp"), other.Store.Writer())
	for _, message := range wiretest.SyslogMessages(t) {
		in.V2(batchOf(t, message), time.Now())
	}
	_, byRLP := fetch(t, "http://"+other.Web.String()+"/metrics")
	if err := stop(); err != nil {
		t.Error(err)
	}
	wiretest.RequireEqual(t, "by RLP", caseLines(byRLP), caseLines(page))
}

// batchOf is what the RLP sends of the envelope that a syslog message was made of, as Cloud Foundry's library reads
// it.
func batchOf(t *testing.T, message []byte) []byte {
	t.Helper()
	p, err := wiretest.OracleSyslog(message)
	if err != nil {
		t.Fatal(err)
	}
	e := &loggregator_v2.Envelope{
		Timestamp: p.Timestamp, SourceId: p.SourceID, InstanceId: p.InstanceID, Tags: p.Tags,
	}
	switch p.Kind {
	case metric.KindGauge:
		points := map[string]*loggregator_v2.GaugeValue{}
		for name, point := range p.Points {
			points[name] = &loggregator_v2.GaugeValue{Unit: point.Unit, Value: math.Float64frombits(point.Bits)}
		}
		e.Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: points}}
	case metric.KindCounter:
		e.Message = &loggregator_v2.Envelope_Counter{
			Counter: &loggregator_v2.Counter{Name: p.Name, Delta: p.Delta, Total: p.Total},
		}
	case metric.KindTimer:
		e.Message = &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{Name: p.Name, Start: p.Start, Stop: p.Stop}}
	case metric.KindNone, metric.KindLog, metric.KindEvent, metric.KindHistogram, metric.KindSummary:
	}
	batch, err := proto.Marshal(&loggregator_v2.EnvelopeBatch{Batch: []*loggregator_v2.Envelope{e}})
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// TestSyslogFilters: filters hold for the source as for the others.
func TestSyslogFilters(t *testing.T) {
	cfg := syslogConfig()
	cfg.Nozzle.Stream.Filters = []filter.Filter{
		{Drop: &filter.Match{Kind: []string{"counter"}}},
		{Drop: &filter.Match{Name: []string{"c*"}}},
	}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	frames := wiretest.SyslogFrames(t)
	sendSyslog(t, r, strings.Join(frames, ""), len(frames))
	_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, line := range []string{
		`loggregator_exporter_envelopes_total{outcome="converted",source="syslog"} 15`,
		`loggregator_exporter_envelopes_total{outcome="filtered",source="syslog"} 22`,
		`loggregator_exporter_envelopes_total{outcome="ignored",source="syslog"} 3`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

// TestSyslogOrder: what one agent sends over several connections comes backwards, and two samples may have one time,
// which agents cut to microseconds. The values are right nevertheless, and a late lower total is no restart.
func TestSyslogOrder(t *testing.T) {
	r, stop := startService(t, syslogConfig(), slog.New(slog.DiscardHandler))
	sent := 0
	send := func(second int, total uint64, value float64) {
		header := fmt.Sprintf("<14>1 2026-11-18T11:06:%02d.123456+00:00 - s [0] - ", second)
		text := ""
		for _, m := range []string{
			fmt.Sprintf(`[counter@47450 name="requests" total="%d" delta="1"] `, total),
			fmt.Sprintf(`[gauge@47450 name="level" value="%g" unit="u"] `, value),
		} {
			m = header + m + "\n"
			text += fmt.Sprintf("%d %s", len(m), m)
		}
		sent += 2
		sendSyslog(t, r, text, sent) // by a connection of its own
	}
	requireValues := func(total, value string) {
		t.Helper()
		_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
		for _, line := range []string{
			`cf_requests_total{component="s",instance_id="0",source_id="s"} ` + total,
			`cf_level{component="s",instance_id="0",source_id="s"} ` + value,
		} {
			if !strings.Contains(page, line+"\n") {
				t.Errorf("no %s in\n%s", line, caseLines(page))
			}
		}
	}
	send(10, 100, 1)
	send(40, 400, 4)
	send(20, 200, 2)
	send(30, 300, 3)
	requireValues("400", "4")
	send(40, 401, 4.5) // the same microsecond
	requireValues("401", "4.5")
	send(39, 399, 3.9)
	requireValues("401", "4.5")
	if err := stop(); err != nil {
		t.Error(err)
	}
}
