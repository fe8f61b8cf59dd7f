package exposition

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

func TestOpenMetricsNames(t *testing.T) {
	for _, tc := range []struct {
		name   string
		typ    metric.Type
		scheme model.EscapingScheme
		want   names
	}{
		{"a_total", metric.TypeCounter, model.UnderscoreEscaping, names{"a", "a_total", false, false}},
		{"a", metric.TypeCounter, model.UnderscoreEscaping, names{"a", "a_total", true, false}},
		{"_total", metric.TypeCounter, model.UnderscoreEscaping, names{"_total", "_total_total", true, false}},
		{"a_total", metric.TypeGauge, model.UnderscoreEscaping, names{"a_total", "a_total", false, false}},
		{"a.b", metric.TypeGauge, model.UnderscoreEscaping, names{"a_b", "a_b", true, false}},
		{"a.b", metric.TypeGauge, model.DotsEscaping, names{"a_dot_b", "a_dot_b", true, false}},
		{"a_b", metric.TypeGauge, model.DotsEscaping, names{"a_b", "a_b", false, false}},
		{"a.b", metric.TypeGauge, model.NoEscaping, names{"a.b", "a.b", false, false}},
		{"a.b", metric.TypeCounter, model.NoEscaping, names{"a.b", "a.b_total", true, false}},
		{"a.total", metric.TypeCounter, model.UnderscoreEscaping, names{"a", "a_total", true, false}},
		{"a.b", metric.TypeCounter, model.ValueEncodingEscaping, names{"U__a_2e_b_", "U__a_2e_b__total", true, false}},
		{"a\x00b\xff", metric.TypeGauge, model.NoEscaping, names{`a\x00b�`, `a\x00b�`, true, false}},
		{"", metric.TypeCounter, model.NoEscaping, names{}},
	} {
		got := openMetricsNames(&store.Family{Name: tc.name, Type: tc.typ}, tc.scheme)
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(names{})); diff != "" {
			t.Errorf("%q as %v, %v (-want +got):\n%s", tc.name, tc.typ, tc.scheme, diff)
		}
	}
}

// sampleNames are the distinct names of a page's samples, in order.
func sampleNames(page string) []string {
	var ns []string
	for line := range strings.Lines(page) {
		if line[0] == '#' {
			continue
		}
		name := line[:strings.IndexAny(line, "{ ")]
		if name == "" {
			name, _, _ = strings.Cut(line[2:], `"`)
		}
		if len(ns) == 0 || ns[len(ns)-1] != name {
			ns = append(ns, name)
		}
	}
	return ns
}

func TestNamesThatMeetAreWrittenOnce(t *testing.T) {
	hist := store.Sample{Histogram: &store.Histogram{Counts: []uint64{1}}}
	for _, tc := range []struct {
		why     string
		format  expfmt.Format
		content content
		want    []string
	}{
		{
			"a legal name wins, though it comes later", expfmt.FmtText,
			content{gauge("a.b", one(1)), gauge("a_b", one(2))},
			[]string{"a_b"},
		},
		{
			"of two escaped names the first wins", expfmt.FmtText,
			content{gauge("a-b", one(1)), gauge("a.b", one(2))},
			[]string{"a_b"},
		},
		{
			"nothing is lost where UTF-8 is understood", text100 + "; escaping=allow-utf-8",
			content{gauge("a-b", one(1)), gauge("a.b", one(2)), gauge("a_b", one(3))},
			[]string{"a-b", "a.b", "a_b"},
		},
		{
			"a histogram's other names are its own", expfmt.FmtText,
			content{gauge("a.b.count", one(1)), histogram("a_b", hist)},
			[]string{"a_b_bucket", "a_b_sum", "a_b_count"},
		},
		{
			"and so they are where the histogram's name is the escaped one", expfmt.FmtText,
			content{histogram("a.b", hist), gauge("a_b_count", one(1))},
			[]string{"a_b_count"},
		},
		{
			"the name of an OpenMetrics counter without its ending", expfmt.FmtOpenMetrics_1_0_0,
			content{counter("a.b_total", one(1)), gauge("a_b", one(2))},
			[]string{"a_b_total", "a_b"},
		},
		{
			"which the text format can tell apart", expfmt.FmtText,
			content{counter("a.b_total", one(1)), gauge("a_b", one(2))},
			[]string{"a_b_total", "a_b"},
		},
		{
			"an ending that only OpenMetrics adds", expfmt.FmtOpenMetrics_1_0_0,
			content{counter("a", one(1)), counter("a_total", one(2))},
			[]string{"a_total"},
		},
		{
			"an ending that OpenMetrics reserves", expfmt.FmtOpenMetrics_1_0_0,
			content{gauge("a.created", one(1)), histogram("a", hist)},
			[]string{"a_bucket", "a_sum", "a_count"},
		},
		{
			"no name, and a type whose values the store does not have", expfmt.FmtText,
			content{
				gauge("", one(1)),
				{store.Family{Name: "s", Type: metric.TypeSummary}, []store.Sample{one(1)}},
				gauge("a", one(1)),
			},
			[]string{"a"},
		},
	} {
		t.Run(tc.why, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sampleNames(write(t, tc.format, tc.content))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoNameTwice makes names that differ in little and checks that no page repeats a family or a series.
func TestNoNameTwice(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"a", "b", ".", "-", "_", "_total", ".total", "_count", ".sum", "_created",
		"_bucket", "é",
	})
	name := rapid.Map(rapid.SliceOfN(piece, 1, 4), func(ps []string) string { return strings.Join(ps, "") })
	rapid.Check(t, func(rt *rapid.T) {
		c := content{}
		for i, n := range rapid.SliceOfNDistinct(name, 1, 12, rapid.ID).Draw(rt, "names") {
			switch rapid.IntRange(0, 2).Draw(rt, fmt.Sprint("type", i)) {
			case 0:
				c = append(c, gauge(n, one(1)))
			case 1:
				c = append(c, counter(n, one(1)))
			default:
				c = append(c, histogram(n, store.Sample{Histogram: &store.Histogram{Counts: []uint64{1}}}))
			}
		}
		base := rapid.SampledFrom([]expfmt.Format{expfmt.FmtText, expfmt.FmtOpenMetrics_1_0_0}).Draw(rt, "format")
		scheme := rapid.SampledFrom([]model.EscapingScheme{
			model.NoEscaping, model.UnderscoreEscaping, model.DotsEscaping, model.ValueEncodingEscaping,
		}).Draw(rt, "scheme")
		if line := repeated(write(t, base.WithEscapingScheme(scheme), c)); line != "" {
			rt.Fatalf("twice in a page: %q", line)
		}
	})
}

// repeated returns a line of a page that says something about a family, or a series, for the second time, or "".
func repeated(page string) string {
	seen := map[string]bool{}
	for line := range strings.Lines(page) {
		key := line[:strings.LastIndexByte(line, ' ')]
		if fields := strings.Fields(line); line[0] == '#' && len(fields) > 2 {
			key = strings.Join(fields[:3], " ")
		}
		if seen[key] {
			return line
		}
		seen[key] = true
	}
	return ""
}

func BenchmarkClaims(b *testing.B) {
	ns := make([]string, 5000)
	for i := range ns {
		ns[i] = fmt.Sprintf("cf_some_component_metric_%d_total", i)
	}
	var c claims
	b.ReportAllocs()
	for b.Loop() {
		c.reset()
		for _, n := range ns {
			c.claim(n, hasTotal|hasCreated)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ns)), "ns/family")
}
