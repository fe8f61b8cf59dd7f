package exposition

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/store"
)

// familyNames returns the names that a strict OpenMetrics parser (of the Python client) gives each family of a page,
// and fails where two are equal: it refuses such a page.
func familyNames(t *testing.T, page string) map[string]string {
	t.Helper()
	suffixes := map[string][]string{
		"counter": {"_total", "_created"}, "histogram": {"_bucket", "_count", "_sum", "_created"}, "summary": {"_count", "_sum", "_created"},
	}
	seen, types := map[string]bool{}, map[string]string{}
	for line := range strings.Lines(page) {
		f := strings.Fields(line)
		if len(f) != 4 || f[1] != "TYPE" {
			continue
		}
		types[f[2]] = f[3]
		for _, suffix := range append(suffixes[f[3]], "") {
			if name := f[2] + suffix; seen[name] {
				t.Errorf("clashing name: %s", name)
			} else {
				seen[name] = true
			}
		}
	}
	return types
}

// A counter whose OpenMetrics name another family has is of unknown type there, and a counter in the other formats.
func TestCounterBesideAnotherFamily(t *testing.T) {
	hist := store.Sample{Histogram: &store.Histogram{Counts: []uint64{1}}}
	for name, tc := range map[string]struct {
		content content
		want    map[string]string // types in OpenMetrics
	}{
		"gauge":     {content{gauge("x", one(1)), counter("x_total", one(2))}, map[string]string{"x": "gauge", "x_total": "unknown"}},
		"histogram": {content{histogram("x", hist), counter("x_total", one(2))}, map[string]string{"x": "histogram", "x_total": "unknown"}},
		"count of a histogram": {
			content{histogram("x", hist), counter("x_count_total", one(2))}, map[string]string{"x": "histogram", "x_count_total": "unknown"},
		},
		"created":            {content{gauge("x_created", one(1)), counter("x_total", one(2))}, map[string]string{"x_created": "gauge", "x_total": "unknown"}},
		"verbatim":           {content{counter("x", one(2)), gauge("x_total", one(1))}, map[string]string{"x": "unknown", "x_total": "gauge"}},
		"nothing else there": {content{counter("x_total", one(2)), gauge("y", one(1))}, map[string]string{"x": "counter", "y": "gauge"}},
	} {
		t.Run(name, func(t *testing.T) {
			page := write(t, expfmt.FmtOpenMetrics_1_0_0, tc.content)
			if diff := cmp.Diff(tc.want, familyNames(t, page)); diff != "" {
				t.Error(diff)
			}
			text := write(t, expfmt.FmtText, tc.content)
			for _, s := range tc.content {
				if !strings.Contains(text, "# TYPE "+s.Name+" "+s.Type.String()+"\n") {
					t.Errorf("%s has another type in\n%s", s.Name, text)
				}
			}
			if mfs := decodeProtobuf(t, write(t, expfmt.FmtProtoDelim, tc.content)); len(mfs) != len(tc.content) {
				t.Errorf("%d families in protobuf", len(mfs))
			}
		})
	}
}

// So are the exporter's own counters, of which client_golang has such a pair: go_memstats_alloc_bytes and its _total.
func TestOwnCounterBesideGauge(t *testing.T) {
	reg := prometheus.NewRegistry()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_x_bytes", Help: "Now."})
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "go_x_bytes_total", Help: "In all."}, []string{"a"})
	reg.MustRegister(g, c)
	g.Set(1)
	c.WithLabelValues("b").Add(2)
	own, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	render := func(format expfmt.Format) string {
		var b bytes.Buffer
		var p page
		p.begin(&b, func() error { return nil })
		if err := p.render(newOffer(format), nil, own, nil, new(store.Reader)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const want = `# HELP go_x_bytes Now.
# TYPE go_x_bytes gauge
go_x_bytes 1.0
# HELP go_x_bytes_total In all.
# TYPE go_x_bytes_total unknown
go_x_bytes_total{a="b"} 2.0
# EOF
`
	if diff := cmp.Diff(want, render(expfmt.FmtOpenMetrics_1_0_0)); diff != "" {
		t.Error(diff)
	}
	if text := render(expfmt.FmtText); !strings.Contains(text, "# TYPE go_x_bytes_total counter\n") {
		t.Error(text)
	}
	if mf := decodeProtobuf(t, render(expfmt.FmtProtoDelim)); len(mf) != 2 || mf[1].GetType() != dto.MetricType_COUNTER {
		t.Error(mf)
	}
}
