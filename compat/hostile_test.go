package compat_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"loggregator_exporter/compat"
	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// drawHostile makes envelopes whose names meet in either kind of names, and with those of the exporter itself.
func drawHostile(t *rapid.T) *metric.Envelope {
	text := func(what string, of ...string) []byte { return []byte(rapid.SampledFrom(of).Draw(t, what)) }
	name := func() []byte {
		return text(
			"name",
			"x",
			"x_bucket",
			"x_sum",
			"x_count",
			"_bucket",
			"__bucket",
			"x_total",
			"x.count",
			"X",
			"\xff",
			"http_total",
			"http_total_delta",
			"go.goroutines",
			"firehose.total_envelopes_received",
			"cpu",
			"total_envelopes_received_cpu",
			"x_bucket_bucket",
			"x_created_bucket",
			"http_request_duration_seconds_bucket",
			"http_duration_seconds_cpu",
			"loggregator_exporter.series",
			"latency_ms_bucket",
			"latency_ms_sum",
		)
	}
	now := time.Now().UnixNano()
	e := &metric.Envelope{
		Kind:    rapid.SampledFrom([]metric.Kind{metric.KindGauge, metric.KindCounter, metric.KindTimer}).Draw(t, "kind"),
		Arrived: now, Timestamp: now, Name: name(), Total: rapid.Uint64Range(0, 9).Draw(t, "total"), Start: 1, Stop: 5e8,
		SourceID: text("source", "", "gorouter", "bbs"), InstanceID: text("instance", "", "0"),
	}
	if e.Kind == metric.KindTimer {
		e.Name = []byte("http")
	}
	for range rapid.IntRange(0, 3).Draw(t, "points") {
		v := rapid.SampledFrom([]float64{1, -1, math.NaN(), math.Inf(1), math.MaxFloat64, 5e-324}).Draw(t, "value")
		e.Points = append(e.Points, metric.Point{Name: name(), Unit: text("unit", "", "", "ms", "\xff"), Value: v})
	}
	for range rapid.IntRange(0, 4).Draw(t, "tags") {
		e.AddTag(
			text(
				"key",
				"le",
				"quantile",
				"le",
				"quantile",
				"envelope_le",
				"environment",
				"a-b",
				"a_b",
				"__name__",
				"",
				"uri",
				"content_length",
				"origin",
				"\xff",
			),
			text(
				"value",
				"",
				"1",
				"1.0",
				"0",
				"-0",
				"+Inf",
				"-Inf",
				"NaN",
				"1e308",
				"1e400",
				"0x1p3",
				"http://h/",
				"o\"\n\\",
				"\xff",
			),
		)
	}
	return e
}

// Whatever is sent, each page is one that Prometheus takes.
func TestHostilePages(t *testing.T) {
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		main := store.Options{
			Resolver: resolver.New(resolver.Options{
				Tagger: rules, Naming: naming.Style{Namespace: "cf", Verbatim: rapid.Bool().Draw(t, "verbatim")},
				HTTP: resolver.HTTPOptions{Buckets: []float64{1}, SizeBuckets: []float64{1}},
			}),
			Reserved: []string{"firehose_"}, Expiration: time.Hour, MaxSeries: 100, NativeHistograms: true,
		}
		page, registry, take := beside(t, main)
		for _, e := range rapid.SliceOfN(rapid.Custom(drawHostile), 1, 40).Draw(t, "envelopes") {
			take(e)
		}
		if _, err := registry.Gather(); err != nil {
			t.Fatal(err)
		}
		for _, accept := range []string{
			"text/plain", "text/plain;version=1.0.0;escaping=allow-utf-8", "application/openmetrics-text;version=1.0.0",
			"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
		} {
			if err := checkPage(page, accept); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// beside makes a store of the exporter's names and one of the dialect, a page of both with what they tell of
// themselves, and a way in.
func beside(t *rapid.T, main store.Options) (http.Handler, prometheus.Gatherer, func(*metric.Envelope)) {
	d, err := compat.New(compat.Options{Namespace: "firehose", Environment: "production", NodeIndex: "0"})
	if err != nil {
		t.Fatal(err)
	}
	var both store.Stores
	for _, o := range []store.Options{main, {Resolver: d, Expiration: time.Hour, MaxSeries: 100}} {
		s, err := store.New(o)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, s)
	}
	received := compat.NewReceived("firehose", "production")
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(received, both[0].Collector(), compat.NewCollector(both[1], received))
	writer, sink := both[0].Writer(), compat.NewSink(both[1].Writer(), received)
	return exposition.NewHandler(both, registry, exposition.Options{}), registry, func(e *metric.Envelope) {
		var tally, untold metric.Tally
		writer.Write(e, &tally)
		sink.Write(e, &untold)
		for _, sum := range []metric.Tally{tally, untold} {
			n := uint64(0)
			for _, outcome := range sum {
				n += outcome
			}
			if n != uint64(e.Samples()) {
				t.Fatalf("%v of %d samples", sum, e.Samples())
			}
		}
	}
}

func checkPage(page http.Handler, accept string) error {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	if page.ServeHTTP(w, r); w.Code != http.StatusOK {
		return fmt.Errorf("%s: status %d: %s", accept, w.Code, w.Body)
	}
	text := w.Body.String()
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		series := line
		if i := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") && i > 0 {
			series = line[:i]
		}
		if seen[series] {
			return fmt.Errorf("%s: twice: %s", accept, line)
		}
		seen[series] = true
	}
	if !strings.HasPrefix(accept, "text/plain") {
		return nil
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w:\n%s", accept, err, text)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if err := checkHistogram(m.GetHistogram()); err != nil {
				return fmt.Errorf("%s: %s%v: %w:\n%s", accept, f.GetName(), m, err, text)
			}
		}
	}
	return nil
}

func checkHistogram(h *dto.Histogram) error {
	if h == nil {
		return nil
	}
	last := uint64(0)
	for _, b := range h.GetBucket() {
		if b.GetCumulativeCount() < last {
			return fmt.Errorf("the bucket of %v falls", b.GetUpperBound())
		}
		last = b.GetCumulativeCount()
		if math.IsInf(b.GetUpperBound(), 1) && last == h.GetSampleCount() {
			return nil
		}
	}
	return fmt.Errorf("the bucket of +Inf is not the count")
}
