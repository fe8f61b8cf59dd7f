package exposition

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/store"
)

// partialContent has a family of every type, series in several chunks, and a name that is escaped.
func partialContent() content {
	hist := &store.Histogram{Bounds: []float64{1}, Counts: []uint64{1, 2}, Sum: 3}
	return content{
		counter("a_total", store.Sample{Labels: `x="1"`, Value: 1}, store.Sample{Labels: `x="2"`, Value: 2}),
		gauge("b", store.Sample{Labels: `x="1"`}, store.Sample{Labels: `x="2"`}, store.Sample{Labels: `x="3"`},
			store.Sample{Labels: `x="4"`}, store.Sample{Labels: `x="5",y="1"`}),
		gauge("c.d", store.Sample{Labels: `x="1"`}),
		histogram("h", store.Sample{Labels: `x="1"`, Histogram: hist}, store.Sample{Labels: `x="2"`, Histogram: hist}),
	}
}

// partialOwn are the exporter's own metrics beside partialContent.
func partialOwn() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "own_series", Help: "Series."}, []string{"x"})
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "own_seconds", Help: "Seconds.", Buckets: []float64{1}})
	s := prometheus.NewSummary(prometheus.SummaryOpts{
		Name: "own_pause", Help: "Pauses.",
		Objectives: map[float64]float64{0.5: 0.1},
	})
	reg.MustRegister(g, h, s)
	g.WithLabelValues("1")
	g.WithLabelValues("2")
	s.Observe(1)
	return reg
}

// lines are the samples of a page without their values.
func lines(page string) []string {
	var out []string
	for line := range strings.Lines(page) {
		if line[0] != '#' {
			out = append(out, line[:strings.LastIndexByte(line, ' ')])
		}
	}
	return out
}

func TestPartialScrapes(t *testing.T) {
	h1 := []string{`h_bucket{x="1",le="1"}`, `h_bucket{x="1",le="+Inf"}`, `h_sum{x="1"}`, `h_count{x="1"}`}
	ownSeconds := []string{
		`own_seconds_bucket{le="1"}`, `own_seconds_bucket{le="+Inf"}`, `own_seconds_sum`,
		`own_seconds_count`,
	}
	ownPause := []string{`own_pause{quantile="0.5"}`, `own_pause_sum`, `own_pause_count`}
	for _, tc := range []struct {
		names, matches []string
		accept         string
		want           []string
	}{
		{names: []string{"a_total"}, want: []string{`a_total{x="1"}`, `a_total{x="2"}`}},
		{names: []string{"a"}},
		{
			names: []string{"a"}, accept: prometheus3,
			want: []string{`a_total{x="1"}`, `a_total{x="2"}`},
		}, // its name in OpenMetrics
		{names: []string{"a_total"}, accept: prometheus3, want: []string{`a_total{x="1"}`, `a_total{x="2"}`}},
		{names: []string{"c.d", "own_series"}, want: []string{`c_d{x="1"}`, `own_series{x="1"}`, `own_series{x="2"}`}},
		{names: []string{"c_d"}, want: []string{`c_d{x="1"}`}},
		{names: []string{"h_bucket"}},
		{names: []string{""}},
		{matches: []string{`a_total`}, want: []string{`a_total{x="1"}`, `a_total{x="2"}`}},
		{matches: []string{`a_total{x!="1"}`}, want: []string{`a_total{x="2"}`}},
		{matches: []string{`b{x=~"4|5"}`, `b{x="1"}`}, want: []string{`b{x="1"}`, `b{x="4"}`, `b{x="5",y="1"}`}},
		{matches: []string{`b{x="5"}`}, want: []string{`b{x="5",y="1"}`}}, // after a chunk without any
		{matches: []string{`{"c.d"}`}},
		{matches: []string{`{"c.d"}`}, accept: prometheus3, want: []string{`{"c.d",x="1"}`}},
		{matches: []string{`c_d`}, want: []string{`c_d{x="1"}`}},
		{matches: []string{`h{x="1"}`}, want: h1},
		{matches: []string{`h_bucket{x="1"}`}, want: h1},
		{matches: []string{`h_count{x="1"}`, `h_sum{x="1"}`}, want: h1},
		{matches: []string{`h_count{x="3"}`}},
		{matches: []string{`own_seconds`}, want: ownSeconds},
		{matches: []string{`own_seconds_count`}, want: ownSeconds},
		{matches: []string{`own_pause_sum{}`}, want: ownPause},
		{matches: []string{`own_pause_bucket`}},
		{matches: []string{`{x="2"}`}, want: []string{
			`a_total{x="2"}`, `b{x="2"}`, `h_bucket{x="2",le="1"}`, `h_bucket{x="2",le="+Inf"}`,
			`h_sum{x="2"}`, `h_count{x="2"}`, `own_series{x="2"}`,
		}},
		{matches: []string{`{x="1"}`}, names: []string{"b", "own_series"}, want: []string{`b{x="1"}`, `own_series{x="1"}`}},
		{matches: []string{`nothing`}},
	} {
		h := newTestHandler(partialContent(), partialOwn(), Options{})
		query := url.Values{nameParameter: tc.names, matchParameter: tc.matches}
		r, w := httptest.NewRequest(http.MethodGet, "/metrics?"+query.Encode(), http.NoBody), httptest.NewRecorder()
		r.Header.Set("Accept", tc.accept)
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("%v: status %d", query, w.Code)
		}
		if diff := cmp.Diff(tc.want, lines(w.Body.String())); diff != "" {
			t.Errorf("%v (-want +got):\n%s", query, diff)
		}
	}
}

// TestPartialScrapesAddUp checks that parts which exclude each other are the whole page, metadata included.
func TestPartialScrapesAddUp(t *testing.T) {
	h := newTestHandler(partialContent(), partialOwn(), Options{})
	_, whole := scrape(t, h, http.MethodGet)
	var parts strings.Builder
	for _, selector := range []string{`{__name__=~"[a-g].*"}`, `h`, `{__name__=~"own.*"}`} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics?match[]="+url.QueryEscape(selector), http.NoBody))
		parts.WriteString(w.Body.String())
	}
	if diff := cmp.Diff(whole, parts.String()); diff != "" {
		t.Errorf("(-whole +parts):\n%s", diff)
	}
}

func TestInvalidSelections(t *testing.T) {
	h := newTestHandler(small, own(), Options{})
	for query, want := range map[string]string{
		"match[]=" + url.QueryEscape(`up{job=x}`): `match[]: "up{job=x}" at character 8: 'x' where it needs the ` +
			`label's value in quotes, as in job="value"`,
		"match[]=up&match[]=": `match[]: "" at character 1: a selector begins with a metric's name ` +
			`or with a brace, as in up{job="x"} or {job="x"}`,
		"match[]=" + url.QueryEscape(`h_bucket{le="1"}`): "match[]: histograms and summaries are selected whole: " +
			"leave out the matcher of le",
		"match[]=" + url.QueryEscape(`{quantile!="1"}`): "match[]: histograms and summaries are selected whole: " +
			"leave out the matcher of quantile",
		"match[]=" + strings.Repeat("a", maxMatchBytes) +
			"&match[]=a": "match[]: all selectors together are longer than 8192 bytes: scrape in several parts",
		"match[]=%zz": `the query of the address cannot be read: invalid URL escape "%zz": percent-encode what follows ?`,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r, w := httptest.NewRequest(method, "/metrics", http.NoBody), httptest.NewRecorder()
			r.URL.RawQuery = query
			h.ServeHTTP(w, r)
			if w.Code != http.StatusBadRequest || strings.TrimSpace(w.Body.String()) != want {
				t.Errorf("%.100s: status %d, %s", query, w.Code, w.Body.String())
			}
		}
	}
	if got := testutil.ToFloat64(h.metrics.scrapes.WithLabelValues(outcomeInvalid)); got != 12 {
		t.Errorf("%v counted", got)
	}
}

// TestStopEndsASelection has a family that never ends and of which nothing is selected, so that nothing is ever
// written.
func TestStopEndsASelection(t *testing.T) {
	stopped := errors.New("stopped")
	for _, format := range []expfmt.Format{expfmt.FmtText, expfmt.FmtProtoDelim} {
		s, err := parsePart(&url.URL{RawQuery: "match[]=" + url.QueryEscape(`{x="absent"}`)})
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		var p page
		p.begin(io.Discard, func() error {
			if asked++; asked > 5 {
				return stopped
			}
			return nil
		})
		if err := p.render(newOffer(format), s, nil, small.families(), newEndless()); !errors.Is(err, stopped) {
			t.Errorf("%s: ended with %v", format, err)
		}
	}
}
