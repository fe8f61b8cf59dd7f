package exposition

import (
	"bytes"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

func summary(samples ...store.Sample) series {
	return series{store.Family{Name: "s", Help: "A summary.", Type: metric.TypeSummary}, samples}
}

// What is not known of a histogram or summary is not written, except in OpenMetrics; a sum in protobuf is NaN, since
// its readers take none for 0.
func TestUnknownSumsAndCounts(t *testing.T) {
	c := content{
		histogram("h", store.Sample{Labels: `a="1"`, Histogram: &store.Histogram{
			Bounds: []float64{1}, Counts: []uint64{2, 3}, Count: 5, Sum: math.NaN(), Unsummed: true,
		}}),
		summary(
			store.Sample{},
			store.Sample{Labels: `a="1"`, Summary: &store.Summary{
				Quantiles: []float64{0.5}, Values: []float64{4},
				Sum: math.NaN(), Unsummed: true, Uncounted: true,
			}},
			store.Sample{Labels: `a="2"`, Summary: &store.Summary{Sum: 6, Uncounted: true}}),
	}
	const head, counted = "# HELP h A histogram.\n# TYPE h histogram\n", `h_count{a="1"} 5` + "\n"
	const summaries = "# HELP s A summary.\n# TYPE s summary\ns{a=\"1\",quantile=\"0.5\"} 4\ns_sum{a=\"2\"} 6\n"
	text := head + `h_bucket{a="1",le="1"} 2` + "\n" + `h_bucket{a="1",le="+Inf"} 5` + "\n" + counted + summaries
	if diff := cmp.Diff(text, write(t, expfmt.FmtText, c)); diff != "" {
		t.Error(diff)
	}
	// OpenMetrics wants a sum beside a count, and the OpenTelemetry Collector a count.
	open := strings.ReplaceAll(strings.Replace(text, counted, `h_sum{a="1"} 0`+"\n"+counted, 1), `le="1"`, `le="1.0"`)
	open = strings.Replace(open, "s_sum", `s_count{a="1"} 0`+"\ns_sum", 1) + `s_count{a="2"} 0` + "\n# EOF\n"
	if diff := cmp.Diff(open, write(t, expfmt.FmtOpenMetrics_1_0_0, c)); diff != "" {
		t.Error(diff)
	}
	mfs := decodeProtobuf(t, write(t, expfmt.FmtProtoDelim, c))
	if got := mfs[0].GetMetric()[0].GetHistogram(); !math.IsNaN(got.GetSampleSum()) || got.GetSampleCount() != 5 {
		t.Error(got)
	}
	if got := mfs[1].GetMetric(); len(got) != 2 || got[0].GetSummary().SampleCount != nil ||
		!math.IsNaN(got[0].GetSummary().GetSampleSum()) ||
		got[1].GetSummary().GetSampleSum() != 6 {
		t.Error(got)
	}
}

// Lines of start times are those of client_golang, and only where they were asked for, in OpenMetrics, and where a
// start is known.
func TestCreatedLines(t *testing.T) {
	const start = 1_700_000_000_500_000_000
	s := golden()[1].samples[0].Summary
	c := content{
		counter("hits_total", store.Sample{Labels: `a="1"`, Value: 1, Start: start}, one(2)),
		histogram("h", store.Sample{Start: start, Histogram: &store.Histogram{
			Bounds: []float64{1}, Counts: []uint64{2, 3},
			Count: 5, Sum: 1,
		}}),
		summary(store.Sample{Labels: `a="2"`, Start: start, Summary: s}),
	}
	render := func(o *offer) string {
		var b bytes.Buffer
		var p page
		p.begin(&b, func() error { return nil })
		if err := p.render(o, nil, nil, c.families(), c.reader()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	var want bytes.Buffer
	enc := expfmt.NewEncoder(&want, expfmt.FmtOpenMetrics_1_0_0, expfmt.WithCreatedLines())
	for i := range c {
		if err := enc.Encode(toDTO(&c[i])); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.(expfmt.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	got := render(newOffer(expfmt.FmtOpenMetrics_1_0_0).withCreated())
	if diff := cmp.Diff(normalLines(want.String()), normalLines(got)); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(got, "_created"); n != 3 || !strings.Contains(got, "hits_created{a=\"1\"} 1700000000.500\n") {
		t.Errorf("%d lines in\n%s", n, got)
	}
	for _, o := range []*offer{newOffer(expfmt.FmtText).withCreated(), newOffer(expfmt.FmtOpenMetrics_1_0_0)} {
		if got := render(o); strings.Contains(got, "_created") {
			t.Error(got)
		}
	}
}

// The handler's option reaches the exporter's own metrics, too.
func TestCreatedLinesAreAnOption(t *testing.T) {
	reg := prometheus.NewRegistry()
	own := prometheus.NewCounter(prometheus.CounterOpts{Name: "own_total", Help: "Own."})
	reg.MustRegister(own)
	c := content{counter("hits_total", store.Sample{Value: 1, Start: 1e18})}
	for _, on := range []bool{false, true} {
		h := newHandler(c.families, c.reader, reg, Options{CreatedLines: on})
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for _, name := range []string{"hits_created", "own_created"} {
			if got := strings.Contains(w.Body.String(), name); got != on {
				t.Errorf("%v: %s in\n%s", on, name, w.Body)
			}
		}
	}
}

// A name that ends in _total already gets no second one, in any format.
func TestTotalIsNotDoubled(t *testing.T) {
	c := content{
		counter("a_total", one(1)), counter("b", one(2)), counter("c.total", one(3)),
		counter("d_total_total", one(4)),
	}
	for format, want := range map[expfmt.Format]string{
		expfmt.FmtText:              "a_total 1 b 2 c_total 3 d_total_total 4",
		expfmt.FmtOpenMetrics_1_0_0: "a_total 1 b_total 2 c_total 3 d_total_total 4",
	} {
		var got []string
		for line := range strings.SplitSeq(write(t, format, c), "\n") {
			if line != "" && line[0] != '#' {
				got = append(got, line)
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}

// Histograms and summaries of one family that differ in their buckets do not get each other's.
func TestBucketsDiffer(t *testing.T) {
	var hists, sums []store.Sample
	for i := range 20 {
		h := &store.Histogram{Counts: make([]uint64, i%4+1)}
		q := &store.Summary{}
		for j := range i % 4 {
			h.Bounds = append(h.Bounds, float64(i+j))
			q.Quantiles = append(q.Quantiles, float64(j)/4)
			q.Values = append(q.Values, float64(i))
		}
		hists = append(hists, store.Sample{Labels: labels("i", strconv.Itoa(100+i)), Histogram: h})
		sums = append(sums, store.Sample{Labels: labels("i", strconv.Itoa(100+i)), Summary: q})
	}
	c := content{histogram("h", hists...), summary(sums...)}
	checkRoundTrip(t, c, model.UnderscoreEscaping)
	checkProtobuf(t, c, model.UnderscoreEscaping)
	checkAgainstClient(t, c, expfmt.FmtOpenMetrics_1_0_0)
}

// A summary is chosen by its own name and by those of its series, and always whole.
func TestSummariesAreSelectedWhole(t *testing.T) {
	c := content{summary(store.Sample{
		Labels:  `a="1"`,
		Summary: &store.Summary{Quantiles: []float64{0.5}, Values: []float64{4}, Count: 1, Sum: 4},
	})}
	h := newHandler(c.families, c.reader, prometheus.NewRegistry(), Options{})
	for query, want := range map[string]int{
		"name[]=s": 3, "match[]=s_sum": 3, `match[]={__name__=~"s_c.*",a="1"}`: 3,
		"match[]=s_bucket": 0, `match[]=s{a="2"}`: 0,
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics?"+strings.NewReplacer("{", "%7B", "}", "%7D", `"`,
			"%22").Replace(query), http.NoBody)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := strings.Count(w.Body.String(), "\ns"); got != want {
			t.Errorf("%s: %d lines, want %d:\n%s", query, got, want, w.Body)
		}
	}
}
