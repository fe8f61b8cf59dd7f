package overview

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// well is a source with which nothing is wrong.
func well(name string) Source {
	return Source{
		Name: name, Up: true, Connections: 1, ConnectedSince: time.Now(), LastEnvelope: time.Now(),
		Reconnects: map[string]uint64{}, Refusals: map[string]uint64{}, Envelopes: map[string]uint64{},
		Samples: map[string]uint64{},
	}
}

// set registers a gauge or counter of the exporter's own.
func (f *fixture) set(name string, value float64, labels ...string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	opts := prometheus.GaugeOpts{Name: ownPrefix + name, Help: "h"}
	if strings.HasSuffix(name, "_total") {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts(opts), names)
		f.registry.MustRegister(vec)
		vec.WithLabelValues(values...).Add(value)
		f.counts[Column{name, strings.Join(values, ""), ""}] = value
		return
	}
	vec := prometheus.NewGaugeVec(opts, names)
	f.registry.MustRegister(vec)
	vec.WithLabelValues(values...).Set(value)
}

// problemCase is a fault, the problems that it makes, and a part of the sentence of the first.
type problemCase struct {
	name     string
	fault    func(f *fixture)
	want     []string // severity and id
	sentence string
}

func problemCases() []problemCase {
	source := func(change func(s *Source)) func(f *fixture) {
		return func(f *fixture) { change(&f.sources[0]) }
	}
	return []problemCase{
		{"well", func(*fixture) {}, nil, ""},
		{"not connected", source(func(s *Source) {
			s.Up, s.Connections = false, 0
			s.LastError = &SourceError{Reason: "unreachable", Advice: "is the address right?", Text: "connection refused"}
		}), []string{"critical source_down/rlp"}, "Source rlp is not connected since 00:02:00 UTC."},
		{"never scraped", func(f *fixture) {
			f.started = f.started.Add(-time.Hour)
		}, []string{"notice not_scraped"}, "Nobody has scraped the metrics since the start at 23:00:00 UTC, and remote write is off."},
		{"pushed, and never scraped", func(f *fixture) {
			f.started = f.started.Add(-time.Hour)
			f.set("remote_write_samples_total", 0)
		}, nil, ""},
		{"scraped long ago", func(f *fixture) {
			f.ObserveScrape(Scrape{Outcome: "complete"})
			time.Sleep(recent + time.Second)
			f.ObserveScrape(Scrape{Outcome: "refused"})
			f.sources = []Source{well("rlp")}
		}, []string{"notice not_scraped"}, "Nobody has scraped the metrics since 00:02:00 UTC, and remote write is off."},
		{"mute", func(f *fixture) {
			f.started = f.started.Add(-time.Hour)
			f.ObserveScrape(Scrape{Outcome: "complete"})
			f.sources[0].LastEnvelope = time.Now().Add(-3 * time.Minute)
			f.sources[0].ConnectedSince = f.sources[0].LastEnvelope
		}, []string{"critical source_mute/rlp"}, "Source rlp is connected, but mute since 23:59:00 UTC."},
		{"silent for longer than is usual", source(func(s *Source) { s.Up = false }), []string{"critical source_mute/rlp"}, ""},
		{
			"nobody connected", func(f *fixture) { f.sources = append(f.sources, Source{Name: "syslog"}) },
			[]string{"critical source_down/syslog"},
			"Nobody is connected to source syslog, and nothing has come since the start at 00:00:00 UTC.",
		},
		{
			"refused handshakes", source(func(s *Source) {
				s.Refusals = map[string]uint64{"client_certificate": 3, "closed_in_handshake": 9, "tls": 0}
			}),
			[]string{"warning source_refusals/rlp/client_certificate"},
			"Source rlp refused 3 connections in the last 5 minutes: client_certificate.",
		},
		{
			"reconnects", source(func(s *Source) { s.Reconnects = map[string]uint64{"lost": 3, "ended": 9, "idle": 2} }),
			[]string{"warning source_reconnects/rlp/lost"},
			"Source rlp had to connect again 3 times",
		},
		{
			"too slow", source(func(s *Source) { s.Reconnects = map[string]uint64{"slow": 1} }),
			[]string{"warning too_slow/rlp/slow"},
			"Source rlp is given more than the exporter takes: 1 stream ended",
		},
		{
			"kernel drops", func(f *fixture) { f.set("udp_dropped_datagrams_total", 7) },
			[]string{"warning too_slow/udp/datagrams"},
			"the kernel dropped 7 datagrams",
		},
		{
			"clock ahead", source(func(s *Source) { s.ClockAheadSeconds, s.ClockSender = 30, `origin "rep"` }),
			[]string{"warning clock/rlp"},
			`are 30s ahead of the exporter's clock (origin "rep")`,
		},
		{
			"clock behind", source(func(s *Source) { s.ClockAheadSeconds = -300 }),
			[]string{"warning clock/rlp"},
			"more than 5m0s old",
		},
		{
			"malformed", source(func(s *Source) { s.Envelopes = map[string]uint64{"malformed": 1} }),
			[]string{"warning malformed/rlp"},
			"Source rlp received 1 envelope in the last 5 minutes that cannot be read.",
		},
		{
			"all malformed", source(func(s *Source) {
				s.Envelopes, s.LastEnvelope = map[string]uint64{"malformed": 7}, time.Time{}
			}),
			[]string{"critical malformed/rlp"},
			"Nothing that source rlp receives can be read: 7 envelopes in the last 5 minutes.",
		},
		{"nothing yet", func(f *fixture) {
			f.sources = []Source{{Name: "udp", Up: true, Connections: 1, ConnectedSince: f.started}}
		}, []string{"notice nothing_received"}, "Nothing has been received since the start."},
		{"between two connections of an agent", func(f *fixture) {
			s := well("syslog")
			s.Up, s.Connections, s.LastEnvelope = false, 0, time.Now().Add(-time.Minute)
			f.sources = append(f.sources, s)
		}, nil, ""},
		{"a source, and a certificate", func(f *fixture) {
			f.sources[0].Up, f.sources[0].Connections = false, 0
			f.set("certificate_expiry_timestamp_seconds", float64(time.Now().Add(47*time.Hour).Unix()), "setting", "a")
		}, []string{"critical source_down/rlp", "critical certificate/a"}, ""},
		{"losses", func(f *fixture) {
			f.sources[0].Received = 990
			f.losses = []Loss{{Origin: "loggregator.rlp", Direction: "egress", Count: 10}}
		}, []string{"notice upstream_loss"}, "lost 10 envelopes in the last 10 minutes, most of them at loggregator.rlp (egress): 1 % of what"},
		{"losses that are many together", func(f *fixture) {
			f.sources[0].Received = 1980
			f.losses = []Loss{
				{Origin: "loggregator.doppler", Direction: "ingress", Count: 12}, {Origin: "loggregator.rlp", Direction: "egress", Count: 12},
			}
		}, []string{"warning upstream_loss/loggregator.doppler/ingress", "warning upstream_loss/loggregator.rlp/egress"}, "0.6 % of what"},
		{
			"many losses", func(f *fixture) { f.losses = []Loss{{Origin: "x", Count: 1}} },
			[]string{"warning upstream_loss/x/"},
			"at x (both sides): 100 % of what it should bring.",
		},
		{
			"old data", func(f *fixture) { f.set("syslog_oldest_data_seconds", 121) },
			[]string{"warning old_data/syslog"},
			"2m1s old",
		},
		{
			"points refused", func(f *fixture) { f.set("otlp_points_refused_total", 2, "reason", "no_name") },
			[]string{"warning points_refused/no_name"},
			"Source otlp refused 2 data points in the last 5 minutes: no_name.",
		},
		{"conflict", func(f *fixture) {
			f.gauge("queue.a.depth")
			f.gauge("rep.queue.a.depth")
			f.sources[0].Samples = map[string]uint64{"stored": 99, "conflict": 1}
		}, []string{"warning conflicts"}, "for example rep.queue.a.depth: its series belongs to raw name"},
		{"conflict of a long name", func(f *fixture) {
			f.gauge("queue.a." + strings.Repeat("x", 200))
			f.gauge("rep.queue.a." + strings.Repeat("x", 200))
			f.sources[0].Samples = map[string]uint64{"stored": 99, "conflict": 1}
		}, []string{"warning conflicts", "notice untagged_names"}, "for example rep.queue.a." + strings.Repeat("x", 88) + "...: its series"},
		{
			"over limit", source(func(s *Source) { s.Samples = map[string]uint64{"over_limit": 2} }),
			[]string{"warning over_limit"},
			"2 samples in the last 5 minutes had no room",
		},
		{"invalid", source(func(s *Source) { s.Samples = map[string]uint64{"invalid": 1} }), []string{"warning invalid"}, ""},
		{
			"outdated", source(func(s *Source) { s.Samples = map[string]uint64{"stored": 9, "outdated": 1} }),
			[]string{"warning outdated"},
			"10 % are older",
		},
		{"a few outdated", source(func(s *Source) { s.Samples = map[string]uint64{"stored": 99, "outdated": 1} }), nil, ""},
		{"near the limit", func(f *fixture) {
			for i := range 9 {
				f.gauge(fmt.Sprintf("queue.q%d.depth", i))
			}
		}, []string{"warning near_limit/max_series"}, "There are 9 series, of 10"},
		{"untagged", func(f *fixture) { f.gauge("no rule") }, []string{"notice untagged_names"}, "1 name"},
		{
			"reload", func(f *fixture) { f.reload = Reload{Error: "user.yaml:3:5: x\nmore", LastAttempt: time.Now()} },
			[]string{"warning reload_failed"},
			"stays in force: user.yaml:3:5: x (and more)",
		},
		{"certificate", func(f *fixture) {
			f.set("certificate_expiry_timestamp_seconds", float64(time.Now().Add(9*24*time.Hour).Unix()), "setting", "a")
		}, []string{"warning certificate/a"}, "end at 2000-01-10 00:02:00, in 9 days"},
		{"certificate today", func(f *fixture) {
			f.set("certificate_expiry_timestamp_seconds", float64(time.Now().Add(time.Hour).Unix()), "setting", "a")
		}, []string{"critical certificate/a"}, ""},
		{
			"certificate over", func(f *fixture) { f.set("certificate_expiry_timestamp_seconds", 1, "setting", "a") },
			[]string{"critical certificate/a"},
			"no longer valid since 1970-01-01",
		},
		{
			"no certificate", func(f *fixture) { f.set("certificate_expiry_timestamp_seconds", 0, "setting", "a") },
			[]string{"critical certificate/a"},
			"No certificate can be read",
		},
		{"certificate for a year", func(f *fixture) {
			f.set("certificate_expiry_timestamp_seconds", float64(time.Now().Add(9000*time.Hour).Unix()), "setting", "a")
		}, nil, ""},
		{"large page", func(f *fixture) {
			f.ObserveScrape(Scrape{Remote: "10.0.0.9:1", UserAgent: "vm_promscrape", Bytes: 17 << 20, LimitBytes: 16 << 20})
		}, []string{"critical scrape_too_large/10.0.0.9"}, "vm_promscrape at 10.0.0.9 is given more than it takes"},
		{
			"aborted", func(f *fixture) { f.ObserveScrape(Scrape{Outcome: "aborted"}) },
			[]string{"warning scrapes/aborted"},
			"1 scrape in the last 5 minutes ended before all was sent.",
		},
		{"refused", func(f *fixture) { f.ObserveScrape(Scrape{Outcome: "refused"}) }, []string{"warning scrapes/refused"}, ""},
		{
			"bad selector", func(f *fixture) { f.ObserveScrape(Scrape{Outcome: "invalid"}) },
			[]string{"warning scrapes/invalid"},
			"",
		},
		{"complete", func(f *fixture) { f.ObserveScrape(Scrape{Outcome: "complete"}) }, nil, ""},
		{"left out", func(f *fixture) { f.ObserveScrape(Scrape{Outcome: "complete", Omitted: 1}) }, []string{"warning scrapes/omitted"}, ""},
		{"push fails", func(f *fixture) {
			f.set("remote_write_samples_total", 1)
			f.set("remote_write_samples_failed_total", 1)
			f.set("remote_write_samples_dropped_total", 1, "reason", "queue_full")
			f.set("remote_write_highest_timestamp_seconds", 1000)
			f.set("remote_write_queue_highest_sent_timestamp_seconds", 800)
		}, []string{"critical remote_write/dropped", "critical remote_write/failed", "warning remote_write/behind"}, ""},
		{"token", func(f *fixture) { f.set("uaa_token_expiry_timestamp_seconds", 1) }, []string{"critical token"}, ""},
	}
}

// TestProblems makes each fault on an exporter that is well, two minutes after its start. What is only an event is gone
// some minutes later.
func TestProblems(t *testing.T) {
	kinds, alerts := map[string]bool{}, alertsByRunbook(t)
	for _, tc := range problemCases() {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.point()
				time.Sleep(2 * time.Minute)
				f.sources = []Source{well("rlp")}
				tc.fault(f)
				s, err := f.Status(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, p := range s.Problems {
					got = append(got, string(p.Severity)+" "+p.ID)
					kinds[p.Kind] = true
					if p.Sentence == "" || p.Remedy == "" || p.Link == "" || p.Kind != strings.Split(p.ID, "/")[0] {
						t.Errorf("%+v", p)
					}
					if a := alerts[p.Runbook]; p.Runbook != "" && p.Severity != Notice && a.severity() != p.Severity && tc.name != "all malformed" {
						t.Errorf("%s is %s, and its alert %q %s", p.ID, p.Severity, a.Alert, a.severity())
					}
				}
				if !slices.Equal(got, tc.want) {
					t.Fatalf("%q, want %q", got, tc.want)
				}
				if len(tc.want) > 0 && !strings.Contains(s.Problems[0].Sentence, tc.sentence) {
					t.Errorf("%q, want %q", s.Problems[0].Sentence, tc.sentence)
				}
			})
		})
	}
	docs, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if !strings.Contains(string(docs), "| `"+kind+"` |") {
			t.Errorf("docs/api.md does not list the problem %s", kind)
		}
	}
	runbook, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := strings.ToLower(string(runbook))
	for _, p := range slices.Collect(maps.Values(sampleProblems)) {
		if !strings.Contains(anchors, "# "+p.Runbook) {
			t.Errorf("docs/runbook.md has no section %s", p.Runbook)
		}
	}
}

// TestNobodyConnected: a refusal is the reason only where nobody has delivered since, and where it is one of a sender.
func TestNobodyConnected(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		last   time.Time
		reason string
		want   string
	}{
		{time.Time{}, "client_certificate", "The last reason was client_certificate: no certificate."},
		{now.Add(-time.Minute), "client_certificate", "The last reason was client_certificate: no certificate."},
		{now.Add(time.Minute), "client_certificate", "Look at " + waiting["syslog"]},
		{time.Time{}, "closed_in_handshake", "Look at " + waiting["syslog"]},
	} {
		f := finder{Status: &Status{Time: now.Add(time.Hour), Started: now.Add(-time.Hour)}, monitor: New(Options{})}
		f.connection(&Source{
			Name: "syslog", LastEnvelope: tc.last,
			LastError: &SourceError{Time: now, Reason: tc.reason, Text: "no certificate"},
		})
		if len(f.found) != 1 || f.found[0].Remedy != tc.want {
			t.Errorf("%+v: %+v", tc, f.found)
		}
	}
}

// TestProblemsUnwatched: of a problem that is there when somebody looks for the first time nobody knows when it began.
func TestProblemsUnwatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.set("syslog_oldest_data_seconds", 121)
		for range 2 {
			time.Sleep(2 * statusAge)
			s, err := f.Status(t.Context())
			if err != nil || len(s.Problems) != 1 || !s.Problems[0].Since.IsZero() {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}

// TestProblemsEnd: events are problems for some minutes, and a problem keeps the time at which it began.
func TestProblemsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.sources = []Source{well("rlp")}
		f.point()
		if s, err := f.Status(t.Context()); err != nil || len(s.Problems) > 0 {
			t.Fatalf("%+v, %v", s, err)
		}
		time.Sleep(2 * statusAge)
		f.ObserveScrape(Scrape{Outcome: "aborted"})
		began := time.Now()
		ids := func() (ids []string) {
			f.sources = []Source{well("rlp")}
			f.ObserveScrape(Scrape{Outcome: "complete"})
			s, err := f.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range s.Problems {
				ids = append(ids, p.ID)
				if !p.Since.Equal(began) {
					t.Errorf("since %v", p.Since)
				}
			}
			return ids
		}
		for time.Since(began) < 6*time.Minute {
			got := ids()
			if want := time.Since(began) <= recent; (len(got) == 1) != want {
				t.Fatalf("%q after %v", got, time.Since(began))
			}
			time.Sleep(f.recorder.step)
			f.point()
		}
	})
}
