package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudfoundry/dropsonde/emitter"
	"github.com/cloudfoundry/dropsonde/metric_sender"

	"loggregator_exporter/compat"
	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
)

func compatibleConfig(mode string) *config.Config {
	cfg := testConfig()
	cfg.Metrics.Environment = "test"
	cfg.Metrics.Compatibility, cfg.Metrics.CompatibilityMode = "firehose_exporter", mode
	return cfg
}

// oldCopies are the labels that firehose_exporter repeats tags by.
var oldCopies = map[string]string{
	"deployment": "bosh_deployment", "job": "bosh_job_name", "index": "bosh_job_id", "ip": "bosh_job_ip",
	"app_id": "application_id", "app_name": "application_name",
}

// oldKey is what firehose_exporter's page would say of a gauge or counter.
func oldKey(t *testing.T, names *compat.Resolver, s *foundation.Sent) string {
	t.Helper()
	labels := []metric.Label{
		{Name: "environment", Value: "test"},
		{Name: "source_id", Value: s.SourceID},
		{Name: "instance_id", Value: s.InstanceID},
	}
	if s.Kind == metric.KindGauge {
		labels = append(labels, metric.Label{Name: "unit", Value: s.Unit})
	}
	for _, tag := range slices.Sorted(maps.Keys(s.Tags)) {
		if strings.HasPrefix(tag, "__") || tag == "instance_id" && s.InstanceID != "" {
			continue
		}
		labels = append(labels, metric.Label{Name: strings.ReplaceAll(tag, "-", "_"), Value: s.Tags[tag]})
		if other := oldCopies[tag]; other != "" {
			labels = append(labels, metric.Label{Name: other, Value: s.Tags[tag]})
		}
	}
	return names.Name(s.Tags["origin"], s.Name, s.Kind) + "{" + string(metric.RenderLabels(labels)) + "}"
}

// expectedOld returns what a page has to hold of what a foundation sent, and how many requests.
func expectedOld(t *testing.T, sent []foundation.Sent) (series map[string][]float64, requests float64) {
	t.Helper()
	names, err := compat.New(compat.Options{Namespace: "firehose"})
	if err != nil {
		t.Fatal(err)
	}
	series = map[string][]float64{}
	for i := range sent {
		s := &sent[i]
		value := s.Value
		if s.Kind == metric.KindTimer {
			if s.Name == "http" && s.Tags["peer_type"] == "Server" && (len(s.SourceID) != 36 || s.Tags["app_id"] != "") {
				requests += float64(s.Count)
			}
			continue
		}
		if s.Kind == metric.KindCounter {
			value = float64(s.Total)
		}
		key := oldKey(t, names, s)
		series[key] = append(series[key], value)
	}
	return series, requests
}

// played is a service that reads a foundation which has sent two rounds.
type played struct {
	foundation *foundation.Foundation
	running    running
	stop       func() error
}

func play(t *testing.T, cfg *config.Config) *played {
	t.Helper()
	var received func(string) uint64
	f, err := foundation.New(foundation.Options{
		Seed: 7, UDP: true, RequestsPerSecond: 20,
		Pace: func(ctx context.Context, sent int) error {
			return awaitReceived(ctx, received, foundation.UDP, sent)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	cfg.Nozzle.RLP.Enabled, cfg.Nozzle.RLP.Address, cfg.Nozzle.RLP.TLSConfig = true, f.RLPAddress(), f.ClientTLS()
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	received = gatherer(t, r.Ledger)
	if err := f.SendTo(r.Listening["udp"].String()); err != nil {
		t.Fatal(err)
	}
	serving, end := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- f.Serve(serving) }()
	p := &played{foundation: f, running: r, stop: func() error {
		end()
		return errorsOf(<-served, stop())
	}}
	if err := f.AwaitReaders(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitReceived waits until a source has received so much.
func awaitReceived(ctx context.Context, received func(source string) uint64, source foundation.Path, count int) error {
	for received(string(source)) < uint64(count) && ctx.Err() == nil {
		runtime.Gosched()
	}
	return ctx.Err()
}

// await scrapes until nothing is missing or wrong any more.
func (p *played) await(t *testing.T, want map[string][]float64, requests float64) {
	t.Helper()
	awaitSamples(t, p.running, func(got map[string]float64) []string {
		wrong := compare(want, got)
		for _, family := range []string{"firehose_http_total{", "firehose_http_duration_seconds{"} {
			if counted := sumOf(got, family); counted != requests {
				wrong = append(wrong, fmt.Sprintf("%s %v requests of %v", family, counted, requests))
			}
		}
		return wrong
	})
}

// Everything that a foundation sends is in the scrape by the names and labels of firehose_exporter, and where they
// stand beside the exporter's own, by those too.
func TestCompatible(t *testing.T) {
	for _, mode := range []string{"beside", "alone"} {
		t.Run(mode, func(t *testing.T) {
			p := play(t, compatibleConfig(mode))
			want, requests := expectedOld(t, p.foundation.Sent())
			if len(want) < 4000 || requests < 10 {
				t.Fatalf("the foundation sent only %d series and %v requests", len(want), requests)
			}
			if mode == "beside" {
				maps.Copy(want, expected(p.running.Store.Resolver(), p.foundation.Sent()))
			}
			p.await(t, want, requests)
			// What the exporter tells of itself is read before the series: only the next page must know of all of them.
			_, page := fetch(t, "http://"+p.running.Web.String()+"/metrics")
			got := samples(t, page)
			accounted, elsewhere := sumOf(got, program+"_samples_total{"), sumOf(got, program+"_compatibility_samples_total{")
			own := sumOf(got, "cf_http_request_duration_seconds{")
			switch mode {
			case "beside":
				if own == 0 || elsewhere == 0 || got[program+"_compatibility_series{environment=\"test\"}"] < 4000 ||
					got[program+"_compatibility_families{environment=\"test\"}"] == 0 {
					t.Errorf("%v requests by the own names, %v samples by the others, %v series", own, elsewhere,
						got[program+"_compatibility_series{environment=\"test\"}"])
				}
			default:
				if own != 0 || elsewhere != 0 || got[program+"_series{environment=\"test\"}"] < 4000 {
					t.Errorf("%v requests by the own names, %v samples by the others, %v series", own, elsewhere,
						got[program+"_series{environment=\"test\"}"])
				}
			}
			_, received, _ := strings.Cut(page, "\nfirehose_total_envelopes_received{environment=\"test\"} ")
			if accounted == 0 || received == "" || received[0] == '0' {
				t.Errorf("%v samples, envelopes: %.20q", accounted, received)
			}
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A reload changes the labels of both kinds of names.
func TestCompatibleReload(t *testing.T) {
	environment := "one"
	load := func() (*config.Config, error) {
		cfg := compatibleConfig("beside")
		cfg.Metrics.Environment = environment
		return cfg, nil
	}
	cfg, _ := load()
	s, err := assemble(cfg, load, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sink := s.stores.sink()
	now := time.Now().UnixNano()
	e := &metric.Envelope{
		Kind: metric.KindGauge, Arrived: now, Timestamp: now,
		Points: []metric.Point{{Name: []byte("level"), Value: 1}},
	}
	page := func() string {
		var tally metric.Tally
		sink.Add(e, &tally)
		sink.Flush(&tally)
		if tally[metric.Stored] != 1 {
			t.Error(tally)
		}
		var names []string
		for _, f := range s.stores.shown().Families() {
			names = append(names, f.Name)
		}
		return strings.Join(names, " ")
	}
	if got, want := page(), "cf_level firehose_value_metric__level"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	environment = "two"
	done, err := s.reloader.swap()
	if err != nil || done.Retired != 2 || done.Kept != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err = s.reloader.swap(); err != nil || done.Retired != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if got, want := page(), "cf_level firehose_value_metric__level"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Names of rules that look like firehose_exporter's stay apart from them.
func TestCompatibleNamesStayApart(t *testing.T) {
	cfg := compatibleConfig("beside")
	cfg.Metrics.Namespace = ""
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	udp, err := emitter.NewUdpEmitter(r.Listening["udp"].String())
	if err != nil {
		t.Fatal(err)
	}
	events := emitter.NewEventEmitter(udp, "o")
	defer events.Close()
	if err := metric_sender.NewMetricSender(events).SendValue("firehose_value_metric_o_x", 1, ""); err != nil {
		t.Fatal(err)
	}
	page := awaitPage(t, r, program+"_samples_total{environment=\"test\",outcome=\"conflict\"} 1\n",
		program+"_compatibility_series{environment=\"test\"} 1\n",
		"\nfirehose_value_metric_o_firehose_value_metric_o_x{")
	if strings.Contains(page, "\nfirehose_value_metric_o_x{") {
		t.Error(page)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

const movingDocs = "../../docs/firehose-exporter.md"

// TestMovingDocs: the configuration that the documentation shows is one, and the new names that it tells are those
// of the old ones.
func TestMovingDocs(t *testing.T) {
	text, err := os.ReadFile(movingDocs)
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```yaml exporter.yml\n")
	block, _, _ = strings.Cut(block, "```")
	file := filepath.Join(t.TempDir(), "exporter.yml")
	if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := command(t, "check", "--config", file)
	if status != 0 || !strings.Contains(out, "names: those of firehose_exporter, beside the exporter's own\nno "+
		"mistakes found\n") {
		t.Error(status, out, errs)
	}
	for _, c := range []struct{ origin, name, kind, old, new string }{
		{"bbs", "LRPsRunning", "gauge", "firehose_value_metric_bbs_lr_ps_running", `cf_lrps_running{component="bbs"`},
		{
			"gorouter", "responses.5xx", "counter", "firehose_counter_event_gorouter_responses_5_xx_total",
			`cf_responses_total{component="gorouter",`,
		},
		{"rep", "cpu", "gauge", "firehose_container_metric_cpu_percentage", "cf_container_cpu_ratio{"},
		{"rep", "memory", "gauge", "firehose_container_metric_memory_bytes", "cf_container_memory_bytes{"},
		{"rep", "disk", "gauge", "_disk_bytes", "cf_container_disk_bytes{"},
		{"rep", "memory_quota", "gauge", "firehose_container_metric_memory_bytes_quota", "cf_container_memory_quota_bytes{"},
		{"rep", "disk_quota", "gauge", "_disk_bytes_quota", "cf_container_disk_quota_bytes{"},
	} {
		args := []string{"explain", "--metrics.compatibility=firehose_exporter", "--origin", c.origin, "--kind", c.kind}
		if strings.Contains(c.old, "container") || c.old[0] == '_' {
			args = append(args, "--source-id", "6ba7b811-9dad-11d1-80b4-00c04fd430c8", "--tag", "app_id=x")
		}
		_, out, errs := command(t, append(args, c.name)...)
		if !strings.Contains(out, "  series      "+c.new) || !strings.Contains(out, "  formerly    ") ||
			!strings.Contains(out, c.old+"{") {
			t.Errorf("%s: %s%s", c.name, out, errs)
		}
		name, _, _ := strings.Cut(c.new, "{")
		if !strings.Contains(string(text), "`"+c.old) || !strings.Contains(string(text), "`"+name) {
			t.Errorf("%s does not tell %s or %s", movingDocs, c.old, name)
		}
	}
}
