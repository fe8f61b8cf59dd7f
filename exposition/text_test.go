package exposition

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden holds every shape of line.
func golden() content {
	latency := &store.Histogram{
		Bounds: []float64{0.005, 1, 2.5, 1e6}, Counts: []uint64{1, 0, 2, 0, 4}, Count: 7,
		Sum: 12.25,
	}
	return content{
		{store.Family{Name: "cf_expired", Help: "It has no samples any more.", Type: metric.TypeGauge}, nil},
		{
			store.Family{Name: "cf_gc_pause_seconds", Help: "Pauses.", Unit: "seconds", Type: metric.TypeSummary},
			[]store.Sample{
				{Labels: labels("component", "bbs"), Summary: &store.Summary{
					Quantiles: []float64{0, 0.5, 1},
					Values:    []float64{0.001, math.NaN(), 2}, Count: 7, Sum: 12.25,
				}},
				{Summary: &store.Summary{Quantiles: []float64{0.99}, Values: []float64{-1}}},
				{Labels: labels("component", "none"), Summary: &store.Summary{Count: 1, Sum: 3}},
			},
		},
		{store.Family{
			Name: "cf_http_request_duration_seconds", Help: "HTTP requests.", Unit: "seconds",
			Type: metric.TypeHistogram,
		}, []store.Sample{
			{Labels: labels("component", "gorouter", "method", "GET"), Histogram: latency},
			{Histogram: &store.Histogram{Bounds: []float64{0.005, 1, 2.5, 1e6}, Counts: make([]uint64, 5)}},
			{Labels: labels("component", "other"), Histogram: &store.Histogram{
				Bounds: []float64{10}, Counts: []uint64{3, 0},
				Count: 3, Sum: math.NaN(),
			}},
		}},
		{store.Family{
			Name: "cf_num_bytes_allocated", Help: "Memory, in \"bytes\".\nPath C:\\x.", Unit: "bytes",
			Type: metric.TypeGauge,
		}, []store.Sample{
			{Labels: labels("component", "router", "index", "0", "type", "vm_memory"), Value: 123456789},
			{Labels: labels("component", "a\"b\\c\nd é"), Value: math.Copysign(0, -1)},
			{Labels: labels("v", "nan"), Value: math.NaN()},
			{Labels: labels("v", "inf"), Value: math.Inf(1)},
			{Labels: labels("v", "-inf"), Value: math.Inf(-1)},
			{Labels: labels("v", "denormal"), Value: math.SmallestNonzeroFloat64},
			{Labels: labels("v", "largest"), Value: math.MaxFloat64},
			{Labels: labels("v", "fraction"), Value: -0.1},
			{Value: 0},
		}},
		{store.Family{Name: "cf_num_bytes_sent_total", Unit: "bytes", Type: metric.TypeCounter}, []store.Sample{one(1e15)}},
		{store.Family{Name: "cf_sent_bytes_total", Unit: "bytes", Type: metric.TypeCounter}, []store.Sample{one(1e6)}},
		{
			store.Family{Name: "cf_requests_total", Help: "Requests.", Type: metric.TypeCounter},
			[]store.Sample{{Labels: labels("a", "b"), Value: 1 << 60}},
		},
		{store.Family{Name: "requests", Help: "A verbatim counter.", Type: metric.TypeCounter}, []store.Sample{one(3)}},
		{
			store.Family{Name: "memoryStats.\"x\"", Help: "A verbatim name.", Type: metric.TypeGauge},
			[]store.Sample{{Labels: labels("a", "b"), Value: 1}, one(2)},
		},
		{store.Family{Name: "p99.latency", Help: "A verbatim name.", Type: metric.TypeHistogram}, []store.Sample{
			{Labels: labels("a", "b"), Histogram: &store.Histogram{
				Bounds: []float64{1}, Counts: []uint64{1, 1}, Count: 2,
				Sum: 3,
			}},
			{Histogram: &store.Histogram{Bounds: []float64{1}, Counts: []uint64{1, 1}, Count: 2, Sum: 3}},
		}},
	}
}

func TestGolden(t *testing.T) {
	for file, format := range map[string]expfmt.Format{
		"text.txt":             expfmt.FmtText + "; escaping=underscores",
		"text_utf8.txt":        text100 + "; escaping=allow-utf-8",
		"openmetrics.txt":      expfmt.FmtOpenMetrics_1_0_0 + "; escaping=underscores",
		"openmetrics_utf8.txt": expfmt.FmtOpenMetrics_1_0_0 + "; escaping=allow-utf-8",
		"text_values.txt":      expfmt.FmtText + "; escaping=values",
		"text_dots.txt":        expfmt.FmtText + "; escaping=dots",
	} {
		t.Run(file, func(t *testing.T) {
			got := write(t, format, golden())
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnit(t *testing.T) {
	for _, tc := range []struct {
		family, unit string
		want         bool
	}{
		{"cf_x_seconds", "seconds", true},
		{"cf_x_seconds", "", false},
		{"cf_x_", "", false},
		{"cf_x", "seconds", false},
		{"cfseconds", "seconds", false},
		{"seconds", "seconds", false},
		{"cf_x_per second", "per second", false},
	} {
		if got := hasUnit(tc.family, tc.unit); got != tc.want {
			t.Errorf("hasUnit(%q, %q) = %v, want %v", tc.family, tc.unit, got, tc.want)
		}
	}
}

func TestAppendValueKeepsBits(t *testing.T) {
	values := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1e15, 1e15 - 1, -1e15, -1e15 + 1, 1 << 53, 1<<53 +
			2, 1 << 62, 1 << 63, -(1 << 63), 1 << 64,
		math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), 2.5, 999999.5,
	}
	for _, v := range values {
		text := string(appendValue(nil, v))
		got, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Float64bits(got) != math.Float64bits(v) {
			t.Errorf("%v is written as %s, read as %v, %v", v, text, got, err)
		}
	}
	for v, want := range map[float64]string{1e6: "1000000", math.Inf(1): "+Inf", math.Inf(-1): "-Inf", 0: "0"} {
		if got := string(appendValue(nil, v)); got != want {
			t.Errorf("%v is written as %s, want %s", v, got, want)
		}
	}
	if got := string(appendValue(nil, math.NaN())); got != "NaN" {
		t.Errorf("NaN is written as %s", got)
	}
}

func TestHistogramSurvivesMissingCounts(t *testing.T) {
	got := write(t, expfmt.FmtText, content{histogram("h",
		store.Sample{Histogram: &store.Histogram{Bounds: []float64{1, 2}, Counts: []uint64{5}}},
		store.Sample{},
	)})
	const want = `# HELP h A histogram.
# TYPE h histogram
h_bucket{le="1"} 5
h_bucket{le="2"} 5
h_bucket{le="+Inf"} 5
h_sum 0
h_count 5
`
	if got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	samples := make([]store.Sample, 10_000)
	for i := range samples {
		samples[i] = store.Sample{Labels: labels("component", "router", "index", strconv.Itoa(i)), Value: float64(i) * 1.5}
	}
	h := &store.Histogram{Bounds: []float64{0.1, 1, 10}, Counts: []uint64{1, 2, 3, 4}, Count: 10, Sum: 5.5}
	hists := make([]store.Sample, 1000)
	for i := range hists {
		hists[i] = store.Sample{Labels: samples[i].Labels, Histogram: h}
	}
	gauges, timers := gauge("cf_g", samples...), histogram("cf_h", hists...)
	for _, e := range []encoder{&textEncoder{}, &textEncoder{openMetrics: true}, &protobufEncoder{}} {
		var p page
		r := content{}.reader()
		p.begin(discard{}, func() error { return nil })
		got := 1.0
		// Connections of earlier tests allocate while they close, which is counted too.
		for try := 0; try < 5 && got > 0; try++ {
			got = testing.AllocsPerRun(10, func() {
				for _, s := range []*series{&gauges, &timers} {
					if err := e.encode(&p, &s.Family, e.names(&s.Family), s.samples, r); err != nil {
						t.Error(err)
					}
				}
			})
		}
		if got != 0 {
			t.Errorf("%+v: %v allocations", e, got)
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
