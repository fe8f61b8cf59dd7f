package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// sent is an envelope of a histogram that its sender counted, of classic buckets.
func sent(name string, bounds []float64, counts []uint64, pairs ...string) *metric.Envelope {
	d := &metric.Distribution{Bounds: bounds, Counts: counts, Sum: 10, HasSum: true}
	for _, c := range counts {
		d.Count += c
	}
	return &metric.Envelope{
		Kind: metric.KindHistogram, Timestamp: start, Arrived: start, Tags: tags(pairs...),
		Name: []byte(name), Distribution: d,
	}
}

// sentNative is one of native buckets from index -1 on.
func sentNative(name string, positive, negative []uint64) *metric.Envelope {
	e := sent(name, nil, nil)
	e.Distribution.HasNative, e.Distribution.Schema, e.Distribution.ZeroCount = true, 1, 1
	e.Distribution.ZeroThreshold = 0.5
	e.Distribution.Positive = metric.NativeBuckets{First: -1, Counts: positive}
	e.Distribution.Negative = metric.NativeBuckets{First: -1, Counts: negative}
	return e
}

func sentSummary(name string, count uint64, quantiles ...metric.Quantile) *metric.Envelope {
	e := sent(name, nil, nil)
	e.Kind, e.Distribution.Count, e.Distribution.Quantiles = metric.KindSummary, count, quantiles
	return e
}

// with changes an envelope.
func with(e *metric.Envelope, change func(e *metric.Envelope, d *metric.Distribution)) *metric.Envelope {
	change(e, e.Distribution)
	return e
}

func delta(e *metric.Envelope) *metric.Envelope {
	return with(e, func(_ *metric.Envelope, d *metric.Distribution) { d.IsDelta = true })
}

func began(after time.Duration, e *metric.Envelope) *metric.Envelope {
	e.Began = start + int64(after)
	return e
}

func unit(of string, e *metric.Envelope) *metric.Envelope {
	e.Unit = []byte(of)
	return e
}

// dumpAll is dump with all that histograms, summaries and counters hold.
func dumpAll(s *Store) []string {
	var out []string
	var r Reader
	since := func(ns int64) string {
		if ns == 0 {
			return "?"
		}
		return timeOf(ns).Sub(timeOf(start)).String()
	}
	for _, f := range s.Families() {
		r.Reset(&f)
		for samples := r.Next(); len(samples) > 0; samples = r.Next() {
			for _, sample := range samples {
				line := fmt.Sprintf("%s{%s} since %s:", f.Name, sample.Labels, since(sample.Start))
				switch {
				case sample.Histogram != nil:
					h := sample.Histogram
					line += fmt.Sprintf(" %v %v %d %v", h.Bounds, h.Counts, h.Count, h.Sum)
					if n := h.Native; n != nil {
						line += fmt.Sprintf(" native %d %v@%v %d%v %d%v", n.Schema, n.Zero, n.ZeroThreshold, n.Positive.First,
							n.Positive.Counts, n.Negative.First, n.Negative.Counts)
					}
					for _, x := range h.Exemplars {
						if x.Stamp == 0 {
							line += " <>"
							continue
						}
						line += fmt.Sprintf(" <%.4s %.4s %v %s>", x.Trace.String(), x.Span.String(), x.Value, since(x.Stamp))
					}
				case sample.Summary != nil:
					q := sample.Summary
					line += fmt.Sprintf(" %v %v %d %v", q.Quantiles, q.Values, q.Count, q.Sum)
				default:
					line += fmt.Sprintf(" %v", sample.Value)
				}
				out = append(out, line)
			}
		}
	}
	return out
}

// Histograms and summaries that their senders have counted are shown as they are sent.
func TestCountedBySender(t *testing.T) {
	bounds := []float64{1, 2}
	exemplar := func(v float64, after time.Duration, id byte) metric.Exemplar {
		return metric.Exemplar{
			TraceID: slices.Repeat([]byte{id}, 16), SpanID: slices.Repeat([]byte{id + 1}, 8), Value: v,
			Timestamp: start + int64(after),
		}
	}
	traced := func(e *metric.Envelope, all ...metric.Exemplar) *metric.Envelope {
		return with(e, func(_ *metric.Envelope, d *metric.Distribution) { d.Exemplars = all })
	}
	for _, tt := range []struct {
		name      string
		envelopes []*metric.Envelope
		outcomes  string
		want      []string
	}{
		{
			"each series with its own bounds, which change",
			[]*metric.Envelope{
				sent("h", bounds, []uint64{1, 2, 3}, "ip", "1"), sent("h", []float64{5}, []uint64{7, 8}, "ip", "2"),
				sent("h", nil, []uint64{4}, "ip", "3"), at(1, sent("h", []float64{-1, 0}, []uint64{3, 2, 5}, "ip", "1")),
			},
			"stored stored stored stored",
			[]string{
				`cf_h{bosh_job_ip="1"} since ?: [-1 0] [3 2 5] 10 10`, `cf_h{bosh_job_ip="2"} since ?: [5] [7 8] 15 10`,
				`cf_h{bosh_job_ip="3"} since ?: [] [4] 4 10`,
			},
		},
		{
			"without buckets and without a sum",
			[]*metric.Envelope{with(sent("h", nil, nil), func(_ *metric.Envelope, d *metric.Distribution) {
				d.Count, d.HasSum = 9, false
			})},
			"stored",
			[]string{"cf_h{} since ?: [] [9] 9 NaN"},
		},
		{
			"native buckets on both sides",
			[]*metric.Envelope{sentNative("h", []uint64{0, 2, 0, 1, 0}, []uint64{4})},
			"stored",
			[]string{"cf_h{} since ?: [] [8] 8 10 native 1 1@0.5 0[2 0 1] -1[4]"},
		},
		{
			"native and classic buckets",
			[]*metric.Envelope{with(sentNative("h", []uint64{2}, nil), func(_ *metric.Envelope, d *metric.Distribution) {
				d.Bounds, d.Counts = []float64{1}, []uint64{2, 1}
			})},
			"stored",
			[]string{"cf_h{} since ?: [1] [2 1] 3 10 native 1 1@0.5 -1[2] 0[]"},
		},
		{
			"from native buckets to classic ones and back",
			[]*metric.Envelope{
				sentNative("a", []uint64{2}, nil), at(1, sent("a", bounds, []uint64{1, 2, 3})),
				sent("b", bounds, []uint64{1, 2, 3}), at(1, sentNative("b", []uint64{2}, nil)),
			},
			"stored stored stored stored",
			[]string{"cf_a{} since ?: [1 2] [1 2 3] 6 10", "cf_b{} since 1ns: [] [3] 3 10 native 1 1@0.5 -1[2] 0[]"},
		},
		{
			"more native buckets than are kept: neighbours are merged",
			[]*metric.Envelope{sentNative("h", slices.Repeat([]uint64{1}, maxNativeBuckets+1), []uint64{1, 1})},
			"stored",
			[]string{fmt.Sprintf("cf_h{} since ?: [] [164] 164 10 native 0 1@0.5 0%v 0[2]",
				append(slices.Repeat([]uint64{2}, maxNativeBuckets/2), 1))},
		},
		{
			"a summary, also with unsorted quantiles",
			[]*metric.Envelope{
				sentSummary("s", 5, metric.Quantile{Share: 0.5, Value: 2}, metric.Quantile{Share: 0.9, Value: 3}),
				at(1, sentSummary("s", 6, metric.Quantile{Share: 1, Value: math.NaN()}, metric.Quantile{Share: 0, Value: 4})),
				sentSummary("t", 7),
			},
			"stored stored stored",
			[]string{"cf_s{} since ?: [0 1] [4 NaN] 6 10", "cf_t{} since ?: [] [] 7 10"},
		},
		{
			"a late one does not replace a newer one, nor does the same once more",
			[]*metric.Envelope{
				began(0, at(2, sent("h", bounds, []uint64{1, 2, 3}))), began(0, at(1, sent("h", bounds, []uint64{1, 2, 0}))),
				began(0, at(2, sent("h", bounds, []uint64{1, 2, 3}))), began(-1, at(3, sent("h", bounds, []uint64{9, 9, 9}))),
				at(2, sentSummary("s", 3)), at(1, sentSummary("s", 2)), at(2, sentSummary("s", 3)),
			},
			"stored outdated stored outdated stored outdated stored",
			[]string{"cf_h{} since 0s: [1 2] [1 2 3] 6 10", "cf_s{} since ?: [] [] 3 10"},
		},
		{
			"after two minutes of late ones only the new clock is believed",
			[]*metric.Envelope{
				sent("h", nil, []uint64{5}),
				with(at(time.Second, sent("h", nil, []uint64{6})), func(e *metric.Envelope, _ *metric.Distribution) { e.Timestamp = start - 9 }),
				with(at(122*time.Second, sent("h", nil, []uint64{7})), func(e *metric.Envelope, _ *metric.Distribution) { e.Timestamp = start - 8 }),
			},
			"stored outdated stored",
			[]string{"cf_h{} since ?: [] [7] 7 10"},
		},
		{
			"a sender that restarts",
			[]*metric.Envelope{
				began(0, sent("a", nil, []uint64{5})), began(7, at(9, sent("a", nil, []uint64{6}))),
				began(0, sent("b", nil, []uint64{5})), began(0, at(9, sent("b", nil, []uint64{4}))), began(0, at(10, sent("b", nil, []uint64{5}))),
				sent("c", nil, []uint64{5}), at(9, sent("c", nil, []uint64{4})), at(10, sent("c", nil, []uint64{5})),
				began(0, sentSummary("d", 5)), began(7, at(9, sentSummary("d", 1))),
			},
			"stored stored stored stored stored stored stored stored stored stored",
			[]string{
				"cf_a{} since 7ns: [] [6] 6 10", "cf_b{} since 9ns: [] [5] 5 10", "cf_c{} since 9ns: [] [5] 5 10",
				"cf_d{} since 7ns: [] [] 1 10",
			},
		},
		{
			"a start that cannot be",
			[]*metric.Envelope{began(time.Hour, sent("h", nil, []uint64{5})), with(sent("i", nil, []uint64{5}), func(e *metric.Envelope, _ *metric.Distribution) { e.Began = -1 })},
			"stored stored",
			[]string{"cf_h{} since ?: [] [5] 5 10", "cf_i{} since ?: [] [5] 5 10"},
		},
		{
			"deltas are added up, each once, in whatever buckets",
			[]*metric.Envelope{
				began(0, at(1, delta(sent("h", bounds, []uint64{1, 2, 3})))), began(1, at(2, delta(sent("h", bounds, []uint64{1, 0, 1})))),
				began(1, at(2, delta(sent("h", bounds, []uint64{1, 0, 1})))), began(0, at(1, delta(sent("h", bounds, []uint64{1, 2, 3})))),
				began(0, at(1, delta(sentNative("n", []uint64{1, 2}, []uint64{1})))), began(1, at(2, delta(sentNative("n", []uint64{0, 0, 0, 5}, nil)))),
				began(2, at(3, with(delta(sentNative("n", []uint64{1, 1}, nil)), func(_ *metric.Envelope, d *metric.Distribution) { d.Schema = 0 }))),
				began(3, at(4, with(delta(sentNative("n", []uint64{0, 0, 0, 1}, nil)), func(_ *metric.Envelope, d *metric.Distribution) { d.Schema = 2 }))),
			},
			"stored stored duplicate outdated stored stored stored stored",
			[]string{
				"cf_h{} since 0s: [1 2] [2 2 4] 8 20",
				// -1:1 0:2 2:5 of schema 1 are 0:3 1:5 of schema 0, to which come -1:1 0:1 and, of schema 2, 2:1
				"cf_n{} since 0s: [] [16] 16 40 native 0 4@0.5 -1[1 4 6] 0[1]",
			},
		},
		{
			"deltas of other buckets, and totals after deltas, begin anew",
			[]*metric.Envelope{
				began(0, at(1, delta(sent("a", bounds, []uint64{1, 2, 3})))), began(1, at(2, delta(sent("a", []float64{4}, []uint64{1, 2})))),
				at(1, delta(sent("b", nil, []uint64{5}))), began(0, at(2, sent("b", nil, []uint64{7}))), at(3, delta(sent("b", nil, []uint64{2}))),
			},
			"stored stored stored stored stored",
			[]string{"cf_a{} since 1ns: [4] [1 2] 3 10", "cf_b{} since 3ns: [] [2] 2 10"},
		},
		{
			"units convert bounds, sums, exemplars and quantiles",
			[]*metric.Envelope{
				unit("ms", traced(sent("h", []float64{250, 500}, []uint64{1, 2, 3}), exemplar(300, 0, 1))),
				unit("KiBy", sentNative("n", []uint64{1}, nil)),
				unit("ms", with(sentNative("m", []uint64{1}, []uint64{2}), func(_ *metric.Envelope, d *metric.Distribution) { d.Schema = 3 })),
				unit("ms", sentSummary("s", 5, metric.Quantile{Share: 0.5, Value: 20})),
				unit("{request}", sent("r", nil, []uint64{1})), unit("1", sent("o", nil, []uint64{1})),
			},
			"stored stored stored stored stored stored",
			[]string{
				"cf_h_seconds{} since ?: [0.25 0.5] [1 2 3] 6 0.01 <> <0101 0202 0.3 0s> <>",
				"cf_m_seconds{} since ?: [] [4] 4 0.01 native 3 1@0.0005 -81[1] -81[2]",
				"cf_n_bytes{} since ?: [] [2] 2 10240 native 1 1@512 19[1] 0[]",
				"cf_o{} since ?: [] [1] 1 10", "cf_r{} since ?: [] [1] 1 10",
				"cf_s_seconds{} since ?: [0.5] [0.02] 5 0.01",
			},
		},
		{
			"exemplars: of each bucket the newest, without buckets the newest ones",
			[]*metric.Envelope{
				traced(sent("h", bounds, []uint64{1, 2, 3}), exemplar(2, 5, 1), exemplar(1.5, 4, 2), exemplar(9, 3, 3)),
				at(1, traced(sent("h", bounds, []uint64{1, 2, 3}), exemplar(2, 4, 4), exemplar(math.NaN(), 4, 4), metric.Exemplar{Value: 1})),
				traced(sentNative("n", []uint64{1}, nil), exemplar(2, 5, 1), exemplar(1.5, 7, 2), exemplar(9, 6, 3)),
				at(1, traced(sentNative("n", []uint64{1}, nil), exemplar(9, 6, 3), exemplar(1, 8, 4))),
			},
			"stored stored stored stored",
			[]string{
				"cf_h{} since ?: [1 2] [1 2 3] 6 10 <> <0101 0202 2 5ns> <0303 0404 9 3ns>",
				"cf_n{} since ?: [] [2] 2 10 native 1 1@0.5 -1[1] 0[] <0404 0505 1 8ns> <0202 0303 1.5 7ns> <0303 0404 9 6ns> <0101 0202 2 5ns>",
			},
		},
		{
			"counters that say since when",
			[]*metric.Envelope{
				began(0, at(1, counter("a", 0, 5))), began(0, at(3, counter("a", 0, 7))), began(0, at(2, counter("a", 0, 6))),
				began(2, at(4, counter("a", 0, 3))), began(0, at(5, counter("a", 0, 9))), began(2, at(4, counter("a", 0, 3))),
				began(0, at(1, counter("b", 5, 0))), began(1, at(2, counter("b", 2, 0))), began(1, at(2, counter("b", 2, 0))),
				began(0, at(1, counter("b", 5, 0))), began(2, at(3, counter("b", 0, 0))),
				began(0, at(1, counter("c", 0, 0))), began(0, at(2, counter("c", 0, 4))), began(0, at(3, counter("c", 0, 2))),
				unit("By", began(0, counter("d", 0, 3))), unit("ms", began(0, counter("e", 0, 3))), unit("1", began(0, counter("f", 0, 3))),
			},
			"stored stored outdated stored outdated stored stored stored duplicate outdated stored stored stored stored stored stored stored",
			[]string{
				"cf_a_total{} since 2ns: 3", "cf_b_total{} since 0s: 7", "cf_c_total{} since 3ns: 2",
				"cf_d_bytes_total{} since 0s: 3", "cf_e_seconds_total{} since 0s: 0.003", "cf_f_total{} since 0s: 3",
			},
		},
		{
			"a counter that says since when only later, or no longer",
			[]*metric.Envelope{
				counter("a", 0, 5), began(1, at(2, counter("a", 0, 3))), at(3, counter("a", 0, 4)),
				counter("b", 2, 0), began(1, at(2, counter("b", 0, 3))), began(2, at(3, counter("b", 4, 0))),
				began(time.Hour, counter("c", 0, 5)),
			},
			"stored stored stored stored stored stored stored",
			[]string{"cf_a_total{} since 1ns: 4", "cf_b_total{} since 2ns: 4", "cf_c_total{} since ?: 5"},
		},
		{
			"after two minutes of late ones only the new clock of a counter is believed",
			[]*metric.Envelope{
				began(0, at(5, counter("a", 0, 5))), began(-9, at(time.Second, counter("a", 0, 3))), began(-9, at(122*time.Second, counter("a", 0, 4))),
			},
			"stored outdated stored",
			[]string{"cf_a_total{} since -9ns: 4"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t)
				var outcomes []string
				for _, e := range tt.envelopes {
					outcomes = append(outcomes, write(s, e))
				}
				if got := strings.Join(outcomes, " "); got != tt.outcomes {
					t.Errorf("outcomes %s, want %s", got, tt.outcomes)
				}
				if diff := cmp.Diff(tt.want, dumpAll(s)); diff != "" {
					t.Error(diff)
				}
				check(t, s)
			})
		})
	}
}

func check(t *testing.T, s *Store) {
	t.Helper()
	if err := checkScrape(s); err != nil {
		t.Error(err)
	}
}

// What contradicts itself is invalid, and harms nothing that is there.
func TestInvalidDistributions(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, tt := range []struct {
		name   string
		e      *metric.Envelope
		reason string
	}{
		{"none", with(sent("h", nil, nil), func(e *metric.Envelope, _ *metric.Distribution) { e.Distribution = nil }), reasonEmpty},
		{"equal bounds", sent("h", []float64{1, 1}, []uint64{1, 2, 3}), reasonBounds},
		{"bounds that fall", sent("h", []float64{1, 0}, []uint64{1, 2, 3}), reasonBounds},
		{"a bound +Inf", sent("h", []float64{1, inf}, []uint64{1, 2, 3}), reasonBounds},
		{"a bound -Inf", sent("h", []float64{-inf, 1}, []uint64{1, 2, 3}), reasonBounds},
		{"a bound NaN", sent("h", []float64{nan}, []uint64{1, 2}), reasonBounds},
		{"513 bounds", sent("h", slices.Collect(rising(513)), make([]uint64, 514)), reasonBounds},
		{"bounds that are one in seconds", unit("ns", sent("h", []float64{5e-324, 1e-323}, []uint64{1, 2, 3})), reasonBounds},
		{"bounds without counts", sent("h", []float64{1}, nil), reasonCounts},
		{"too few counts", sent("h", []float64{1}, []uint64{1}), reasonCounts},
		{"counts beyond 64 bits", sent("h", []float64{1}, []uint64{1 << 63, 1 << 63}), reasonCounts},
		{"native counts beyond 64 bits", sentNative("h", []uint64{1 << 63}, []uint64{1 << 63}), reasonCounts},
		{"native counts that differ", with(sentNative("h", []uint64{1}, nil), func(_ *metric.Envelope, d *metric.Distribution) {
			d.Counts = []uint64{1}
		}), reasonCounts},
		{"a schema too fine", with(sentNative("h", nil, nil), func(_ *metric.Envelope, d *metric.Distribution) { d.Schema = 9 }), reasonNative},
		{"a schema too coarse", with(sentNative("h", nil, nil), func(_ *metric.Envelope, d *metric.Distribution) { d.Schema = -5 }), reasonNative},
		{"an index too high", with(sentNative("h", []uint64{1, 1}, nil), func(_ *metric.Envelope, d *metric.Distribution) {
			d.Positive.First = math.MaxInt32
		}), reasonNative},
		{"an index too low", with(sentNative("h", nil, []uint64{1}), func(_ *metric.Envelope, d *metric.Distribution) {
			d.Negative.First = -2201
		}), reasonNative},
		{"a zero bucket of no width", with(sentNative("h", nil, nil), func(_ *metric.Envelope, d *metric.Distribution) { d.ZeroThreshold = nan }), reasonNative},
		{"a summary with buckets", with(sent("h", []float64{1}, []uint64{1, 2}), func(e *metric.Envelope, _ *metric.Distribution) {
			e.Kind = metric.KindSummary
		}), reasonMixed},
		{"a summary with native buckets", with(sentNative("h", nil, nil), func(e *metric.Envelope, _ *metric.Distribution) {
			e.Kind = metric.KindSummary
		}), reasonMixed},
		{"a quantile twice", sentSummary("h", 1, metric.Quantile{Share: 0.5}, metric.Quantile{Share: 0.5}), reasonQuantiles},
		{"a quantile above 1", sentSummary("h", 1, metric.Quantile{Share: 1.1}), reasonQuantiles},
		{"a quantile below 0", sentSummary("h", 1, metric.Quantile{Share: -0.1}), reasonQuantiles},
		{"a quantile NaN", sentSummary("h", 1, metric.Quantile{Share: nan}), reasonQuantiles},
		{"513 quantiles", with(sentSummary("h", 1), func(_ *metric.Envelope, d *metric.Distribution) {
			for q := range rising(513) {
				d.Quantiles = append(d.Quantiles, metric.Quantile{Share: q / 1000})
			}
		}), reasonQuantiles},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t)
				if got := write(s, tt.e); got != "invalid" {
					t.Errorf("outcome %s", got)
				}
				if got := s.Refusals(); len(got) != 1 || got[0].Reason != tt.reason || got[0].RawName != "h" {
					t.Errorf("%+v", got)
				}
				if got := s.Stats(); got != (Stats{}) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// rising yields n numbers that rise.
func rising(n int) func(func(float64) bool) {
	return func(yield func(float64) bool) {
		for i := range n {
			if !yield(float64(i)) {
				return
			}
		}
	}
}

// Families of such histograms are no others', and timers come first: the gorouter's requests have a fixed name.
func TestDistributionConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		bucket := func(name, le string, total uint64) *metric.Envelope {
			return counter(name+"_bucket", 0, total, "le", le)
		}
		for _, step := range []struct {
			e    *metric.Envelope
			want string
		}{
			{sent("a", []float64{1}, []uint64{1, 2}), "stored"},
			{gauge("a", 1), "conflict"},
			{sentSummary("a", 1), "conflict"},
			{bucket("a", "1", 5), "conflict"},
			{gauge("b", 1), "stored"},
			{sent("b", nil, []uint64{1}), "conflict"},
			{bucket("c", "1", 5), "stored"},
			{sent("c", nil, []uint64{1}), "conflict"},
			{unit("s", sent("d", nil, []uint64{1}, "ip", "1")), "stored"},
			{timer("d", time.Second), "stored"},
			{at(1, unit("s", sent("d", nil, []uint64{1}, "ip", "1"))), "conflict"},
			{counter("e_count", 0, 1), "stored"},
			{sentSummary("e", 1), "stored"}, // cf_e_count_total is no name of the summary cf_e
			{gauge("f_sum", 1), "stored"},
			{sentSummary("f", 1), "conflict"},
			{unit("By", counter("c_count", 0, 9)), "stored"}, // no part of c: the prom scraper sends no units
		} {
			if got := write(s, step.e); got != step.want {
				t.Errorf("%s %s: %s, want %s", step.e.Kind, step.e.Name, got, step.want)
			}
			check(t, s)
		}
		want := []string{
			"cf_a{} since ?: [1] [1 2] 3 10", "cf_b{} since ?: 1", "cf_c{} since ?: [1] [5 0] 5 NaN",
			"cf_c_count_bytes_total{} since ?: 9", "cf_d_seconds{} since 0s: [0.1 1] [0 1 0] 1 1",
			"cf_e{} since ?: [] [] 1 10", "cf_e_count_total{} since ?: 1", "cf_f_sum{} since ?: 1",
		}
		if diff := cmp.Diff(want, dumpAll(s)); diff != "" {
			t.Error(diff)
		}
		want = []string{
			"a: cf_a was counted by its senders, unlike this one", "b: cf_b of type gauge has the name of this histogram",
			"c: cf_c was sent in parts, unlike this one", "d: cf_d_seconds is made of timers, unlike this one",
			"f: cf_f_sum of type gauge has the name of this summary",
		}
		var reasons []string
		for _, r := range s.Refusals() {
			reasons = append(reasons, r.RawName+": "+r.Reason)
		}
		if diff := cmp.Diff(want, reasons); diff != "" {
			t.Error(diff)
		}
	})
}

// A histogram counts as one series in limits, expires when it falls silent, and goes with a rule that is reloaded.
func TestDistributionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Limits.PerMetric = 1 })
		wants := func(e *metric.Envelope, want string) {
			t.Helper()
			if got := write(s, e); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		wants(sent("h", nil, []uint64{1}, "ip", "1"), "stored")
		wants(sent("h", nil, []uint64{1}, "ip", "2"), "over_limit")
		wants(sentSummary("s", 1), "stored")
		wants(at(9*time.Minute, sentSummary("s", 1)), "stored")
		s.sweep(timeOf(start + int64(11*time.Minute)))
		time.Sleep(11 * time.Minute)
		if diff := cmp.Diff([]string{"cf_s{} since ?: [] [] 1 10"}, dumpAll(s)); diff != "" {
			t.Error(diff)
		}
		check(t, s)
		o := testSettings(t)
		if done, err := s.Reload(o.options()); err != nil || done.Kept != 1 {
			t.Errorf("%+v, %v", done, err)
		}
		o.Naming = naming.Style{Namespace: "other"}
		if done, err := s.Reload(o.options()); err != nil || done.Retired != 1 || len(dumpAll(s)) != 0 {
			t.Errorf("%+v, %v, %v", done, err, dumpAll(s))
		}
		wants(at(10*time.Minute, sentSummary("s", 2)), "stored")
		check(t, s)
	})
}

// Totals that come in any order, some of them twice, leave what their sender has counted last; deltas in order, some of
// them twice, leave their sum.
func TestDistributionsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		isDelta := rapid.Bool().Draw(rt, "delta")
		n := rapid.IntRange(1, 20).Draw(rt, "points")
		var total, sum uint64
		var points []*metric.Envelope
		began := start
		for i := range n {
			if i > 0 && rapid.IntRange(0, 4).Draw(rt, "restart") == 0 {
				total, began = 0, start+int64(i)
			}
			added := rapid.Uint64Range(0, 5).Draw(rt, "added")
			total, sum = total+added, sum+added
			e := sent("h", nil, []uint64{total})
			if isDelta {
				e = delta(sent("h", nil, []uint64{added}))
			}
			e.Timestamp, e.Began = start+int64(i)+1, began
			points = append(points, e)
		}
		order := slices.Clone(points)
		if !isDelta {
			order = rapid.Permutation(points).Draw(rt, "order")
		}
		s := testStore(t)
		for _, e := range order {
			for range rapid.IntRange(1, 2).Draw(rt, "times") {
				write(s, e)
			}
		}
		pos := entryPos(1)
		x := s.distributions.at(s.entries.at(pos).distribution())
		want, wantStart := total, began
		if isDelta {
			want, wantStart = sum, start
		}
		if x.count != want || x.start != wantStart || s.entries.at(pos).stamp != start+int64(n) {
			rt.Fatalf("%d since %d, want %d since %d", x.count, x.start-start, want, wantStart-start)
		}
	})
}

// Whatever a sender counts in native buckets, each observation is in a bucket that holds what its own one held.
func TestNativeBucketsOfSenders(t *testing.T) {
	side := rapid.Custom(func(t *rapid.T) metric.NativeBuckets {
		return metric.NativeBuckets{
			First:  rapid.Int32Range(-300, 300).Draw(t, "first"),
			Counts: rapid.SliceOfN(rapid.Uint64Range(0, 3), 0, 400).Draw(t, "counts"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		n := newNative()
		n.reset(maxNativeSchema, 0)
		type key struct {
			negative bool
			i        int32
		}
		type point struct {
			schema int32
			key    key
			count  uint64
		}
		var all []point
		for range rapid.IntRange(1, 3).Draw(t, "points") {
			d := &metric.Distribution{
				Schema:   rapid.Int32Range(2, maxNativeSchema).Draw(t, "schema"),
				Positive: side.Draw(t, "positive"), Negative: side.Draw(t, "negative"),
			}
			n.addSent(d, &conversion{mul: 1, div: 1})
			for i, c := range d.Positive.Counts {
				all = append(all, point{d.Schema, key{false, d.Positive.First + int32(i)}, c})
			}
			for i, c := range d.Negative.Counts {
				all = append(all, point{d.Schema, key{true, d.Negative.First + int32(i)}, c})
			}
		}
		want, got := map[key]uint64{}, map[key]uint64{}
		for _, p := range all {
			upper := math.Exp2(float64(p.key.i) * math.Exp2(-float64(p.schema)))
			p.key.i = int32(math.Ceil(math.Log2(upper)*math.Exp2(float64(n.schema)) - 1e-6))
			if p.count > 0 {
				want[p.key] += p.count
			}
		}
		for negative, b := range map[bool]*buckets{false: &n.positive, true: &n.negative} {
			if len(b.Counts) > maxNativeBuckets {
				t.Fatalf("%d buckets", len(b.Counts))
			}
			for i, c := range b.Counts {
				if c > 0 {
					got[key{negative, b.First + int32(i)}] = c
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("schema %d: %s", n.schema, diff)
		}
	})
}

// Series of senders that report at regular intervals end soon after they fall silent, if that is switched on.
func TestDistributionsExpireByTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.AdaptiveExpiration = true })
		for i := range 8 {
			after := time.Duration(i) * 15 * time.Second
			write(s, at(after, sent("h", nil, []uint64{1})))
			write(s, at(after, sentSummary("s", 1)))
		}
		write(s, sent("once", nil, []uint64{1}))
		time.Sleep(7*15*time.Second + 55*time.Second)
		if got := dumpAll(s); len(got) != 3 {
			t.Error(got)
		}
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]string{"cf_once{} since ?: [] [1] 1 10"}, dumpAll(s)); diff != "" {
			t.Error(diff)
		}
	})
}

// A known series costs no allocation, of whatever kind.
func TestCountedBySenderAllocs(t *testing.T) {
	traced := func(e *metric.Envelope) *metric.Envelope {
		return with(e, func(_ *metric.Envelope, d *metric.Distribution) {
			for i := range 3 {
				d.Exemplars = append(d.Exemplars, metric.Exemplar{
					TraceID: slices.Repeat([]byte{1}, 16), SpanID: slices.Repeat([]byte{byte(i)}, 8), Value: float64(i), Timestamp: start,
				})
			}
		})
	}
	for name, e := range map[string]*metric.Envelope{
		"histogram":     unit("ms", traced(sent("h", []float64{1, 2}, []uint64{1, 2, 3}, "ip", "1"))),
		"native":        unit("ms", traced(sentNative("n", slices.Repeat([]uint64{1}, 500), slices.Repeat([]uint64{1}, 200)))),
		"delta":         delta(sent("d", []float64{1, 2}, []uint64{1, 2, 3})),
		"native delta":  delta(sentNative("nd", slices.Repeat([]uint64{1}, 500), []uint64{1, 2})),
		"summary":       sentSummary("s", 5, metric.Quantile{Share: 0.9, Value: 2}, metric.Quantile{Share: 0.5, Value: 3}),
		"counter":       began(-1, unit("By", counter("c", 0, 1))),
		"delta counter": began(-1, counter("dc", 1, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			w := testStore(t).Writer()
			var tally metric.Tally
			step := func() {
				at(time.Second, e)
				for i := range exemplarsOf(e) {
					e.Distribution.Exemplars[i].Timestamp = e.Timestamp + int64(i)
				}
				w.Write(e, &tally)
			}
			for range 5 {
				step()
			}
			if n := testing.AllocsPerRun(100, step); n != 0 {
				t.Errorf("%v allocations", n)
			}
			if tally[metric.Stored] != 106 {
				t.Errorf("%v", tally)
			}
		})
	}
}

func exemplarsOf(e *metric.Envelope) []metric.Exemplar {
	if e.Distribution == nil {
		return nil
	}
	return e.Distribution.Exemplars
}
