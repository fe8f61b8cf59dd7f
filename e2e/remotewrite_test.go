package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/config"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// listensAt is what every program says that serves by Prometheus' toolkit.
var listensAt = regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:\d+)`)

// receiver is a server that takes remote write and answers queries.
type receiver struct {
	write, query string
	// imprecision is the relative error of values: VictoriaMetrics keeps some 12 decimal digits of those it stores
	// together.
	imprecision float64
}

func startPrometheus(t *testing.T) receiver {
	t.Helper()
	return startPrometheusWith(t)
}

func startVictoriaMetrics(t *testing.T) receiver {
	t.Helper()
	p := peer.Start(t, regexp.MustCompile(`started server at http://(127\.0\.0\.1:\d+)/`), peer.VictoriaMetrics().File(t),
		"-storageDataPath="+t.TempDir(), "-httpListenAddr="+peer.FreeAddress(t), "-search.latencyOffset=0s", "-search.disableCache")
	return receiver{"http://" + p.Found + "/api/v1/write", "http://" + p.Found + "/api/v1/query", 1e-11}
}

// promResult is one series of an answer to a query.
type promResult struct {
	Metric map[string]string
	Value  []any   // time, and value as text; nothing for a native histogram
	Values [][]any // of a range
}

// sampleValue reads a value of Prometheus' API.
func sampleValue(t *testing.T, pair []any) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(fmt.Sprint(pair[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ask queries and hands each series of the answer on.
func (r *receiver) ask(t *testing.T, query string, each func(series map[string]string, result promResult)) {
	t.Helper()
	text := peer.Get(t, r.query+"?"+url.Values{"query": {query}}.Encode()).Body
	var answer struct {
		Status string
		Data   struct{ Result []promResult }
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%v: %s", err, text)
	}
	for _, s := range answer.Data.Result {
		each(s.Metric, s)
	}
}

// series returns the value of every series that the receiver has now under the selector, without the labels job and
// instance, and without native histograms.
func (r *receiver) series(t *testing.T, selector string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	r.ask(t, selector, func(series map[string]string, result promResult) {
		if len(result.Value) == 0 {
			return
		}
		delete(series, "job")
		delete(series, "instance")
		out[labels.FromMap(series).String()] = sampleValue(t, result.Value)
	})
	return out
}

// expected is what must be stored of what a foundation sent, by either naming. Two raw names that end in one series
// make a choice: either value is right.
func expected(t *testing.T, sent []foundation.Sent, verbatim bool) map[string][]float64 {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	m := config.Default().Metrics
	r := resolver.New(resolver.Options{Tagger: rules, Naming: naming.Style{Namespace: m.Namespace, Verbatim: verbatim}})
	out := map[string][]float64{}
	whole, parts := foundation.Parts(sent)
	for _, s := range whole {
		if s.Kind == metric.KindTimer {
			continue
		}
		value := s.Value
		if s.Kind == metric.KindCounter {
			value = float64(s.Total)
		}
		resolved, key := resolve(r, s, "")
		out[key] = append(out[key], value*resolved.Mul/resolved.Div)
	}
	// Of what the prom scraper took apart it is the sum and the count; le is not written alike everywhere.
	for _, s := range parts {
		if base, ok := strings.CutSuffix(s.Name, "_sum"); ok {
			s.Name = base
			resolved, key := resolve(r, s, "_sum")
			out[key] = append(out[key], s.Value*resolved.Mul/resolved.Div)
		}
		if base, ok := strings.CutSuffix(s.Name, "_count"); ok {
			s.Name, s.Kind = base, metric.KindGauge
			_, key := resolve(r, s, "_count")
			out[key] = append(out[key], float64(s.Total))
		}
	}
	return out
}

// resolve returns what an entry becomes, and its series with a suffix to its name.
func resolve(r store.Resolver, s foundation.Sent, suffix string) (resolved store.Resolved, series string) {
	id := store.Identity{Kind: s.Kind, Name: s.Name, Unit: s.Unit, SourceID: s.SourceID, InstanceID: s.InstanceID}
	for _, tag := range slices.Sorted(maps.Keys(s.Tags)) {
		id.Tags = append(id.Tags, metric.Label{Name: tag, Value: s.Tags[tag]})
	}
	resolved = r.Resolve(&id)
	set := map[string]string{"__name__": resolved.Metric + suffix}
	maps.Insert(set, metric.RenderLabels(resolved.Labels).All())
	return resolved, labels.FromMap(set).String()
}

// What a foundation sends is in the receiver by name, labels and value; what the exporter's own page shows is there
// too, the histograms included, under the names that a scrape would have given; and all of it has ended when the
// exporter has stopped.
func TestRemoteWrite(t *testing.T) {
	exporter := peer.Exporter(t)
	for _, tc := range []struct {
		name     string
		start    func(*testing.T) receiver
		protocol string
	}{
		{"Prometheus 1.0", startPrometheus, "1.0"},
		{"Prometheus 2.0", startPrometheus, "2.0"},
		{"Prometheus auto", startPrometheus, "auto"},
		{"VictoriaMetrics 1.0", startVictoriaMetrics, "1.0"},
		{"VictoriaMetrics auto", startVictoriaMetrics, "auto"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pushTo(t, exporter, tc.start(t), tc.protocol)
		})
	}
}

func pushTo(t *testing.T, exporter string, r receiver, protocol string) {
	t.Helper()
	ctx := peer.Within(t, 10*time.Minute)
	f, err := foundation.New(foundation.Options{Seed: 7, Agents: foundation.AgentOptions{KeepIdle: true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	p, page := startExporter(t, exporter, f, r, protocol)
	serving, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- f.Serve(serving) }()
	defer func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	if err := f.AwaitReaders(ctx, 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Round(ctx); err != nil {
			t.Fatal(err)
		}
		peer.Until(ctx, t, "room for the next round", func() string {
			if held := f.Lost().Held; held > 0 {
				return fmt.Sprintf("%d envelopes wait", held)
			}
			return ""
		})
	}
	const selector = `{job="loggregator_exporter",instance="e2e"}`
	want := expected(t, f.Sent(), false)
	if len(want) < 4000 {
		t.Fatalf("the foundation sent only %d series", len(want))
	}
	peer.Until(ctx, t, "what was sent", func() string {
		if bad := r.differing(want, r.series(t, selector)); len(bad) > 0 {
			return fmt.Sprintf("%d series differ: %q", len(bad), bad[:min(len(bad), 10)])
		}
		return ""
	})
	const format = "application/openmetrics-text; version=1.0.0"
	peer.Until(ctx, t, "the page", func() string {
		// What one push brings arrives in several requests.
		bad := r.comparePage(get(t, page, format, format+"; charset=utf-8; escaping=underscores"), r.series(t, selector))
		return strings.Join(bad[:min(len(bad), 10)], "\n")
	})

	peer.Until(p.StopPushing(t), t, "the end of all series", func() string {
		if left := len(r.series(t, selector)); left > 0 {
			return fmt.Sprintf("%d are left after the exporter has stopped", left)
		}
		return ""
	})
}

func startExporter(t *testing.T, exporter string, f *foundation.Foundation, r receiver, protocol string) (p *peer.Process, page string) {
	t.Helper()
	dir := t.TempDir()
	files, err := f.WriteClientFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "exporter.yml")
	text := fmt.Sprintf(`
nozzle:
  deterministic_name: e2e
  rlp: {enabled: true, address: %q, tls: {ca_file: %q, cert_file: %q, key_file: %q}}
remote_write: {enabled: true, url: %q, protocol: %s, interval: 1s}
web: {listen_address: "127.0.0.1:0"}
`, f.RLPAddress(), files.CA, files.Certificate, files.Key, r.write, protocol)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p = peer.Start(t, listensAt, exporter, "run", "--config", file)
	return p, p.Found
}

// same compares a value with what the receiver made of it.
func (r *receiver) same(pushed, kept float64) bool {
	return pushed == kept || math.Abs(pushed-kept) <= r.imprecision*math.Abs(pushed)
}

func (r *receiver) differing(want map[string][]float64, got map[string]float64) (bad []string) {
	for key, values := range want {
		if v, ok := got[key]; !ok || !slices.ContainsFunc(values, func(w float64) bool { return r.same(w, v) }) {
			bad = append(bad, fmt.Sprintf("%s %v", key, got[key]))
		}
	}
	return bad
}

// emptyLabel is one that is no label.
var emptyLabel = regexp.MustCompile(`, \w+=""`)

// comparePage compares what a scrape would store with what was pushed: the same series, and the same values of what
// does not change by itself.
func (r *receiver) comparePage(scraped, pushed map[string]float64) (bad []string) {
	own := regexp.MustCompile(`__name__="(go|process|promhttp|loggregator_exporter)_`)
	for series, v := range maps.Clone(scraped) {
		delete(scraped, series)
		series = emptyLabel.ReplaceAllString(series, "")
		scraped[series] = v
		got, ok := pushed[series]
		if !ok {
			bad = append(bad, "not pushed: "+series)
		} else if !r.same(v, got) && !math.IsNaN(v) && !own.MatchString(series) {
			bad = append(bad, fmt.Sprintf("%s: pushed %v, scraped %v", series, got, v))
		}
	}
	for series := range pushed {
		if _, ok := scraped[series]; !ok {
			bad = append(bad, "not scraped: "+series)
		}
	}
	return bad
}
