package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/config"
	"loggregator_exporter/exposition"
	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
)

// behind is an exporter behind a name that others have, too: its stores, and what a scrape of it shows.
type behind struct {
	stores *stores
	sink   nozzle.Sink
}

func (b *behind) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	h := exposition.NewHandler(b.stores.shown(), prometheus.NewRegistry(), exposition.Options{})
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return samples(t, w.Body.String())
}

// value returns that of the series of a metric, of which there is at most one; 0 where there is none.
func value(t *testing.T, page map[string]float64, name string) (v float64) {
	t.Helper()
	n := 0
	for series, is := range page {
		if strings.HasPrefix(series, name+"{") {
			v = is
			n++
		}
	}
	if n > 1 {
		t.Errorf("%d series of %s", n, name)
	}
	return v
}

// vm is a VM whose agent sends, each 15 s, a gauge, two counters and a request to the exporter that it is connected
// to. One counter is of deltas, to which the agent adds its running total, the other one is a total of its
// component.
type vm struct {
	gauge          float64
	counted        uint64 // by either component
	running, total uint64 // as they are sent
	requests       int
}

func (m *vm) send(to *behind) {
	now := time.Now().UnixNano()
	m.gauge++
	m.counted += 10
	m.running += 10
	m.total += 10
	m.requests++
	origin := metric.Tag{Key: []byte("origin"), Value: []byte("bbs")}
	server := metric.Tag{Key: []byte("peer_type"), Value: []byte("Server")}
	for _, e := range []metric.Envelope{
		{Kind: metric.KindGauge, Points: []metric.Point{{Name: []byte("level"), Value: m.gauge}}},
		{Kind: metric.KindCounter, Name: []byte("work"), Delta: 10, Total: m.running},
		{Kind: metric.KindCounter, Name: []byte("own"), Total: m.total},
		{Kind: metric.KindTimer, Name: []byte("http"), Start: now - 1000, Stop: now, Tags: []metric.Tag{server}},
	} {
		e.Timestamp, e.Arrived, e.SourceID, e.Tags = now, now, []byte("bbs"), append(e.Tags, origin)
		to.sink.Add(&e, new(metric.Tally))
		to.sink.Flush(new(metric.Tally))
	}
}

// minute is the life of a connection.
func (m *vm) minute(to *behind) {
	for range 4 {
		m.send(to)
		time.Sleep(15 * time.Second)
		synctest.Wait()
	}
}

// behindOneName runs a test with two exporters, in synthetic time.
func behindOneName(t *testing.T, adaptive bool, test func(t *testing.T, exporters []*behind)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var exporters []*behind
		done := make(chan error, 2)
		for range 2 {
			cfg := config.Default()
			cfg.Metrics.AdaptiveExpiration = adaptive
			rules, err := newTagger(&cfg.Tagger)
			if err != nil {
				t.Fatal(err)
			}
			s, err := newStores(cfg, rules, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			go func() { done <- s.run(ctx) }()
			exporters = append(exporters, &behind{stores: s, sink: s.sink()})
		}
		test(t, exporters)
		cancel()
		for range exporters {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestBehindOneName tries what docs/sources.md says of exporters that share a name: an agent comes to the other one
// with each connection, once a minute.
func TestBehindOneName(t *testing.T) {
	const begunAnew = 10 // the minute in which the agent's running total and the component's own begin again at 0
	for _, adaptive := range []bool{false, true} {
		behindOneName(t, adaptive, func(t *testing.T, exporters []*behind) {
			t.Helper()
			m := &vm{}
			grown, last := 0.0, make(map[int]float64) // by increase() at all exporters; at the last scrape
			for minute := range 2 * begunAnew {
				here := minute % len(exporters)
				if minute == begunAnew {
					m.running, m.total = 0, 0
				}
				m.minute(exporters[here])
				var requests float64
				pages := make([]map[string]float64, len(exporters))
				for i, e := range exporters {
					pages[i] = e.scrape(t)
					requests += value(t, pages[i], "cf_http_request_duration_seconds")
					if work := value(t, pages[i], "cf_work_total"); minute < begunAnew && work > 0 {
						if _, seen := last[i]; seen {
							grown += work - last[i]
						}
						last[i] = work
					}
				}
				assert := func(what string, got, want float64) {
					t.Helper()
					if got != want {
						t.Errorf("adaptive %v, minute %d, %s: %v, want %v", adaptive, minute, what, got, want)
					}
				}
				highest := func(name string) float64 {
					return max(value(t, pages[0], name), value(t, pages[1], name))
				}
				assert("requests at both", requests, float64(m.requests))
				assert("gauge here", value(t, pages[here], "cf_level"), m.gauge)
				if minute > 0 {
					assert("gauge there", value(t, pages[1-here], "cf_level"), m.gauge-4)
				}
				switch {
				case minute < begunAnew:
					assert("highest total", highest("cf_work_total"), float64(m.counted))
					assert("highest total of the component", highest("cf_own_total"), float64(m.total))
				case minute == begunAnew:
					assert("highest total of the component", highest("cf_own_total"), float64(m.counted-40)) // the old one, there
				default:
					// What was counted there while the total began anew here is missing.
					assert("highest total", highest("cf_work_total"), float64(m.counted-40))
					assert("highest total of the component", highest("cf_own_total"), float64(m.total))
				}
			}
			// Each exporter sees the growth from its first total to its last, a minute's at a time.
			if want := 2.0 * (begunAnew - 2) * 40; grown != want {
				t.Errorf("the totals of both grew by %v, want %v: twice what the component counted", grown, want)
			}

			// The agent stays at the first exporter.
			for range 9 {
				m.minute(exporters[0])
			}
			if level := value(t, exporters[1].scrape(t), "cf_level"); !adaptive && level == 0 {
				t.Error("a series went before metrics.expiration")
			}
			m.minute(exporters[0])
			m.minute(exporters[0])
			page := exporters[1].scrape(t)
			for _, name := range []string{"cf_level", "cf_work_total", "cf_own_total", "cf_http_request_duration_seconds"} {
				if v := value(t, page, name); v != 0 {
					t.Errorf("adaptive %v: %s is %v where no agent has been for metrics.expiration", adaptive, name, v)
				}
			}
		})
	}
}

// TestAgentBehindOneName is the same by the real protocol: a name that leads to two exporters in turn, and an agent
// that resolves it for each of its connections.
func TestAgentBehindOneName(t *testing.T) {
	var exporters []running
	var received []func(source string) uint64
	for range 2 {
		cfg := testConfig()
		cfg.Nozzle.Syslog.Enabled, cfg.Nozzle.Syslog.ListenAddress = true, "127.0.0.1:0"
		r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
		defer func() {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}()
		exporters, received = append(exporters, r), append(received, gatherer(t, r.Ledger))
	}
	address, connected := inTurn(t, exporters[0].Listening["syslog"].String(), exporters[1].Listening["syslog"].String())
	agent := foundation.NewSyslogAgent(foundation.SyslogAgentOptions{
		Address: address, Drain: foundation.DrainAll, Refresh: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx) }()
	both := func(source string) uint64 { return received[0](source) + received[1](source) }
	rounds := 0
	for connected() < 6 { // the test's own timeout ends it
		rounds++
		for _, e := range round(uint64(rounds)) {
			agent.Emit(e)
		}
		if err := awaitReceived(ctx, both, "syslog", 3*rounds); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	var requests, highest, level float64
	for i, r := range exporters {
		_, body := fetch(t, "http://"+r.Web.String()+"/metrics")
		page := samples(t, body)
		total, last := value(t, page, "cf_work_total"), value(t, page, "cf_level")
		if total == 0 || last == 0 {
			t.Errorf("exporter %d lacks a series: work %v, level %v", i, total, last)
		}
		requests += value(t, page, "cf_http_request_duration_seconds")
		highest, level = max(highest, total), max(level, last)
	}
	if n := float64(rounds); requests != n || highest != 10*n || level != n {
		t.Errorf("%v requests, total %v, level %v of %v rounds", requests, highest, level, rounds)
	}
}

// round is what a VM emits for the nth time: a gauge, a counter and a request.
func round(n uint64) []*loggregator_v2.Envelope {
	now := time.Now().UnixNano()
	tags := map[string]string{"origin": "gorouter", "peer_type": "Server"}
	gauge := &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{"level": {Value: float64(n)}}}
	counter := &loggregator_v2.Counter{Name: "work", Delta: 10, Total: 10 * n}
	timer := &loggregator_v2.Timer{Name: "http", Start: now - 1000, Stop: now}
	envelopes := []*loggregator_v2.Envelope{
		{Message: &loggregator_v2.Envelope_Gauge{Gauge: gauge}},
		{Message: &loggregator_v2.Envelope_Counter{Counter: counter}},
		{Message: &loggregator_v2.Envelope_Timer{Timer: timer}},
	}
	for _, e := range envelopes {
		e.Timestamp, e.SourceId, e.Tags = now, "gorouter", tags
	}
	return envelopes
}

// inTurn returns an address that leads each connection to another one of some addresses, and the number of those that
// it has led.
func inTurn(t *testing.T, to ...string) (address string, connections func() int64) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := new(net.Dialer).DialContext(t.Context(), "tcp", to[accepted.Load()%int64(len(to))])
			if err != nil {
				t.Error(err)
				_ = in.Close()
				continue
			}
			accepted.Add(1)
			all.Go(func() {
				_, _ = io.Copy(out, in) // the agent reads nothing
				_, _ = in.Close(), out.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	return listener.Addr().String(), accepted.Load
}
