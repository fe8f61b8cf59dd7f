package remotewrite

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// during runs a pusher for d and stops it.
func during(t *testing.T, p *Pusher, d time.Duration, steps ...func()) {
	t.Helper()
	ctx, cancel := contextFor(t)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	for _, step := range steps {
		<-time.After(d / time.Duration(len(steps)+1))
		step()
	}
	<-time.After(d / time.Duration(len(steps)+1))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What a round reads arrives with its labels in order and the external ones among them, and ends with stale markers.
func TestPush(t *testing.T) {
	for _, protocol := range []string{Protocol1, Protocol2} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := (&holding{}).set(
					gauge("a"), store.Family{Name: "b_total", Help: "B.", Type: metric.TypeCounter},
					store.Family{Name: "c_seconds", Help: "C.", Unit: "seconds", Type: metric.TypeHistogram},
				)
				c.fill("a", one(1), one(2.5, "Z", "upper", "zone", `q"\`+"\n"), one(math.Float64frombits(staleNaN), "x", "nan"))
				b := one(7, "job", "own", "exported_job", "taken", "instance", "here")
				b.Start = time.Now().Add(-time.Hour).UnixNano()
				c.fill("b_total", b)
				h := one(0, "az", "1", "method", "GET")
				h.Histogram = &store.Histogram{Bounds: []float64{0.5, 1, 1e6}, Counts: []uint64{1, 0, 2, 4}, Count: 7, Sum: 9}
				c.fill("c_seconds", h)
				r := &receiver{}
				p, _ := newPusher(t, testOptions(protocol), c, r)
				start := time.Now()
				during(t, p, time.Second)

				want := []string{
					`{__name__="a",instance="i",job="j"} 1 stale`,
					`{Z="upper",__name__="a",instance="i",job="j",zone="q\"\\\n"} 2.5 stale`,
					`{__name__="a",instance="i",job="j",x="nan"} NaN stale`,
					`{__name__="b_total",exported_exported_job="own",exported_instance="here",exported_job="taken",instance="i",job="j"} 7 stale`,
					`{__name__="c_seconds_bucket",az="1",instance="i",job="j",le="0.5",method="GET"} 1 stale`,
					`{__name__="c_seconds_bucket",az="1",instance="i",job="j",le="1.0",method="GET"} 1 stale`,
					`{__name__="c_seconds_bucket",az="1",instance="i",job="j",le="1e+06",method="GET"} 3 stale`,
					`{__name__="c_seconds_bucket",az="1",instance="i",job="j",le="+Inf",method="GET"} 7 stale`,
					`{__name__="c_seconds_sum",az="1",instance="i",job="j",method="GET"} 9 stale`,
					`{__name__="c_seconds_count",az="1",instance="i",job="j",method="GET"} 7 stale`,
				}
				if diff := cmp.Diff(sorted(want), sorted(r.texts())); diff != "" {
					t.Error(diff)
				}
				balance(t, p, 20)
				if r.problem != nil {
					t.Error(r.problem)
				}
				name := `{__name__="c_seconds_count",az="1",instance="i",job="j",method="GET"}`
				meta := received{typ: 3, help: "C.", unit: "seconds", series: name}
				if protocol == Protocol1 {
					name, meta.series = "c_seconds", "c_seconds"
				}
				got := r.metadata[name]
				got.value = value{}
				if fmt.Sprint(got) != fmt.Sprint(meta) {
					t.Errorf("metadata %+v, want %+v", got, meta)
				}
				first := r.got[`{__name__="a",instance="i",job="j"}`][0]
				if first.timestamp != start.UnixMilli() {
					t.Errorf("timestamp %v, started at %v", first.timestamp, start.UnixMilli())
				}
				counter := r.got[`{__name__="b_total",exported_exported_job="own",exported_instance="here",exported_job="taken",instance="i",job="j"}`][0]
				if want := start.Add(-time.Hour).UnixMilli(); protocol == Protocol2 && counter.start != want {
					t.Errorf("start %v, want %v", counter.start, want)
				}
				checkHeaders(t, r, protocol)
			})
		})
	}
}

func checkHeaders(t *testing.T, r *receiver, protocol string) {
	t.Helper()
	want := map[string]string{
		"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0",
	}
	if protocol == Protocol2 {
		want["Content-Type"], want["X-Prometheus-Remote-Write-Version"] = "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
	}
	for name, v := range want {
		if got := r.requests[0].Header.Get(name); got != v {
			t.Errorf("%s: %q, want %q", name, got, v)
		}
	}
	if got := r.requests[0].Header.Get("User-Agent"); !strings.HasPrefix(got, "loggregator_exporter/") {
		t.Errorf("User-Agent: %q", got)
	}
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// gathered is a registry with one family of each type that client_golang has.
func gathered() prometheus.GathererFunc {
	created := timestamppb.New(time.UnixMilli(1234))
	return func() ([]*dto.MetricFamily, error) {
		return []*dto.MetricFamily{
			{Name: new("own_h"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
				SampleCount: new(uint64(3)),
				SampleSum:   new(1.5),
				Bucket: []*dto.Bucket{
					{CumulativeCount: new(uint64(2)), UpperBound: new(1.0)},
					{CumulativeCount: new(uint64(3)), UpperBound: new(math.Inf(1))},
				},
			}}}},
			{Name: new("own_s"), Type: dto.MetricType_SUMMARY.Enum(), Metric: []*dto.Metric{{Summary: &dto.Summary{
				SampleCount: new(uint64(4)),
				SampleSum:   new(2.5),
				Quantile:    []*dto.Quantile{{Quantile: new(0.5), Value: new(8.0)}, {Quantile: new(1.0), Value: new(9.0)}},
			}}}},
			{Name: new("own_total"), Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{
				{
					Label:   []*dto.LabelPair{{Name: new("z"), Value: new("2")}},
					Counter: &dto.Counter{Value: new(5.0), CreatedTimestamp: created},
				},
				{Label: []*dto.LabelPair{{Name: new("z"), Value: new("1")}}, Counter: &dto.Counter{Value: new(6.0)}},
			}},
			{
				Name:   new("own_u"),
				Type:   dto.MetricType_UNTYPED.Enum(),
				Metric: []*dto.Metric{{Untyped: &dto.Untyped{Value: new(7.0)}}},
			},
		}, nil
	}
}

// The exporter's own metrics are pushed too, and a family of the store that has the name of one of them is left out,
// as is one whose name, escaped, is another's.
func TestOwnMetricsAndNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&holding{}).set(
			gauge("own_u"),
			gauge("a.b"),
			gauge("a_b"),
			gauge("c.d"),
			store.Family{Name: "s", Type: metric.TypeSummary},
		)
		c.fill("own_u", one(1)).fill("a.b", one(2)).fill("a_b", one(3)).fill("c.d", one(4))
		r := &receiver{}
		p, log := newPusher(t, testOptions(Protocol2), c, r)
		p.rounds.own = gathered()
		during(t, p, time.Second)
		want := []string{
			`{__name__="own_h_bucket",instance="i",job="j",le="1.0"} 2 stale`,
			`{__name__="own_h_bucket",instance="i",job="j",le="+Inf"} 3 stale`,
			`{__name__="own_h_sum",instance="i",job="j"} 1.5 stale`,
			`{__name__="own_h_count",instance="i",job="j"} 3 stale`,
			`{__name__="own_s",instance="i",job="j",quantile="0.5"} 8 stale`,
			`{__name__="own_s",instance="i",job="j",quantile="1.0"} 9 stale`,
			`{__name__="own_s_sum",instance="i",job="j"} 2.5 stale`,
			`{__name__="own_s_count",instance="i",job="j"} 4 stale`,
			`{__name__="own_total",instance="i",job="j",z="1"} 6 stale`,
			`{__name__="own_total",instance="i",job="j",z="2"} 5 stale`,
			`{__name__="own_u",instance="i",job="j"} 7 stale`,
			`{__name__="a_b",instance="i",job="j"} 3 stale`,
			`{__name__="c_d",instance="i",job="j"} 4 stale`,
		}
		if diff := cmp.Diff(want, r.texts()); diff != "" {
			t.Error(diff)
		}
		if got := r.got[`{__name__="own_total",instance="i",job="j",z="2"}`][0].start; got != 1234 {
			t.Errorf("start %v", got)
		}
		if strings.Count(log.String(), "remote write leaves metrics out") != 1 {
			t.Error(log.String())
		}
	})
}

func TestUTF8Names(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&holding{}).set(gauge("a.b"), gauge("bad\xff"))
		c.fill("a.b", one(2)).fill("bad\xff", one(3))
		o := testOptions(Protocol1)
		o.NameEscaping = AllowUTF8
		r := &receiver{}
		p, _ := newPusher(t, o, c, r)
		during(t, p, time.Second)
		want := []string{`{__name__="a.b",instance="i",job="j"} 2 stale`, `{__name__="bad_",instance="i",job="j"} 3 stale`}
		if diff := cmp.Diff(want, r.texts()); diff != "" {
			t.Error(diff)
		}
	})
}

// Stale markers end all series that are gone and no others: single series, whole families, families whose type has
// changed, and buckets that a histogram has lost.
func TestStaleness(t *testing.T) {
	hist := func(bounds ...float64) store.Sample {
		s := one(0, "x", "1")
		s.Histogram = &store.Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
		return s
	}
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(Protocol1)
		o.ExternalLabels, o.Interval = nil, 11*time.Second
		h := store.Family{Name: "h", Type: metric.TypeHistogram}
		c := (&holding{}).set(gauge("a"), gauge("b"), gauge("c"), h)
		c.fill("a", one(1, "x", "1"), one(2, "x", "2"), one(3, "x", "3")).
			fill("b", one(1)).
			fill("c", one(1)).
			fill("h", hist(1, 2))
		r := &receiver{}
		p, _ := newPusher(t, o, c, r)
		during(t, p, 30*time.Second, func() {
			counter := gauge("c")
			counter.Type = metric.TypeCounter
			c.set(gauge("a"), counter, h, gauge("z"))
			c.fill("a", one(1, "x", "1"), one(4, "x", "25"), one(3, "x", "3")).
				fill("c", one(2)).
				fill("h", hist(2, 3)).
				fill("z", one(1))
		}, func() {
			c.set(gauge("a")).fill("a", one(2, "x", "2"))
		})
		want := []string{
			`{__name__="a",x="1"} 1 1 stale`, `{__name__="a",x="2"} 2 stale 2 stale`,
			`{__name__="a",x="3"} 3 3 stale`, `{__name__="a",x="25"} 4 stale`,
			`{__name__="b"} 1 stale`,
			`{__name__="c"} 1 stale 2 stale`,
			`{__name__="h_bucket",le="1.0",x="1"} 0 stale`, `{__name__="h_bucket",le="2.0",x="1"} 0 0 stale`,
			`{__name__="h_bucket",le="3.0",x="1"} 0 stale`, `{__name__="h_bucket",le="+Inf",x="1"} 0 0 stale`,
			`{__name__="h_count",x="1"} 0 0 stale`, `{__name__="h_sum",x="1"} 0 0 stale`,
			`{__name__="z"} 1 stale`,
		}
		if diff := cmp.Diff(sorted(want), sorted(r.texts())); diff != "" {
			t.Error(diff)
		}
	})
}

// For random series and small batches: each series is pushed in every round in which it exists, ended in the first
// round in which it does not, and never pushed twice in a round.
func TestPropertyStaleness(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rounds := rapid.SliceOfN(rapid.MapOf(
			rapid.StringMatching(`[abc][12]?`),
			rapid.SliceOfDistinct(rapid.StringMatching(`[a-e]`), func(s string) string { return s }),
		), 1, 6).Draw(rt, "rounds")
		c, r := (&holding{}).set(), &receiver{}
		o := testOptions(rapid.SampledFrom([]string{Protocol1, Protocol2}).Draw(rt, "protocol"))
		o.MaxSamplesPerSend, o.ExternalLabels = rapid.IntRange(1, 7).Draw(rt, "batch"), nil
		p, _ := newPusher(t, o, c, r)
		want := map[string][]string{}
		live := map[string]bool{}
		for _, round := range rounds {
			next := map[string]bool{}
			var families []store.Family
			for name := range round {
				families = append(families, gauge(name))
			}
			c.set(families...)
			for name, xs := range round {
				var samples []store.Sample
				for _, x := range xs {
					samples = append(samples, one(1, "x", x))
					next[`{__name__="`+name+`",x="`+x+`"}`] = true
				}
				c.fill(name, samples...)
			}
			expect(want, live, next)
			live = next
			p.rounds.collect(t.Context(), time.Minute)
			drain(t, p)
		}
		for series, values := range want {
			if got := textsOf(r.got[series]); !slices.Equal(got, values) {
				rt.Errorf("%s: %v, want %v", series, got, values)
			}
		}
		if len(r.got) != len(want) || r.problem != nil {
			rt.Errorf("%d series, want %d: %v", len(r.got), len(want), r.problem)
		}
	})
}

func expect(want map[string][]string, before, now map[string]bool) {
	for s := range before {
		if !now[s] {
			want[s] = append(want[s], "stale")
		}
	}
	for s := range now {
		want[s] = append(want[s], "1")
	}
}

func textsOf(values []value) []string {
	var out []string
	for _, v := range values {
		out = append(out, v.text)
	}
	return out
}

// drain sends all that waits, as a shard would.
func drain(tb testing.TB, p *Pusher) {
	tb.Helper()
	for {
		p.queue.mu.Lock()
		empty := len(p.queue.waiting) == 0
		p.queue.mu.Unlock()
		if empty {
			return
		}
		b := p.queue.pop(tb.Context())
		p.sender.deliver(tb.Context(), b.request)
		p.queue.done(b)
	}
}
