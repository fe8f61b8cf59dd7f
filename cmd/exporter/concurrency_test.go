package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/config"
	"loggregator_exporter/nozzle"
)

const (
	turmoilWriters = 3
	perWriter      = 10 // established series of each kind
	turmoilSeries  = 300
	turmoilFloods  = 250 // each brings two newcomers or so, and some must find no room
)

// turmoil is a service at which everything happens at once.
type turmoil struct {
	t       *testing.T
	ctx     context.Context
	service *service
	url     string
	client  http.Client
	step    atomic.Int64 // of reloads, which decide on the configuration
	pushes  atomic.Int64
	scrapes [4]atomic.Int64 // of each kind of page
	reloads atomic.Int64
	floods  atomic.Int64
}

// configuration is one of four: rules, limits and expiration go back and forth.
func (u *turmoil) configuration(dir, receiver string) *config.Config {
	cfg, n := testConfig(), u.step.Add(1)
	cfg.Web.EnableLifecycle = true
	cfg.Tagger.Catalogue = false // it takes a second to compile under the race detector
	cfg.Tagger.RulesFiles = []string{filepath.Join(dir, fmt.Sprintf("rules-%d.yaml", n%2))}
	cfg.Metrics.Compatibility, cfg.Metrics.CompatibilityMode = "firehose_exporter", "beside"
	cfg.Metrics.MaxSeries = turmoilSeries - int(n/2%2)*100
	cfg.Metrics.Expiration = 20 * time.Minute << (n % 3) // what is to expire has a rule
	o := &cfg.RemoteWrite
	o.Enabled, o.URL, o.Interval, o.SendExemplars, o.SendNativeHistograms = true, receiver, 20*time.Millisecond, true,
		true
	return cfg
}

func startTurmoil(ctx context.Context, t *testing.T) (u *turmoil, stop func()) {
	t.Helper()
	u = &turmoil{t: t, ctx: ctx}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		u.pushes.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	dir := t.TempDir()
	for i, rules := range []string{
		`rules: [{pattern: "moved.{x}", name: here}, {pattern: dropped, drop: true}]` + "\n" +
			`metrics: [{name: fleeting, expire: 1ms}]`,
		`rules: [{pattern: "moved.{x}", name: there}, {pattern: split_bucket, drop: true}]` + "\n" +
			`metrics: [{name: fleeting, expire: 2ms}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("rules-%d.yaml", i)), []byte("version: 1\n"+rules+"\n"),
			0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() (*config.Config, error) { return u.configuration(dir, receiver.URL), nil }
	first, _ := load() // it never fails
	var err error
	if u.service, err = assemble(first, load, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	addr, err := u.service.server.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	u.url = "http://" + addr.String()
	serving, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- u.service.run(serving, addr, hooks{}) }()
	return u, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		receiver.Close()
		u.client.CloseIdleConnections()
	}
}

// writer is one stream of a source, which knows what it sent.
type writer struct {
	number             int
	intake             *nozzle.Intake
	envelopes, samples int
	rounds             int
}

func (w *writer) send(t *testing.T, samples int, envelopes ...*loggregator_v2.Envelope) {
	t.Helper()
	batch, err := proto.Marshal(&loggregator_v2.EnvelopeBatch{Batch: envelopes})
	if err != nil {
		t.Error(err)
	}
	w.intake.V2(batch, time.Now())
	w.envelopes += len(envelopes)
	w.samples += samples
}

func v2Envelope(name, tag, value string, m func(*loggregator_v2.Envelope)) *loggregator_v2.Envelope {
	e := &loggregator_v2.Envelope{
		Timestamp: time.Now().UnixNano(), SourceId: name,
		Tags: map[string]string{"origin": "o", tag: value},
	}
	m(e)
	return e
}

func gaugeNamed(name string, v float64) func(*loggregator_v2.Envelope) {
	return func(e *loggregator_v2.Envelope) {
		e.Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: map[string]*loggregator_v2.GaugeValue{name: {Value: v}}}}
	}
}

func counterNamed(name string, total uint64) func(*loggregator_v2.Envelope) {
	return func(e *loggregator_v2.Envelope) {
		e.Message = &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: name, Total: total}}
	}
}

// established sends what is there from the beginning to the end, and has to be: gauges, totals, deltas, requests,
// and the pieces of a histogram and of a summary.
func (w *writer) established(t *testing.T) {
	t.Helper()
	w.rounds++
	n := uint64(w.rounds)
	var all []*loggregator_v2.Envelope
	for i := range perWriter {
		id := fmt.Sprintf("%d_%d", w.number, i)
		all = append(all, v2Envelope("e", "n", id, gaugeNamed("established.level", float64(n))),
			v2Envelope("e", "n", id, counterNamed("established.sent", n)))
	}
	id := strconv.Itoa(w.number)
	for le, count := range map[string]uint64{"0.5": n, "+Inf": 2 * n} {
		e := v2Envelope("e", "le", le, counterNamed("established.took_seconds_bucket", count))
		e.Tags["n"] = id
		all = append(all, e)
	}
	quantile := v2Envelope("e", "quantile", "0.5", gaugeNamed("established.pause_seconds", float64(n)))
	quantile.Tags["n"] = id
	all = append(all, quantile)
	for _, name := range []string{"established.took_seconds", "established.pause_seconds"} {
		all = append(all, v2Envelope("e", "n", id, gaugeNamed(name+"_sum", float64(n))),
			v2Envelope("e", "n", id, counterNamed(name+"_count", 2*n)))
	}
	timer := v2Envelope("gorouter", "method", "GET", func(e *loggregator_v2.Envelope) {
		e.Message = &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{
			Name: "http", Start: 1,
			Stop: int64(w.rounds%5000) * 1e6,
		}}
		e.Tags["peer_type"], e.Tags["status_code"], e.Tags["component"] = "Server", "200", "c"+id
		e.Tags["x_b3_traceid"] = fmt.Sprintf("%016x", w.rounds)
	})
	all = append(all, timer)
	w.send(t, len(all), all...)

	delta, err := proto.Marshal(&events.Envelope{
		Origin: new("o"), EventType: events.Envelope_CounterEvent.Enum(), Timestamp: new(time.Now().UnixNano()),
		Job:          new(id),
		CounterEvent: &events.CounterEvent{Name: new("established.deltas"), Delta: new(uint64(3))},
	})
	if err != nil || !w.intake.V1(delta, time.Now()) {
		t.Error("a delta", err)
	}
	w.envelopes++
	w.samples++
}

// flood sends what comes and goes: newcomers, what rules move, drop and let expire, what is in conflict, and what
// is no sample.
func (w *writer) flood(t *testing.T) {
	t.Helper()
	n := strconv.Itoa(w.rounds)
	w.send(t, 9,
		v2Envelope("f", "id", n+"-"+strconv.Itoa(w.number), gaugeNamed("flood", 1)),
		v2Envelope("f", "id", n, counterNamed("flooded", 1)),
		v2Envelope("f", "id", n, gaugeNamed("moved."+strconv.Itoa(w.rounds%50), 1)),
		v2Envelope("f", "id", n, gaugeNamed("dropped", 1)),
		v2Envelope("f", "id", strconv.Itoa(w.rounds%20), gaugeNamed("fleeting", 1)),
		v2Envelope("f", "id", "1", counterNamed("established.level", 1)),
		v2Envelope("f", "le", strconv.Itoa(w.rounds%700), counterNamed("split_bucket", 1)),
		v2Envelope("f", "quantile", "0.25", gaugeNamed("split", 1)),
		v2Envelope("f", "id", "1", gaugeNamed("split_sum", 1)),
		v2Envelope("f", "id", "1", func(e *loggregator_v2.Envelope) { e.Message = &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{}} }))
	w.intake.V2([]byte{0x0a, 0x02, 0x08}, time.Now()) // broken
	w.envelopes++
}

// enough says whether everything has happened often enough beside everything else.
func (u *turmoil) enough() bool {
	for i := range u.scrapes {
		if u.scrapes[i].Load() < 15 {
			return false
		}
	}
	return u.pushes.Load() >= 20 && u.reloads.Load() >= 12 && u.floods.Load() >= turmoilFloods
}

// Writers of all kinds, scrapes in every format, rounds of remote write, reloads that change rules, limits and
// expiration, expiry and the limit itself, at once, and under the race detector: nothing established is missing
// from any page, no page holds a series twice, and at the end every envelope and every sample sent is in the ledger
// once, and every observation and delta in its series.
func TestEverythingAtOnce(t *testing.T) {
	ctx := t.Context()
	u, stop := startTurmoil(ctx, t)
	account := u.service.ledger.Source("rlp")
	writers := make([]writer, turmoilWriters)
	for i := range writers {
		writers[i] = writer{number: i, intake: nozzle.NewIntake(account, u.service.stores.sink())}
		writers[i].established(t)
	}
	var all sync.WaitGroup
	over := func() bool { return t.Failed() || u.enough() } // the test's own timeout ends what is never enough
	for i := range writers {
		all.Go(func() {
			for !over() {
				writers[i].established(t)
				writers[i].flood(t)
				u.floods.Add(1)
			}
		})
	}
	for i := range turmoilPages {
		all.Go(func() {
			for !over() {
				if _, err := u.scrape(&turmoilPages[i]); err != nil {
					t.Errorf("%s: %v", turmoilPages[i].accept, err)
				}
				u.scrapes[i].Add(1)
			}
		})
	}
	all.Go(func() {
		for !over() {
			if err := u.service.reloader.reload("the test"); err != nil {
				t.Error(err)
			}
			u.reloads.Add(1)
		}
	})
	all.Wait()
	u.check(writers)
	stop()
}

// check compares what was sent with what the pages say at rest.
func (u *turmoil) check(writers []writer) {
	u.t.Helper()
	got, err := u.scrape(&turmoilPages[0])
	if err != nil {
		u.t.Fatal(err)
	}
	binary, err := u.scrape(&turmoilPages[2])
	if err != nil {
		u.t.Fatal(err)
	}
	envelopes, samples := 0, 0
	want := map[string]float64{}
	for i := range writers {
		w := &writers[i]
		envelopes, samples = envelopes+w.envelopes, samples+w.samples
		n, id := float64(w.rounds), strconv.Itoa(w.number)
		for j := range perWriter {
			labels := fmt.Sprintf(`{component="o",n="%s_%d",origin="o",source_id="e"}`, id, j)
			want["cf_established_level"+labels], want["cf_established_sent_total"+labels] = n, n
		}
		labels := `{component="o",n="` + id + `",origin="o",source_id="e"}`
		want["cf_established_took_seconds_count"+labels], want["cf_established_took_seconds_sum"+labels] = 2*n, n
		want["cf_established_pause_seconds_count"+labels] = 2 * n
		want[`cf_established_deltas_total{bosh_job_name="`+id+`",component="o",origin="o",source_id="o"}`] = 3 * n
		want[`cf_http_request_duration_seconds_count{component="c`+id+`",method="GET",status="2xx"}`] = n
	}
	for series, v := range want {
		if got[series] != v {
			u.t.Errorf("%s is %v, want %v", series, got[series], v)
		}
		if b, ok := binary[series]; ok && b != v {
			u.t.Errorf("%s is %v in protobuf, want %v", series, b, v)
		}
	}
	sum := func(name string) (n float64) {
		for series, v := range got {
			if strings.HasPrefix(series, "loggregator_exporter_"+name+"{") {
				n += v
			}
		}
		return n
	}
	if e, r, s := sum("envelopes_total"), sum("envelopes_received_total"),
		sum("samples_total"); e != float64(envelopes) || r != e || s != float64(samples) {
		u.t.Errorf("%v of %v envelopes received and %d sent, %v samples of %d sent", e, r, envelopes, s, samples)
	}
	for _, outcome := range []string{"stored", "conflict", "over_limit", "dropped_by_rule"} {
		if got[`loggregator_exporter_samples_total{outcome="`+outcome+`"}`] == 0 {
			u.t.Error("no sample was", outcome)
		}
	}
	if n := sum("remote_write_samples_failed_total") + sum("remote_write_samples_dropped_total"); n != 0 {
		u.t.Errorf("%v samples were not pushed", n)
	}
	u.t.Logf("%d envelopes, %d samples, %d pushes, %d reloads, %v series", envelopes, samples, u.pushes.Load(),
		u.reloads.Load(), got["loggregator_exporter_series"])
}
