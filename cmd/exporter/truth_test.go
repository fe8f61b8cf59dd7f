package main

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cloudfoundry/dropsonde/emitter"
	"github.com/cloudfoundry/dropsonde/instrumented_handler"
	"github.com/cloudfoundry/dropsonde/metric_sender"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// samples reads a page: the value of every gauge and counter by its name and labels, and the number of observations of
// every histogram.
func samples(t *testing.T, page string) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, page)
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			var labels []metric.Label
			for _, l := range m.GetLabel() {
				labels = append(labels, metric.Label{Name: l.GetName(), Value: l.GetValue()})
			}
			key := name + "{" + string(metric.RenderLabels(labels)) + "}"
			if _, twice := out[key]; twice {
				t.Errorf("twice in one page: %s", key)
			}
			out[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()) +
				float64(m.GetSummary().GetSampleCount())
		}
	}
	return out
}

// expected returns what a scrape has to hold of what a foundation sent. Two raw names that end in one series make a
// choice: either value is right. Of what the prom scraper took apart it is the count.
func expected(r store.Resolver, sent []foundation.Sent) map[string][]float64 {
	out := map[string][]float64{}
	whole, parts := foundation.Parts(sent)
	for _, s := range parts {
		if base, ok := strings.CutSuffix(s.Name, "_count"); ok {
			s.Name, s.Kind, s.Value = base, metric.KindGauge, float64(s.Total)
			whole = append(whole, s)
		}
	}
	for _, s := range whole {
		if s.Kind == metric.KindTimer {
			continue
		}
		id := store.Identity{Kind: s.Kind, Name: s.Name, Unit: s.Unit, SourceID: s.SourceID, InstanceID: s.InstanceID}
		for _, tag := range slices.Sorted(maps.Keys(s.Tags)) {
			id.Tags = append(id.Tags, metric.Label{Name: tag, Value: s.Tags[tag]})
		}
		resolved := r.Resolve(&id)
		value := s.Value
		if s.Kind == metric.KindCounter {
			value = float64(s.Total)
		}
		key := resolved.Metric + "{" + string(metric.RenderLabels(resolved.Labels)) + "}"
		out[key] = append(out[key], value*resolved.Mul/resolved.Div)
	}
	return out
}

// Everything that a foundation sends, by datagram and by the reverse log proxy, is in the scrape with its value and
// labels.
func TestEverythingSentIsScraped(t *testing.T) {
	p := play(t, testConfig())
	sent := p.foundation.Sent()
	want := expected(p.running.Store.Resolver(), sent)
	if len(want) < 4000 {
		t.Fatalf("the foundation sent only %d series", len(want))
	}
	requests := 0.0
	for _, s := range sent {
		if s.Kind == metric.KindTimer && s.Tags["peer_type"] == "Server" {
			requests += float64(s.Count)
		}
	}
	awaitSamples(t, p.running, func(got map[string]float64) []string {
		wrong := compare(want, got)
		if counted := sumOf(got, "cf_http_request_duration_seconds{"); counted != requests {
			wrong = append(wrong, fmt.Sprintf("%v requests of %v", counted, requests))
		}
		return wrong
	})
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

func sumOf(samples map[string]float64, prefix string) (sum float64) {
	for key, v := range samples {
		if strings.HasPrefix(key, prefix) {
			sum += v
		}
	}
	return sum
}

// compare says what is missing or has none of the values that it may have.
func compare(want map[string][]float64, got map[string]float64) (wrong []string) {
	for key, values := range want {
		if v, ok := got[key]; !ok {
			wrong = append(wrong, "missing: "+key)
		} else if !slices.Contains(values, v) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want one of %v", key, v, values))
		}
	}
	return wrong
}

// A component that uses the public dropsonde library, as Cloud Foundry's own do, is read by datagram.
func TestDropsondeClient(t *testing.T) {
	r, stop := startService(t, testConfig(), slog.New(slog.DiscardHandler))
	udp, err := emitter.NewUdpEmitter(r.Listening["udp"].String())
	if err != nil {
		t.Fatal(err)
	}
	events := emitter.NewEventEmitter(udp, "router__0")
	defer events.Close()
	sender := metric_sender.NewMetricSender(events)
	const app = "f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11"
	for what, err := range map[string]error{
		"value":     sender.SendValue("memoryStats.lastGCPauseTimeNS", 5e6, "count"),
		"tagged":    sender.Value("latency", 250, "ms").SetTag("component", "uaa").Send(),
		"counter":   sender.AddToCounter("total_requests", 3),
		"increment": sender.IncrementCounter("total_requests"),
		"container": sender.SendContainerMetric(app, 2, 12.5, 1024, 2048),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	handler := instrumented_handler.InstrumentedHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
	}), events)
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/nowhere", nil))

	router := `component="router",index="0",origin="router__0",source_id="router__0"`
	container := `app_id="` + app + `",component="router",index="0",instance_id="2",origin="router__0",source_id="` + app + `"`
	want := map[string][]float64{
		`cf_last_gc_pause_time_seconds{component="router",index="0",origin="router__0",source_id="router__0",type="vm_memory"}`: {0.005},
		`cf_latency_seconds{component="router",index="0",origin="router__0",source_id="router__0",target_component="uaa"}`:      {0.25},
		`cf_gorouter_requests_total{` + router + `}`:                                     {4},
		`cf_container_cpu_ratio{` + container + `}`:                                      {0.125},
		`cf_container_memory_bytes{` + container + `}`:                                   {1024},
		`cf_container_disk_bytes{` + container + `}`:                                     {2048},
		`cf_http_request_duration_seconds{component="router",method="GET",status="4xx"}`: {1},
		`loggregator_exporter_envelopes_received_total{source="udp"}`:                    {6},
		`loggregator_exporter_envelopes_total{outcome="converted",source="udp"}`:         {6},
		`loggregator_exporter_samples_total{outcome="stored"}`:                           {8},
	}
	awaitSamples(t, r, func(got map[string]float64) []string { return compare(want, got) })
	if err := stop(); err != nil {
		t.Error(err)
	}
}
