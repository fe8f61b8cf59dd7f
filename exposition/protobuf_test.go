package exposition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// decodeProtobuf reads a page of delimited messages.
func decodeProtobuf(t *testing.T, page string) []*dto.MetricFamily {
	t.Helper()
	var mfs []*dto.MetricFamily
	dec := expfmt.NewDecoder(strings.NewReader(page), expfmt.FmtProtoDelim.WithEscapingScheme(model.NoEscaping))
	for {
		mf := &dto.MetricFamily{}
		err := dec.Decode(mf)
		if errors.Is(err, io.EOF) {
			return mfs
		}
		if err != nil {
			t.Fatal(err)
		}
		mfs = append(mfs, mf)
	}
}

// checkProtobuf checks that a page has the very bytes that client_golang would write, and that a decoder reads from it
// what went in.
func checkProtobuf(t *testing.T, c content, scheme model.EscapingScheme) {
	t.Helper()
	format := expfmt.FmtProtoDelim.WithEscapingScheme(scheme)
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, format)
	var want, got []string
	for i := range c {
		if len(c[i].samples) == 0 {
			continue
		}
		mf := toDTO(&c[i])
		mf.Name = new(escape(c[i].Name, scheme))
		if hasUnit(strings.TrimSuffix(mf.GetName(), totalSuffix), c[i].Unit) {
			mf.Unit = new(c[i].Unit)
		}
		for _, m := range mf.GetMetric() {
			if h := m.GetHistogram(); h != nil {
				// client_golang does not have +Inf here, but for its exemplar.
				if last := len(h.GetBucket()) - 1; h.GetBucket()[last].Exemplar == nil || len(h.GetExemplars()) > 0 {
					h.Bucket = h.GetBucket()[:last]
				}
			}
		}
		want = append(append(want, mf.GetUnit()), flatten(mf)...)
		if err := enc.Encode(mf); err != nil {
			t.Fatal(err)
		}
	}
	page := write(t, format, c)
	for _, mf := range decodeProtobuf(t, page) {
		got = append(append(got, mf.GetUnit()), flatten(mf)...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if b.String() != page {
		t.Errorf("%s: other bytes than client_golang's:\n%q\n%q", format, page, b.String())
	}
}

func TestProtobufGolden(t *testing.T) {
	for _, scheme := range []model.EscapingScheme{
		model.NoEscaping, model.UnderscoreEscaping, model.DotsEscaping, model.ValueEncodingEscaping,
	} {
		checkProtobuf(t, golden(), scheme)
	}
}

// tracedRequests are histograms as the store gives them: native ones too, with exemplars in some buckets.
func tracedRequests(t *testing.T) series {
	t.Helper()
	s := newStoreWith(t, true)
	w := s.Writer()
	var tally metric.Tally
	for i, d := range []time.Duration{
		500 * time.Microsecond, time.Millisecond, 50 * time.Millisecond,
		200 * time.Millisecond, 5 * time.Second, 7500 * time.Millisecond,
	} {
		for _, method := range []string{"GET", "PUT"} {
			now := time.Now().UnixNano()
			e := &metric.Envelope{
				Kind: metric.KindTimer, Timestamp: now, Arrived: now, Name: []byte("http"),
				Start: now - int64(d), Stop: now,
			}
			e.AddTag([]byte("peer_type"), []byte("Server"))
			e.AddTag([]byte("method"), []byte(method))
			if i > 3 && method == "GET" {
				e.AddTag([]byte("X-B3-TraceId"), fmt.Appendf(nil, "%016d", i))
			}
			if i == 0 {
				e.AddTag([]byte("traceparent"), []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
			}
			w.Write(e, &tally)
		}
	}
	families := s.Families()
	at := slices.IndexFunc(families, func(f store.Family) bool { return f.Name == "cf_http_request_duration_seconds" })
	if at < 0 {
		t.Fatalf("no histogram: %v", tally)
	}
	var r store.Reader
	r.Reset(&families[at])
	var snap block
	for samples := r.Next(); len(samples) > 0; samples = r.Next() {
		for i := range samples {
			snap.add(&samples[i])
		}
	}
	if h := snap.samples[0].Histogram; len(snap.samples) != 2 || h.Native == nil || len(h.Exemplars) != 3 ||
		h.Exemplars[2].Trace.String() != "0000000000000005" {
		t.Fatalf("%+v", snap)
	}
	return series{families[at], snap.samples}
}

// Native histograms, exemplars and start times come out in protobuf, and exemplars in OpenMetrics too, as
// client_golang writes them.
func TestTracedRequests(t *testing.T) {
	c := content{tracedRequests(t)}
	c = append(c, counter("requests_total", store.Sample{Value: 1, Start: 1_700_000_000_123_456_789},
		store.Sample{Labels: `a="1"`, Start: 1e9}))
	checkProtobuf(t, c, model.UnderscoreEscaping)
	for i, sample := range c[0].samples {
		for j, x := range sample.Histogram.Exemplars {
			if x.Stamp > 0 { // client_golang computes seconds in floats, ours are exact to the millisecond
				c[0].samples[i].Histogram.Exemplars[j].Stamp = x.Stamp - x.Stamp%1e9 + 5e8
			}
		}
	}
	checkAgainstClient(t, c, expfmt.FmtOpenMetrics_1_0_0)
	checkAgainstClient(t, c, expfmt.FmtText)
}

// TestProtobufLengths has lengths around every size that they may have themselves, and families that are partly
// encoded ahead.
func TestProtobufLengths(t *testing.T) {
	c := content{}
	for i, n := range []int{
		1, 60, 90, 100, 101, 102, 103, 110, 113, 114, 120, 125, 126, 127, 128, 129, 16_000, 16_360,
		16_370, 16_380, 16_390, 1 << 21,
	} {
		s := store.Sample{Labels: labels("x", strings.Repeat("v", n), "y", "\n"), Value: 1}
		c = append(c, gauge(fmt.Sprintf("g%02d", i), s, one(2)))
	}
	samples := make([]store.Sample, 3*aheadBytes/100)
	for i := range samples {
		samples[i] = store.Sample{Labels: labels("index", fmt.Sprintf("%0100d", i)), Value: float64(i)}
	}
	c = append(c, gauge("huge", samples...), counter("small", one(1)))
	checkProtobuf(t, c, model.UnderscoreEscaping)
}

func TestProtobufSurvivesMissingCounts(t *testing.T) {
	c := content{
		histogram("h",
			store.Sample{Labels: labels("a", "1")},
			store.Sample{Labels: labels("a", "2"), Histogram: &store.Histogram{
				Bounds: []float64{math.Copysign(0, -1), 2}, Counts: []uint64{5},
			}},
			store.Sample{Labels: labels("a", "3"), Histogram: &store.Histogram{Bounds: []float64{1, 2}}},
			store.Sample{Labels: labels("a", "4")},
			store.Sample{Labels: labels("a", "5"), Histogram: &store.Histogram{Counts: []uint64{7}, Sum: 1}},
		),
		histogram("none", store.Sample{}),
	}
	var got []string
	for _, mf := range decodeProtobuf(t, write(t, expfmt.FmtProtoDelim, c)) {
		got = append(got, flatten(mf)...)
	}
	two := bitsOf(2)
	want := []string{
		`"h" HISTOGRAM help "A histogram."`,
		`a="2" le=0 5`, `a="2" le=` + two + ` 5`, `a="2" sum 0 count 5`,
		`a="3" le=` + bitsOf(1) + ` 0`, `a="3" le=` + two + ` 0`, `a="3" sum 0 count 0`,
		`a="5" sum ` + bitsOf(1) + ` count 7`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHistogramsHold draws histograms and checks, in every format, what makes one: its buckets never fall, and the
// last one is its count.
func TestHistogramsHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bounds := rapid.SliceOfNDistinct(rapid.IntRange(-1000, 1000), 0, 12, rapid.ID).Draw(rt, "bounds")
		h := &store.Histogram{Sum: rapid.Float64().Draw(rt, "sum")}
		for i := range bounds {
			h.Bounds = append(h.Bounds, float64(-1000+2000*i/len(bounds))/8)
		}
		h.Counts = rapid.SliceOfN(rapid.Uint64Range(0, 1<<40), len(bounds)+1, len(bounds)+1).Draw(rt, "counts")
		total := uint64(0)
		for _, n := range h.Counts {
			total += n
		}
		h.Count = rapid.SampledFrom([]uint64{total, total + 1, 0}).Draw(rt, "count")
		c := content{histogram("h", store.Sample{Labels: `a="1"`, Histogram: h})}

		parser := expfmt.NewTextParser(model.UTF8Validation)
		parsed, err := parser.TextToMetricFamilies(strings.NewReader(write(t, expfmt.FmtText, c)))
		if err != nil {
			rt.Fatal(err)
		}
		text := parsed["h"].GetMetric()[0].GetHistogram()
		if last := text.GetBucket()[len(bounds)]; last.GetCumulativeCount() != total ||
			!math.IsInf(last.GetUpperBound(), 1) {
			rt.Errorf("the last bucket is %v, want %d", last, total)
		}
		proto := decodeProtobuf(t, write(t, expfmt.FmtProtoDelim, c))[0].GetMetric()[0].GetHistogram()
		for _, got := range []*dto.Histogram{text, proto} {
			if got.GetSampleCount() != total || bitsOf(got.GetSampleSum()) != bitsOf(h.Sum) {
				rt.Errorf("count %d, sum %v, want %d, %v", got.GetSampleCount(), got.GetSampleSum(), total, h.Sum)
			}
			cumulative := uint64(0)
			for i, bound := range h.Bounds {
				cumulative += h.Counts[i]
				if b := got.GetBucket()[i]; b.GetUpperBound() != bound || b.GetCumulativeCount() != cumulative {
					rt.Errorf("bucket %d is %v, want %v, %d", i, b, bound, cumulative)
				}
			}
		}
	})
}

// TestStopEndsASnapshot has a family that never ends: a scrape whose client is gone must not collect it.
func TestStopEndsASnapshot(t *testing.T) {
	stopped := errors.New("stopped")
	asked := 0
	var p page
	p.begin(io.Discard, func() error {
		if asked++; asked > 5 {
			return stopped
		}
		return nil
	})
	err := p.render(newOffer(expfmt.FmtProtoDelim), nil, nil, small.families(), newEndless())
	if !errors.Is(err, stopped) {
		t.Errorf("ended with %v", err)
	}
	if p.ahead.rest.used != 0 {
		t.Errorf("%d blocks of samples are still held", p.ahead.rest.used)
	}
}

// TestSnapshotKeepsLittle checks that a huge family's memory does not outlive it.
func TestSnapshotKeepsLittle(t *testing.T) {
	gaugeSample := store.Sample{Labels: `a="1"`}
	ahead := aheadBytes/len(new(protobufEncoder).appendMetric(nil, metric.TypeGauge, &gaugeSample)) + 1
	for _, n := range []int{keepBlocks * blockSamples / 2, 2 * keepBlocks * blockSamples} {
		samples := make([]store.Sample, ahead+n)
		for i := range samples {
			samples[i] = gaugeSample
		}
		var p page
		p.begin(io.Discard, func() error { return nil })
		c := content{gauge("g", samples...)}
		if err := p.render(newOffer(expfmt.FmtProtoDelim), nil, nil, c.families(), c.reader()); err != nil {
			t.Fatal(err)
		}
		p.end()
		blocks := p.ahead.rest.blocks
		if want := min(keepBlocks, n/blockSamples); len(blocks) != want {
			t.Errorf("of %d samples %d blocks are kept, want %d", n, len(blocks), want)
		}
		for _, b := range blocks {
			if slices.ContainsFunc(b.samples[:cap(b.samples)], func(s store.Sample) bool { return s.Labels != "" }) {
				t.Fatal("labels of a family that is done are still held")
			}
		}
	}
}

func FuzzProtobuf(f *testing.F) {
	f.Add("memoryStats.numBytesAllocated", "Help.", "bytes", "router", "", 1.5, 0.5, uint64(3), int64(0), []byte(nil),
		uint8(0), uint8(0))
	f.Add("a_seconds_total", "", "seconds", "a\nb\"c\\d", "é", math.NaN(), 1e6, uint64(1<<63), int64(1.7e18+1),
		[]byte(nil), uint8(1), uint8(1))
	f.Add("h_seconds", "x", "seconds", "\\", "\"", math.Inf(1), -1.0, uint64(7), int64(-1), []byte{3, 0, 9}, uint8(2),
		uint8(3))
	f.Add("h", "", "", "", "", 0.0, 1.0, uint64(1), int64(1e9), []byte{}, uint8(2), uint8(3))
	f.Add("h", "", "", "", "", 0.0, 1.0, uint64(1), int64(-9), []byte{1, 0, 4, 9}, uint8(8+4+2), uint8(3))
	f.Add("h", "", "", "", "", 0.0, 1.0, uint64(1), int64(-9), []byte{1, 0, 4, 9}, uint8(4+2), uint8(0))
	f.Fuzz(func(t *testing.T, name, help, unit, v1, v2 string, value, bound float64, count uint64, start int64,
		native []byte, typ, scheme uint8,
	) {
		if name == "" {
			return
		}
		if math.IsNaN(bound) || bound == 0 {
			bound = 0.25 // the store's bounds are numbers; 0 has a sign that is of no account
		}
		s := series{store.Family{Name: name, Help: metric.Printable(help), Unit: unit, Type: metric.Type(typ & 3 % 3)}, nil}
		for _, ls := range []metric.Labels{"", labels("v", metric.Printable(v1), "w", metric.Printable(v2))} {
			s.samples = append(s.samples, store.Sample{Labels: ls, Value: value, Start: start, Histogram: &store.Histogram{
				Bounds: []float64{bound}, Counts: []uint64{count >> 12, count & 0xfff}, Sum: value,
			}})
			if native == nil {
				continue
			}
			n := &store.Native{Schema: int32(scheme%12) - 4, ZeroThreshold: value, Zero: count}
			n.Positive.First, n.Negative.First = int32(start), int32(count)
			for i, c := range native {
				n.Positive.Counts = append(n.Positive.Counts, count*uint64(c))
				if typ&4 > 0 && i%3 > 0 {
					n.Negative.Counts = append(n.Negative.Counts, count+uint64(c))
				}
			}
			h := s.samples[len(s.samples)-1].Histogram
			h.Native = n
			if typ&8 > 0 {
				h.Bounds, h.Counts = nil, []uint64{count}
				h.Exemplars = []store.Exemplar{{Value: value, Stamp: 1, Span: store.SpanID{scheme}}, {Value: bound, Stamp: 1e18}}
			}
		}
		checkProtobuf(t, content{s}, model.EscapingScheme(scheme%4))
	})
}

// FuzzSetLength has bodies of any length.
func FuzzSetLength(f *testing.F) {
	for _, n := range []uint{0, 1, 127, 128, 16_383, 16_384, 1 << 21} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n uint) {
		body := bytes.Repeat([]byte{7}, int(n%(1<<22)))
		got := setLength(append([]byte{1, 0, 0}, body...), 3)
		if want := append(binary.AppendUvarint([]byte{1}, uint64(len(body))), body...); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %.20x", len(body), got)
		}
	})
}
