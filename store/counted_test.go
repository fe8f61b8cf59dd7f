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

	"loggregator_exporter/metric"
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

// ahead makes the clock of a sender 40 s too fast.
func ahead(e *metric.Envelope) *metric.Envelope {
	e.Timestamp += int64(40 * time.Second)
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
			"deltas that exceed 64 bits begin anew",
			[]*metric.Envelope{
				delta(sent("h", []float64{5}, []uint64{math.MaxUint64 - 5, 5})), at(1, delta(sent("h", []float64{5}, []uint64{2, 1}))),
			},
			"stored stored",
			[]string{`cf_h{} since 1ns: [5] [2 1] 3 10`},
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
			"a start ahead of our clock, which no reader would accept",
			[]*metric.Envelope{
				ahead(began(30*time.Second, sent("h", nil, []uint64{5}))), ahead(began(30*time.Second, counter("c", 0, 5))),
				ahead(began(30*time.Second, delta(sent("i", nil, []uint64{5})))), ahead(began(30*time.Second, counter("d", 5, 0))),
			},
			"stored stored stored stored",
			[]string{
				"cf_c_total{} since 0s: 5", "cf_d_total{} since 0s: 5", "cf_h{} since 0s: [] [5] 5 10",
				"cf_i{} since 0s: [] [5] 5 10",
			},
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
