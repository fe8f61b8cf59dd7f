package store

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"pgregory.net/rapid"
)

// spans returns buckets by index in the way of client_model: spans of deltas.
func spans(h *dto.Histogram) map[int32]uint64 {
	out := map[int32]uint64{}
	index, count, at := int32(0), int64(0), 0
	for _, s := range h.GetPositiveSpan() {
		index += s.GetOffset()
		for range s.GetLength() {
			count += h.GetPositiveDelta()[at]
			if count > 0 {
				out[index] = uint64(count)
			}
			index++
			at++
		}
	}
	return out
}

// client_golang's own native histogram is what ours is compared with.
func TestNativeHistogram(t *testing.T) {
	values := rapid.SliceOf(rapid.OneOf(
		rapid.Float64Range(
			0,
			10,
		),
		rapid.Float64Range(0, 1e-6),
		rapid.SampledFrom([]float64{0, 0.25, 0.5, 1, 2, 1024, 5e-324, math.MaxFloat64}),
	))
	rapid.Check(t, func(t *rapid.T) {
		observed := values.Draw(t, "values")
		reference := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "h", NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: nativeZero,
		})
		n := newNative()
		for _, v := range observed {
			reference.Observe(v)
			n.observe(v)
		}
		var m dto.Metric
		if err := reference.Write(&m); err != nil {
			t.Fatal(err)
		}
		if len(n.positive.Counts) > maxNativeBuckets {
			t.Fatalf("%d buckets", len(n.positive.Counts))
		}
		want := spans(m.GetHistogram())
		for range nativeSchema - n.schema { // the reference has no bound, and is made as coarse as ours
			coarse := map[int32]uint64{}
			for i, c := range want {
				coarse[(i+1)>>1] += c
			}
			want = coarse
		}
		got := map[int32]uint64{}
		for i, c := range n.positive.Counts {
			if c > 0 {
				got[n.positive.First+int32(i)] = c
			}
		}
		if len(got) != len(want) || n.zero != m.GetHistogram().GetZeroCount() {
			t.Fatalf(
				"schema %d: got %v and %d zeros, want %v and %d",
				n.schema,
				got,
				n.zero,
				want,
				m.GetHistogram().GetZeroCount(),
			)
		}
		for i, c := range want {
			if got[i] != c {
				t.Fatalf("schema %d: got %v, want %v", n.schema, got, want)
			}
		}
	})
}

func TestHistogramView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.NativeHistograms = true })
		write(s, timer("http", 50*time.Millisecond, "b3", "00000000000000010000000000000002-0000000000000003-1"))
		write(s, at(time.Minute, timer("http", time.Minute)))
		write(s, at(time.Minute, timer("http", 20*time.Millisecond, "X-B3-TraceId", "463ac35c9f6413ad")))
		write(s, at(time.Minute, timer("http", 0)))
		families := s.Families()
		var r Reader
		r.Reset(&families[0])
		got := r.Next()
		if len(families) != 1 || len(got) != 1 {
			t.Fatalf("%d families, %d samples", len(families), len(got))
		}
		h := got[0].Histogram
		if got[0].Start != start || h.Count != 4 || h.Sum != 60.07 {
			t.Errorf("start %d, %+v", got[0].Start, h)
		}
		n := h.Native
		if n.Schema != 3 || n.Zero != 1 || n.Positive.First != bucketIndex(0.02) || n.Positive.Counts[0] != 1 ||
			n.Positive.Counts[len(n.Positive.Counts)-1] != 1 {
			t.Errorf("%+v", n)
		}
		if len(h.Exemplars) != 3 || h.Exemplars[1].Stamp != 0 || h.Exemplars[2].Stamp != 0 {
			t.Fatalf("%+v", h.Exemplars)
		}
		if e := h.Exemplars[0]; e.Trace.String() != "463ac35c9f6413ad" || e.Value != 0.02 ||
			e.Stamp != start+int64(time.Minute) {
			t.Errorf("%+v", e)
		}
	})
}

func TestTraceIDs(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"},
		{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736", ""},
		{"traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""},
		{"b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90", "80f198ee56343ba864fe8b2a57d3eff7"},
		{"b3", "0", ""},
		{"x_b3_traceid", "463AC35C9F6413AD", "463ac35c9f6413ad"},
		{"trace_id", "463ac35c9f6413ax", ""},
		{"trace_id", "463ac35c9f6413", ""},
		{"trace_id", "", ""},
	} {
		var id TraceID
		id.readTrace(metric.Tag{Key: []byte(c.key), Value: []byte(c.value)})
		if got := id.String(); got != c.want {
			t.Errorf("%s: %s is read as %q, want %q", c.key, c.value, got, c.want)
		}
	}
}

// The start of a counter is told where its zero was seen, and never guessed.
func TestCounterStart(t *testing.T) {
	second := time.Second
	for name, c := range map[string]struct {
		samples []*metric.Envelope
		want    int64
	}{
		"a total that was there before us": {[]*metric.Envelope{counter("c", 0, 10)}, 0},
		"totals with deltas":               {[]*metric.Envelope{counter("c", 5, 10), at(second, counter("c", 5, 15))}, 0},
		"deltas are added up from their first": {
			[]*metric.Envelope{at(second, counter("c", 5, 0)), at(2*second, counter("c", 5, 0))}, start + int64(second),
		},
		"a total that begins anew": {
			[]*metric.Envelope{
				counter("c", 0, 10), at(10*second, counter("c", 0, 1)), at(20*second, counter("c", 0, 2)), at(30*second, counter("c", 0, 3)),
			}, start + int64(10*second),
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t)
				for _, e := range c.samples {
					write(s, e)
				}
				var r Reader
				families := s.Families()
				r.Reset(&families[0])
				if got := r.Next(); len(got) != 1 || got[0].Start != c.want {
					t.Errorf("%+v, want start %d", got, c.want)
				}
			})
		})
	}
}
