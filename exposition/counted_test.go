package exposition

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// countedBySenders are families as the store gives them of OpenTelemetry's senders.
func countedBySenders(t *testing.T) content {
	t.Helper()
	s := newStore(t)
	w := s.Writer()
	now := time.Now().UnixNano()
	now -= now % 1e9
	var tally metric.Tally
	add := func(kind metric.Kind, name, unit, ip string, d *metric.Distribution) {
		d.Sum, d.HasSum = -1.5, true
		d.Exemplars = []metric.Exemplar{
			{TraceID: slices.Repeat([]byte{1}, 16), SpanID: slices.Repeat([]byte{2}, 8), Value: 0.25, Timestamp: now - 1e9},
			{TraceID: slices.Repeat([]byte{3}, 16), Value: 7.5, Timestamp: now - 2e9},
		}
		w.Write(&metric.Envelope{
			Kind: kind, Timestamp: now, Arrived: now, Began: 1_700_000_000_500_000_000, Name: []byte(name), Unit: []byte(unit),
			Tags: []metric.Tag{{Key: []byte("ip"), Value: []byte(ip)}}, Distribution: d,
		}, &tally)
	}
	add(metric.KindHistogram, "classic", "s", "1", &metric.Distribution{Bounds: []float64{0.5, 1}, Counts: []uint64{1, 0, 2}})
	add(metric.KindHistogram, "classic", "s", "2", &metric.Distribution{Bounds: []float64{2}, Counts: []uint64{4, 5}})
	add(metric.KindHistogram, "native", "s", "1", &metric.Distribution{
		HasNative: true, Schema: 2, ZeroCount: 3, ZeroThreshold: 0.001,
		Positive: metric.NativeBuckets{First: -3, Counts: []uint64{1, 0, 2}},
		Negative: metric.NativeBuckets{First: 4, Counts: []uint64{5, 1}},
	})
	add(metric.KindHistogram, "native", "s", "2", &metric.Distribution{
		HasNative: true, Schema: -4, Negative: metric.NativeBuckets{First: 0, Counts: []uint64{1}},
	})
	add(metric.KindHistogram, "native", "s", "3", &metric.Distribution{HasNative: true})
	add(metric.KindSummary, "summary", "By", "1", &metric.Distribution{
		Count: 4, Quantiles: []metric.Quantile{{Share: 0.5, Value: 1}, {Share: 1, Value: math.Inf(1)}},
	})
	if tally[metric.Stored] != 6 {
		t.Fatalf("%v", tally)
	}
	var c content
	var r store.Reader
	for _, f := range s.Families() {
		var snap block
		r.Reset(&f)
		for samples := r.Next(); len(samples) > 0; samples = r.Next() {
			for i := range samples {
				snap.add(&samples[i])
			}
		}
		c = append(c, series{f, snap.samples})
	}
	return c
}

// Histograms and summaries that their senders have counted come out as they went in, as client_golang writes them.
func TestCountedBySenders(t *testing.T) {
	c := countedBySenders(t)
	const text = `# HELP cf_classic_seconds Cloud Foundry metric classic.
# TYPE cf_classic_seconds histogram
cf_classic_seconds_bucket{bosh_job_ip="1",le="0.5"} 1
cf_classic_seconds_bucket{bosh_job_ip="1",le="1"} 1
cf_classic_seconds_bucket{bosh_job_ip="1",le="+Inf"} 3
cf_classic_seconds_sum{bosh_job_ip="1"} -1.5
cf_classic_seconds_count{bosh_job_ip="1"} 3
cf_classic_seconds_bucket{bosh_job_ip="2",le="2"} 4
cf_classic_seconds_bucket{bosh_job_ip="2",le="+Inf"} 9
cf_classic_seconds_sum{bosh_job_ip="2"} -1.5
cf_classic_seconds_count{bosh_job_ip="2"} 9
# HELP cf_native_seconds Cloud Foundry metric native.
# TYPE cf_native_seconds histogram
cf_native_seconds_bucket{bosh_job_ip="1",le="+Inf"} 12
cf_native_seconds_sum{bosh_job_ip="1"} -1.5
cf_native_seconds_count{bosh_job_ip="1"} 12
cf_native_seconds_bucket{bosh_job_ip="2",le="+Inf"} 1
cf_native_seconds_sum{bosh_job_ip="2"} -1.5
cf_native_seconds_count{bosh_job_ip="2"} 1
cf_native_seconds_bucket{bosh_job_ip="3",le="+Inf"} 0
cf_native_seconds_sum{bosh_job_ip="3"} -1.5
cf_native_seconds_count{bosh_job_ip="3"} 0
# HELP cf_summary_bytes Cloud Foundry metric summary.
# TYPE cf_summary_bytes summary
cf_summary_bytes{bosh_job_ip="1",quantile="0.5"} 1
cf_summary_bytes{bosh_job_ip="1",quantile="1"} +Inf
cf_summary_bytes_sum{bosh_job_ip="1"} -1.5
cf_summary_bytes_count{bosh_job_ip="1"} 4
`
	if diff := cmp.Diff(text, write(t, expfmt.FmtText, c)); diff != "" {
		t.Error(diff)
	}
	checkRoundTrip(t, c, model.UnderscoreEscaping)
	checkAgainstClient(t, c, expfmt.FmtText)
	checkProtobuf(t, c, model.UnderscoreEscaping)

	native := c[1].samples[0].Histogram
	if len(native.Exemplars) != 2 || native.Exemplars[0].Value != 0.25 {
		t.Fatalf("%+v", native)
	}
	page := write(t, expfmt.FmtOpenMetrics_1_0_0, c)
	for _, want := range []string{
		`le="+Inf"} 12 # {span_id="0202020202020202",trace_id="01010101010101010101010101010101"} 0.25 `,
		`le="0.5"} 1 # {span_id="0202020202020202",trace_id="01010101010101010101010101010101"} 0.25 `,
		`le="+Inf"} 3 # {trace_id="03030303030303030303030303030303"} 7.5 `,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	// client_golang leaves out the exemplars of a histogram with native buckets only.
	for i := range c[1].samples {
		c[1].samples[i].Histogram.Exemplars = nil
	}
	checkAgainstClient(t, c, expfmt.FmtOpenMetrics_1_0_0)
}
