package e2e

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

// site is a foundation that moves by steps, two exporters that read all of it, and a Prometheus that scrapes them.
// The ports stay the same when one of them is started again.
type site struct {
	foundation *foundation.Foundation
	exporter   string // the program
	dir        string // of configurations and of what Prometheus stores
	files      foundation.ClientFiles

	tagged, verbatim, store string // addresses
	receiver                receiver
}

// The jobs that scrape an exporter in one format each. Dotted names come in text only: what Prometheus says that it
// takes in protobuf is without UTF-8. On a busy machine a page takes a second.
const scrapeJobs = `
global: {scrape_interval: 3s, scrape_timeout: 3s}
scrape_configs:
  - {job_name: text, scrape_protocols: [PrometheusText0.0.4], static_configs: [{targets: [%[1]q]}]}
  - {job_name: openmetrics, scrape_protocols: [OpenMetricsText1.0.0], static_configs: [{targets: [%[1]q]}]}
  - {job_name: protobuf, scrape_protocols: [PrometheusProto], scrape_native_histograms: true, always_scrape_classic_histograms: true, static_configs: [{targets: [%[1]q]}]}
  - {job_name: utf8, scrape_protocols: [PrometheusText1.0.0], static_configs: [{targets: [%[2]q]}]}
`

// startTimes lets Prometheus store that a counter was 0 at its start.
const startTimes = "--enable-feature=created-timestamp-zero-ingestion"

func newSite(t *testing.T) *site {
	t.Helper()
	peer.Prometheus().File(t)
	s := &site{exporter: peer.Exporter(t), dir: t.TempDir(), tagged: peer.FreeAddress(t), verbatim: peer.FreeAddress(t), store: peer.FreeAddress(t)}
	s.receiver.query = "http://" + s.store + "/api/v1/query"
	var err error
	if s.foundation, err = foundation.New(foundation.Options{
		Seed: 11, RequestsPerSecond: 20, Agents: foundation.AgentOptions{KeepIdle: true},
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.foundation.Listen(); err != nil {
		t.Fatal(err)
	}
	if s.files, err = s.foundation.WriteClientFiles(s.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "prometheus.yml"), fmt.Appendf(nil, scrapeJobs, s.tagged, s.verbatim), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) startExporter(t *testing.T, address, naming string) *peer.Process {
	t.Helper()
	return peer.Start(t, listensAt, s.exporter, "run", "--config", s.configure(t, address, naming, "1h"))
}

// configure writes an exporter's file.
func (s *site) configure(t *testing.T, address, naming, expiration string) string {
	t.Helper()
	file := filepath.Join(s.dir, "exporter-"+naming+".yml")
	text := fmt.Sprintf(`
nozzle:
  shard_id: %s
  rlp: {enabled: true, address: %q, tls: {ca_file: %q, cert_file: %q, key_file: %q}}
metrics: {naming: %[1]s, expiration: %[7]s}
web: {listen_address: %[6]q, enable_lifecycle: true}
`, naming, s.foundation.RLPAddress(), s.files.CA, s.files.Certificate, s.files.Key, address, expiration)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// expire gives the series of an exporter that runs three seconds from now on.
func (s *site) expire(t *testing.T, address, naming string) {
	t.Helper()
	s.configure(t, address, naming, "3s")
	answer, err := peer.Ask(t.Context(), http.MethodPost, "http://"+address+"/-/reload")
	if err != nil || answer.Status != http.StatusOK {
		t.Fatal(answer.Status, err, string(answer.Body))
	}
}

// startPrometheus starts it on what it stored before, and waits until it has read that.
func (s *site) startPrometheus(ctx context.Context, t *testing.T, flags ...string) *peer.Process {
	t.Helper()
	p := peer.Start(t, listensAt, peer.Prometheus().File(t), append(flags, "--config.file="+filepath.Join(s.dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(s.dir, "data"), "--web.listen-address="+s.store)...)
	peer.AwaitReady(ctx, t, "http://"+s.store)
	return p
}

// serve lets the foundation answer until the test ends.
func (s *site) serve(t *testing.T) {
	t.Helper()
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- s.foundation.Serve(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// await asks Prometheus until nothing is wrong with the answer: what is, the condition returns as a text.
func (s *site) await(ctx context.Context, t *testing.T, what, query string, wrong func(map[string]float64) string) {
	t.Helper()
	peer.Until(ctx, t, what, func() string { return wrong(s.receiver.series(t, query)) })
}

// again is after how long a round is emitted once more: one that came before the RLP had an exporter's new stream
// has not reached it.
const again = 20 * time.Second

// awaitRound emits a round, and waits until everything of it is in Prometheus, by every job.
func (s *site) awaitRound(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, job := range []string{"text", "openmetrics", "protobuf", "utf8"} {
		s.emitUntil(ctx, t, job != "text", "the round by "+job, `{job="`+job+`"}`, job == "utf8")
	}
}

// emitUntil emits a round, unless one was emitted, and more if need be, until a query has the last one.
func (s *site) emitUntil(ctx context.Context, t *testing.T, emitted bool, what, query string, verbatim bool) {
	t.Helper()
	var want map[string][]float64
	var last time.Time
	peer.Until(ctx, t, what, func() string {
		if want == nil || time.Since(last) > again {
			if !emitted {
				if err := s.foundation.Round(ctx); err != nil {
					t.Fatal(err)
				}
			}
			last, emitted = time.Now(), false
			want = expected(t, s.foundation.Sent(), verbatim)
			leaveOutShared(want)
		}
		if bad := s.receiver.differing(want, s.receiver.series(t, query)); len(bad) > 0 {
			return fmt.Sprintf("%d of %d series differ: %q", len(bad), len(want), bad[:min(len(bad), 5)])
		}
		return ""
	})
}

// leaveOutShared takes away what shares its name, escaped, with another one, like system.cpu.user and
// system_cpu_user: a format without UTF-8 could not hold both, so that the exporter keeps one, whichever comes
// first, for all formats.
func leaveOutShared(want map[string][]float64) {
	names := map[string]map[string]bool{}
	each := func(do func(series, name, escaped string)) {
		for series := range want {
			name, _, _ := strings.Cut(strings.TrimPrefix(series, `{__name__="`), `"`)
			do(series, name, model.EscapeName(name, model.UnderscoreEscaping))
		}
	}
	each(func(_, name, escaped string) {
		if names[escaped] == nil {
			names[escaped] = map[string]bool{}
		}
		names[escaped][name] = true
	})
	each(func(series, _, escaped string) {
		if len(names[escaped]) > 1 {
			delete(want, series)
		}
	})
}

func none(got map[string]float64) string {
	for series, v := range got {
		return fmt.Sprintf("%d series, like %s %v", len(got), series, v)
	}
	return ""
}

// is accepts one series of that value.
func is(value float64) func(map[string]float64) string {
	return func(got map[string]float64) string {
		if len(got) == 1 {
			for _, v := range got {
				if v == value {
					return ""
				}
			}
		}
		return fmt.Sprintf("%v, want %v", got, value)
	}
}

// What a foundation sends arrives by every format with its value; and when the exporter, Prometheus or the
// foundation's emitters go away and come back, up, staleness and counters behave as they should.
func TestScrape(t *testing.T) {
	s := newSite(t)
	ctx := peer.Within(t, 15*time.Minute)
	s.serve(t)
	exporter := s.startExporter(t, s.tagged, "prometheus")
	s.startExporter(t, s.verbatim, "verbatim")
	store := s.startPrometheus(ctx, t, startTimes)
	if err := s.foundation.AwaitReaders(ctx, 2); err != nil {
		t.Fatal(err)
	}
	s.await(ctx, t, "all jobs are up", `count(up == 1)`, is(4))
	s.awaitRound(ctx, t)
	s.checkHistograms(ctx, t)
	s.checkDotted(ctx, t)
	s.checkFirst(ctx, t)

	t.Log("the exporter is stopped")
	exporter.Stop(t)
	s.await(ctx, t, "it is down", `count(up{job=~"text|openmetrics|protobuf"} == 0)`, is(3))
	s.await(peer.Within(t, peer.Lookback), t, "its series are stale", `{job=~"text|openmetrics|protobuf",__name__=~"cf_.+"}`, none)
	exporter = s.startExporter(t, s.tagged, "prometheus")
	s.await(ctx, t, "it is up again", `count(up == 1)`, is(4))
	s.awaitReaders(ctx, t)
	s.awaitRound(ctx, t)
	s.checkResets(t)

	t.Log("Prometheus is stopped")
	store.Stop(t)
	if err := s.foundation.Round(ctx); err != nil {
		t.Fatal(err)
	}
	s.startPrometheus(ctx, t, startTimes)
	s.await(ctx, t, "all jobs are up", `count(up == 1)`, is(4))
	s.awaitRound(ctx, t)
	s.checkResets(t)
	s.await(ctx, t, "what was stored before is still there", `count(min_over_time(up{job="text"}[10m]) == 0)`, is(1))

	t.Log("the foundation is silent")
	s.expire(t, s.tagged, "prometheus")
	s.expire(t, s.verbatim, "verbatim")
	s.await(peer.Within(t, peer.Lookback), t, "all series have expired", `{__name__=~"cf_.+"}`, none)
	s.await(ctx, t, "all jobs are up", `count(up == 1)`, is(4))
	exporter.Stop(t)
}

// awaitReaders waits until a restarted exporter reads the foundation.
func (s *site) awaitReaders(ctx context.Context, t *testing.T) {
	t.Helper()
	s.await(ctx, t, "the exporter is connected", `loggregator_exporter_source_up{job="text"}`, is(1))
	if err := s.foundation.AwaitReaders(ctx, 2); err != nil {
		t.Fatal(err)
	}
}

// checkFirst: the first requests count where the format says when there were none.
func (s *site) checkFirst(ctx context.Context, t *testing.T) {
	t.Helper()
	const requests = `cf_http_request_duration_seconds_count{job=%q}`
	s.await(ctx, t, "the first requests by protobuf", fmt.Sprintf(`sum(increase(`+requests+`[10m])) > 0`, "protobuf"), func(got map[string]float64) string {
		if len(got) == 0 {
			return "none"
		}
		return ""
	})
	s.receiver.ask(t, fmt.Sprintf(requests+`[10m]`, "text"), func(series map[string]string, result promResult) {
		if first := sampleValue(t, result.Values[0]); first == 0 {
			t.Errorf("%v begins with 0 by text", series)
		}
	})
}

// checkHistograms compares the native histograms with the classic ones of the same scrape, and those with the other
// formats'.
func (s *site) checkHistograms(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, name := range []string{"cf_http_request_duration_seconds", "cf_http_response_size_bytes"} {
		peer.Until(ctx, t, name, func() string {
			native, requests := s.receiver.series(t, `histogram_count(`+name+`{job="protobuf"})`), 0.0
			for _, job := range []string{"protobuf", "text", "openmetrics"} {
				classic := s.receiver.series(t, `sum without (le) (`+name+`_bucket{le="+Inf",job="`+job+`"})`)
				if len(classic) != len(native) || len(native) == 0 {
					return fmt.Sprintf("%s: %d classic and %d native histograms", job, len(classic), len(native))
				}
				for series, n := range native {
					if classic[series] != n {
						return fmt.Sprintf("%s: %s counted %v, natively %v", job, series, classic[series], n)
					}
					requests += n
				}
			}
			t.Logf("%s: %d series, %v observations", name, len(native), requests/3)
			return ""
		})
	}
	s.await(ctx, t, "text brings no native histogram", `histogram_count(cf_http_request_duration_seconds{job=~"text|openmetrics"})`, none)
}

// checkDotted asks for names by what was emitted.
func (s *site) checkDotted(ctx context.Context, t *testing.T) {
	t.Helper()
	dotted := 0
	want := expected(t, s.foundation.Sent(), true)
	leaveOutShared(want)
	for series := range want {
		if name, _, _ := strings.Cut(strings.TrimPrefix(series, `{__name__="`), `"`); strings.ContainsAny(name, "./") {
			dotted++
			s.await(ctx, t, name, `{"`+name+`",job="utf8"}`, func(got map[string]float64) string {
				if _, ok := got[series]; !ok {
					return "does not find " + series
				}
				return ""
			})
			if dotted == 20 {
				return
			}
		}
	}
	t.Errorf("only %d names with dots or slashes", dotted)
}

// checkResets finds counters that went backwards. Those of the foundation are totals: no restart on our side may
// show in them, but for requests, which are counted from the exporter's start.
func (s *site) checkResets(t *testing.T) {
	t.Helper()
	seen := 0
	s.receiver.ask(t, `{__name__=~"cf_.+_total",job=~"text|openmetrics|protobuf"}[10m]`, func(series map[string]string, result promResult) {
		seen++
		last := math.Inf(-1)
		for _, pair := range result.Values {
			v := sampleValue(t, pair)
			if v < last {
				t.Errorf("%v fell from %v to %v", series, last, v)
				return
			}
			last = v
		}
	})
	if seen == 0 {
		t.Error("no counters")
	}
}
