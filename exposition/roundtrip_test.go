package exposition

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/types/known/timestamppb"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// toDTO is a family as client_golang would hold it.
func toDTO(s *series) *dto.MetricFamily {
	mf := &dto.MetricFamily{Name: new(s.Name)}
	if s.Help != "" {
		mf.Help = new(metric.Printable(s.Help))
	}
	mf.Type = map[metric.Type]*dto.MetricType{
		metric.TypeGauge:     dto.MetricType_GAUGE.Enum(),
		metric.TypeCounter:   dto.MetricType_COUNTER.Enum(),
		metric.TypeHistogram: dto.MetricType_HISTOGRAM.Enum(),
		metric.TypeSummary:   dto.MetricType_SUMMARY.Enum(),
	}[s.Type]
	for i := range s.samples {
		sample := &s.samples[i]
		m := &dto.Metric{}
		for n, v := range sample.Labels.All() {
			m.Label = append(m.Label, &dto.LabelPair{Name: new(n), Value: new(v)})
		}
		switch s.Type {
		case metric.TypeGauge:
			m.Gauge = &dto.Gauge{Value: new(sample.Value)}
		case metric.TypeCounter:
			m.Counter = &dto.Counter{Value: new(sample.Value), CreatedTimestamp: toDTOTime(sample.Start)}
		case metric.TypeSummary:
			m.Summary = toDTOSummary(sample.Summary)
			m.Summary.CreatedTimestamp = toDTOTime(sample.Start)
		default:
			m.Histogram = toDTOHistogram(sample.Histogram)
			m.Histogram.CreatedTimestamp = toDTOTime(sample.Start)
		}
		mf.Metric = append(mf.Metric, m)
	}
	return mf
}

func toDTOHistogram(h *store.Histogram) *dto.Histogram {
	d := &dto.Histogram{SampleSum: new(h.Sum)}
	total := uint64(0)
	nativeOnly := h.Native != nil && len(h.Bounds) == 0
	for i, c := range h.Counts {
		bound := math.Inf(1)
		if i < len(h.Bounds) {
			bound = h.Bounds[i]
		}
		total += c
		b := &dto.Bucket{UpperBound: new(bound), CumulativeCount: new(total)}
		if i < len(h.Exemplars) && h.Exemplars[i].Stamp > 0 {
			b.Exemplar = toDTOExemplar(&h.Exemplars[i])
		}
		d.Bucket = append(d.Bucket, b)
	}
	d.SampleCount = new(total)
	if n := h.Native; n != nil {
		d.Schema, d.ZeroThreshold, d.ZeroCount = new(n.Schema), new(n.ZeroThreshold), new(n.Zero)
		if len(n.Negative.Counts) > 0 {
			d.NegativeSpan, d.NegativeDelta = toDTOBuckets(&n.Negative)
		}
		if len(n.Positive.Counts) > 0 || d.NegativeSpan == nil {
			d.PositiveSpan, d.PositiveDelta = toDTOBuckets(&n.Positive)
		}
	}
	if nativeOnly {
		for i := range h.Exemplars {
			d.Exemplars = append(d.Exemplars, toDTOExemplar(&h.Exemplars[i]))
		}
	}
	return d
}

func toDTOBuckets(b *metric.NativeBuckets) (spans []*dto.BucketSpan, deltas []int64) {
	span := &dto.BucketSpan{Offset: new(b.First), Length: new(uint32(len(b.Counts)))}
	if len(b.Counts) == 0 {
		span.Offset = new(int32(0))
	}
	before := uint64(0)
	for _, c := range b.Counts {
		deltas = append(deltas, int64(c-before))
		before = c
	}
	return []*dto.BucketSpan{span}, deltas
}

func toDTOExemplar(x *store.Exemplar) *dto.Exemplar {
	d := &dto.Exemplar{Value: new(x.Value), Timestamp: toDTOTime(x.Stamp)}
	if x.HasSpan() {
		d.Label = append(d.Label, &dto.LabelPair{Name: new("span_id"), Value: new(x.Span.String())})
	}
	d.Label = append(d.Label, &dto.LabelPair{Name: new("trace_id"), Value: new(x.Trace.String())})
	return d
}

func toDTOSummary(s *store.Summary) *dto.Summary {
	d := &dto.Summary{SampleCount: new(s.Count), SampleSum: new(s.Sum)}
	for i, q := range s.Quantiles {
		d.Quantile = append(d.Quantile, &dto.Quantile{Quantile: new(q), Value: new(s.Values[i])})
	}
	return d
}

func toDTOTime(ns int64) *timestamppb.Timestamp {
	if ns <= 0 {
		return nil
	}
	return timestamppb.New(time.Unix(0, ns))
}

// flatten lists all that a family says, with the bits of its floats.
func flatten(mf *dto.MetricFamily) []string {
	out := []string{fmt.Sprintf("%q %s help %q", mf.GetName(), mf.GetType(), strings.TrimLeft(mf.GetHelp(), " \t"))}
	for _, m := range mf.GetMetric() {
		ls := make([]string, 0, len(m.GetLabel()))
		for _, l := range m.GetLabel() {
			ls = append(ls, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
		slices.Sort(ls)
		at := strings.Join(ls, ",")
		switch {
		case m.Gauge != nil:
			out = append(out, at+" "+bitsOf(m.Gauge.GetValue()))
		case m.Counter != nil:
			out = append(out, at+" "+bitsOf(m.Counter.GetValue()))
		case m.Summary != nil:
			for _, q := range m.Summary.GetQuantile() {
				out = append(out, fmt.Sprintf("%s quantile=%s %s", at, bitsOf(q.GetQuantile()), bitsOf(q.GetValue())))
			}
			out = append(out, fmt.Sprintf("%s sum %s count %d", at, bitsOf(m.Summary.GetSampleSum()),
				m.Summary.GetSampleCount()))
		case m.Histogram != nil:
			for _, b := range m.Histogram.GetBucket() {
				out = append(out, fmt.Sprintf("%s le=%s %d", at, bitsOf(b.GetUpperBound()), b.GetCumulativeCount()))
			}
			out = append(out, fmt.Sprintf("%s sum %s count %d", at, bitsOf(m.Histogram.GetSampleSum()),
				m.Histogram.GetSampleCount()))
		}
	}
	return out
}

func bitsOf(v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	return strconv.FormatUint(math.Float64bits(v), 16)
}

// checkRoundTrip checks that a parser reads from the text format exactly what went in.
func checkRoundTrip(t *testing.T, c content, scheme model.EscapingScheme) {
	t.Helper()
	page := write(t, text100.WithEscapingScheme(scheme), c)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	parsed, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, page)
	}
	want, got := map[string][]string{}, map[string][]string{}
	for i := range c {
		if len(c[i].samples) > 0 {
			mf := toDTO(&c[i])
			mf.Name = new(escape(c[i].Name, scheme))
			want[mf.GetName()] = flatten(mf)
		}
	}
	for name, mf := range parsed {
		got[name] = flatten(mf)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\nin:\n%s", diff, page)
	}
}

// checkAgainstClient checks that a page differs from client_golang's in nothing but the spelling of values, and that
// counters keep their type and get their ending in OpenMetrics, where client_golang calls those without it unknown,
// and that a unit which would cost the page is not written.
func checkAgainstClient(t *testing.T, c content, format expfmt.Format) {
	t.Helper()
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, format)
	for i := range c {
		if len(c[i].samples) == 0 {
			continue
		}
		mf := toDTO(&c[i])
		if format.FormatType() == expfmt.TypeOpenMetrics {
			n := openMetricsNames(&c[i].Family, format.ToEscapingScheme())
			if n.altered && mf.GetType() == dto.MetricType_COUNTER {
				mf.Name = new(n.sample)
			}
			if hasUnit(n.family, c[i].Unit) {
				mf.Unit = new(c[i].Unit)
			}
		}
		if err := enc.Encode(mf); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.(expfmt.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(normalLines(b.String()), normalLines(write(t, format, c))); diff != "" {
		t.Errorf("%s (-client_golang +ours):\n%s", format, diff)
	}
}

// normalLines splits a page and brings values into one spelling, in which 0 has no sign.
func normalLines(page string) []string {
	lines := strings.Split(page, "\n")
	for i, l := range lines {
		at := strings.LastIndexByte(l, ' ')
		if at < 0 || l[0] == '#' {
			continue
		}
		if v, err := strconv.ParseFloat(l[at+1:], 64); err == nil {
			lines[i] = l[:at] + " " + bitsOf(v+0)
		}
	}
	return lines
}

func TestGoldenRoundTrip(t *testing.T) {
	c := golden()
	for _, scheme := range []model.EscapingScheme{
		model.NoEscaping, model.UnderscoreEscaping, model.DotsEscaping, model.ValueEncodingEscaping,
	} {
		checkRoundTrip(t, c, scheme)
		checkAgainstClient(t, c, expfmt.FmtText.WithEscapingScheme(scheme))
		checkAgainstClient(t, c, expfmt.FmtOpenMetrics_1_0_0.WithEscapingScheme(scheme))
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("memoryStats.numBytesAllocated", "Help.", "value", "router", 1.5, 0.5, uint64(3), uint8(0), uint8(0))
	f.Add("a\x00\"b\\\n", "  a \"quoted\"\nhelp\\\r", "a\nb\"c\\d\x00\xff", "", math.NaN(), 1e6, uint64(1<<63), uint8(1),
		uint8(1))
	f.Add("requests_total", "", "\xe2\x80\xa8", "\\", math.Copysign(0, -1), math.Inf(-1), uint64(0), uint8(1), uint8(2))
	f.Add("_total", "\\n", "é", "\"", math.SmallestNonzeroFloat64, -1.0, uint64(7), uint8(2), uint8(3))
	f.Add("é", "#", " ", "}", math.Inf(1), math.MaxFloat64, uint64(1), uint8(2), uint8(0))
	f.Add("latency", "Latency.", "v", "w", 2.5, 0.5, uint64(12), uint8(3), uint8(0))
	f.Add("1", "x\x00y", "# HELP", ",", -1e15, 1.0, uint64(1), uint8(0), uint8(2))
	f.Fuzz(func(t *testing.T, name, help, v1, v2 string, value, bound float64, count uint64, typ, schemeNumber uint8) {
		scheme := model.EscapingScheme(schemeNumber % 4)
		if name == "" || name != metric.Printable(name) {
			name = "a" + escape(name, model.NoEscaping) // client_golang writes what its own parser cannot read
		}
		if math.IsNaN(bound) || math.IsInf(bound, 1) || bound == 0 {
			bound = 0.25 // the store's bounds are finite; 0 has a sign that is of no account
		}
		s := series{store.Family{Name: name, Help: metric.Printable(help), Type: metric.Type(typ % 4)}, nil}
		for _, ls := range []metric.Labels{
			"",
			labels("v", metric.Printable(v1), "w", metric.Printable(v2), "z", "end"),
		} {
			s.samples = append(s.samples, store.Sample{Labels: ls, Value: value, Histogram: &store.Histogram{
				Bounds: []float64{bound}, Counts: []uint64{count >> 12, count & 0xfff}, Count: count>>12 + count&0xfff, Sum: value,
			}, Summary: &store.Summary{
				Quantiles: []float64{0, 0.25, 1}, Values: []float64{value, bound, math.NaN()}, Count: count & 0xfff, Sum: value,
			}})
		}
		checkRoundTrip(t, content{s}, scheme)
		checkAgainstClient(t, content{s}, expfmt.FmtText.WithEscapingScheme(scheme))
		checkAgainstClient(t, content{s}, expfmt.FmtOpenMetrics_1_0_0.WithEscapingScheme(scheme))
	})
}
