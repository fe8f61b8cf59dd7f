package console

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
	"loggregator_exporter/web"
	"loggregator_exporter/web/api"
	"loggregator_exporter/web/overview"
)

// eventsLast is how long events are problems in these tests, instead of five minutes.
const eventsLast = 3 * time.Second

// patient is an exporter of which everything is wrong, or nothing: what its console is told is made up, but for the
// series.
type patient struct {
	*api.API

	push func(on bool) // switches remote write

	mu     sync.Mutex
	silent bool // nothing has come yet
	wrong  bool
	unread bool    // nobody scrapes
	events float64 // of each kind since the start: they go on while something is wrong
}

// counters are those that grow while something is wrong.
var counters = []overview.Column{
	{Metric: "source_refusals_total", First: "client_certificate", Second: "syslog"},
	{Metric: "source_reconnects_total", First: "lost", Second: "firehose"},
	{Metric: "source_reconnects_total", First: "slow", Second: "ingress"},
	{Metric: "envelopes_total", First: "malformed", Second: "udp"},
	{Metric: "samples_total", First: "conflict"},
	{Metric: "samples_total", First: "over_limit"},
	{Metric: "samples_total", First: "invalid"},
	{Metric: "samples_total", First: "outdated"},
	{Metric: "upstream_dropped_total", First: "egress", Second: "loggregator.rlp"},
	{Metric: "otlp_points_refused_total", First: "no_name"},
	{Metric: "udp_dropped_datagrams_total"},
	{Metric: "remote_write_samples_failed_total"},
	{Metric: "remote_write_samples_dropped_total", First: "queue_full"},
}

// sentences are a part of what the page says of each problem of the patient, by its id.
var sentences = map[string]string{
	"source_down/rlp":                           "Source rlp is not connected",
	"source_mute/gateway":                       "Source gateway is connected, but mute",
	"source_refusals/syslog/client_certificate": "Source syslog refused",
	"source_reconnects/firehose/lost":           "Source firehose had to connect again",
	"too_slow/ingress/slow":                     "Source ingress is given more than the exporter takes",
	"too_slow/udp/datagrams":                    "the kernel dropped",
	"clock/otlp":                                "envelopes by source otlp are 30s ahead",
	"malformed/udp":                             "that cannot be read",
	"upstream_loss/loggregator.rlp/egress":      "Loggregator lost",
	"old_data/syslog":                           "Syslog agents send data that is 5m0s old",
	"points_refused/no_name":                    "Source otlp refused",
	"conflicts":                                 "came for the series, or the family, of another sender or name",
	"over_limit":                                "had no room",
	"invalid":                                   "could not become a metric",
	"outdated":                                  "are older than what is there",
	"near_limit/max_series":                     "There are 9 series, of 10",
	"untagged_names":                            "1 name came that no rule takes",
	"reload_failed":                             "the old one stays in force: rules.yaml:3: no pattern",
	"certificate/nozzle.rlp.tls.cert_file":      "The certificates of nozzle.rlp.tls.cert_file end at",
	"scrape_too_large/10.0.0.9":                 "vm_promscrape at 10.0.0.9 is given more than it takes",
	"scrapes/aborted":                           "ended before all was sent",
	"scrapes/refused":                           "found no place",
	"scrapes/invalid":                           "had a selector that cannot be read",
	"scrapes/omitted":                           "a metric was left out of a scrape",
	"remote_write/failed":                       "the receiver of remote write refused them for good",
	"remote_write/dropped":                      "the queue is full",
	"remote_write/behind":                       "the receiver is 5m0s behind",
	"token":                                     "There is no valid token of UAA",
}

// value returns one of two values, as the patient fares.
func (p *patient) value(well, wrong float64) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wrong {
		return wrong
	}
	return well
}

// setWrong makes everything wrong, or mends it.
func (p *patient) setWrong(wrong bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = wrong
}

// setSilent says whether nothing has come yet.
func (p *patient) setSilent(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}

// setUnread says whether nobody scrapes.
func (p *patient) setUnread(unread bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unread = unread
}

// happen lets an event of each kind happen while something is wrong; mu is held.
func (p *patient) happen() {
	if !p.wrong {
		return
	}
	p.events += 3 // a source may have to connect again twice
	for _, outcome := range []string{"aborted", "refused", "invalid"} {
		p.ObserveScrape(overview.Scrape{Remote: "10.0.0.8:1", Outcome: outcome, Omitted: 1})
	}
}

// sources is called for each status.
func (p *patient) sources() []overview.Source {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.happen()
	byName := map[string]*overview.Source{}
	for _, name := range []string{"rlp", "gateway", "firehose", "udp", "ingress", "syslog", "otlp"} {
		byName[name] = &overview.Source{
			Name: name, Up: true, Connections: 1, LastEnvelope: time.Now(), Envelopes: map[string]uint64{},
			Samples: map[string]uint64{}, Reconnects: map[string]uint64{}, Refusals: map[string]uint64{},
		}
	}
	for _, s := range byName {
		if p.silent {
			s.LastEnvelope, s.ConnectedSince = time.Time{}, time.Now()
		}
	}
	for _, e := range counters {
		n := uint64(p.events)
		switch e.Metric {
		case "source_refusals_total":
			byName[e.Second].Refusals[e.First] = n
		case "source_reconnects_total":
			byName[e.Second].Reconnects[e.First] = n
		case "envelopes_total":
			byName[e.Second].Envelopes[e.First] = n
		case "samples_total":
			byName["udp"].Samples[e.First] = n
		}
	}
	scrape := overview.Scrape{
		Remote: "10.0.0.9:1", UserAgent: "vm_promscrape", Outcome: "complete", Bytes: 1 << 20, LimitBytes: 16 << 20,
	}
	if p.wrong {
		byName["rlp"].Up, byName["rlp"].Connections = false, 0
		byName["gateway"].Up = false
		byName["otlp"].ClockAheadSeconds = 30
		scrape.Bytes = 17 << 20
	}
	if !p.unread {
		p.ObserveScrape(scrape)
	}
	var list []overview.Source
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, *byName[name])
	}
	return list
}

// counts is called for each status and each point of the history.
func (p *patient) counts(yield func(overview.Column, float64)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.happen()
	for _, e := range counters {
		yield(e, p.events)
	}
}

// register registers the metrics of its own by which the page knows the rest. It returns that by which it knows that remote
// write is on.
func (p *patient) register(own *prometheus.Registry) (pushes prometheus.Collector) {
	now := float64(time.Now().Unix())
	for _, g := range []struct {
		name        string
		labels      prometheus.Labels
		well, wrong float64
	}{
		{"certificate_expiry_timestamp_seconds", prometheus.Labels{"setting": "nozzle.rlp.tls.cert_file"}, now + 1e8, now + 1e6},
		{"syslog_oldest_data_seconds", nil, 1, 300},
		{"uaa_token_expiry_timestamp_seconds", nil, now + 1e4, now - 1},
		{"remote_write_samples_total", nil, 1, 1},
		{"remote_write_highest_timestamp_seconds", nil, now, now},
		{"remote_write_queue_highest_sent_timestamp_seconds", nil, now, now - 300},
	} {
		gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "loggregator_exporter_" + g.name, Help: "h", ConstLabels: g.labels,
		}, func() float64 { return p.value(g.well, g.wrong) })
		own.MustRegister(gauge)
		if g.name == "remote_write_samples_total" {
			pushes = gauge
		}
	}
	return pushes
}

// storeOptions are those of a store with a limit, and with a rule, or none, for the only name.
func storeOptions(t *testing.T, limit int, rules string) store.Options {
	t.Helper()
	compiled, _, err := tagger.New(tagger.Options{
		UserRules: []tagger.Source{{File: "rules.yaml", Data: []byte("version: 1\nrules: [" + rules + "]\n")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return store.Options{
		Resolver:   resolver.New(resolver.Options{Tagger: compiled, Naming: naming.Style{Namespace: "cf"}}),
		Expiration: time.Hour, MaxSeries: limit,
	}
}

// send sends nine series of the only name.
func send(s *store.Store) {
	for i := range 9 {
		e := metric.Envelope{
			Kind: metric.KindGauge, Arrived: time.Now().UnixNano(), Points: []metric.Point{{Name: []byte("alone"), Value: 1}},
		}
		e.AddTag([]byte("origin"), fmt.Append(nil, "vm", i))
		s.Writer().Write(&e, new(metric.Tally))
	}
}

// newPatient serves the console of a patient that is well at an address.
func newPatient(t *testing.T) (p *patient, s *store.Store, address string) {
	t.Helper()
	s, err := store.New(storeOptions(t, 100, `{id: mine/alone, pattern: "alone"}`))
	if err != nil {
		t.Fatal(err)
	}
	send(s)
	p = &patient{silent: true}
	own := prometheus.NewRegistry()
	pushes := p.register(own)
	p.push = func(on bool) {
		own.Unregister(pushes)
		if on {
			own.MustRegister(pushes)
		}
	}
	p.API = api.New(api.Options{Options: overview.Options{
		Store: s, Own: own, Recent: eventsLast, Sources: p.sources, Counts: p.counts,
		Losses: func() []overview.Loss {
			p.mu.Lock()
			defer p.mu.Unlock()
			return []overview.Loss{{Origin: "loggregator.rlp", Direction: "egress", Count: uint64(p.events)}}
		},
		Reload: func() overview.Reload {
			if p.value(0, 1) > 0 {
				return overview.Reload{Error: "rules.yaml:3: no pattern", LastAttempt: time.Now()}
			}
			return overview.Reload{Successful: true}
		},
	}})
	pages, err := web.NewHandler(web.Pages{
		Metrics: http.NotFoundHandler(), TelemetryPath: "/metrics", Ready: func() (bool, string) { return true, "" }, API: p.API,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(t.Context()) })
	server := httptest.NewServer(pages)
	t.Cleanup(func() { server.Close(); running.Wait() })
	return p, s, strings.TrimPrefix(server.URL, "http://")
}

// TestProblems: the sentence of each kind of problem appears when it begins, and goes away when it is over.
func TestProblems(t *testing.T) {
	t.Parallel()
	p, s, address := newPatient(t)
	b := open(t, address, "/")
	b.await(t, `document.querySelector("#verdict").classList.contains("note") && `+ids+` === "nothing_received"`)
	b.awaitText(t, "#verdict", "Nothing has been received since the start.")
	p.setSilent(false)
	b.await(t, `document.querySelector("#verdict").classList.contains("ok") && `+ids+` === ""`)

	const unread = "not_scraped"
	p.setUnread(true)
	p.push(false)
	b.await(t, `document.querySelector("#verdict").classList.contains("ok") && `+ids+` === "`+unread+`"`)
	b.await(t, `document.querySelector("[data-problem=`+unread+`]").textContent.includes("Nobody has scraped the metrics since")`)
	p.push(true) // which is a reader
	b.await(t, ids+` === ""`)
	p.setUnread(false)

	p.setWrong(true)
	if _, err := s.Reload(storeOptions(t, 10, "")); err != nil { // nearly full, and without a rule
		t.Fatal(err)
	}
	send(s)
	b.await(t, ids+` === `+quote(strings.Join(slices.Sorted(maps.Keys(sentences)), "\n")))
	kinds := map[string]bool{overview.KindNothing: true, unread: true}
	for id, sentence := range sentences {
		kinds[strings.Split(id, "/")[0]] = true
		shown := eval[string](t, b, fmt.Sprintf("document.querySelector('[data-problem=%q]').textContent", id))
		if !strings.Contains(shown, sentence) {
			t.Errorf("%s: %q, want %q", id, shown, sentence)
		}
	}
	docs, err := os.ReadFile(filepath.Join(peer.Root(t), "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(docs), "| kind | not well |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, kind := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		if !kinds[kind[1]] {
			t.Errorf("the page was not seen to show a problem of the kind %s", kind[1])
		}
	}

	p.setWrong(false)
	if _, err := s.Reload(storeOptions(t, 100, `{id: mine/alone, pattern: "alone"}`)); err != nil {
		t.Fatal(err)
	}
	send(s)
	b.await(t, `document.querySelector("#verdict").classList.contains("ok") && `+ids+` === ""`)
}
