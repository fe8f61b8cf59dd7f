//go:build !race

package store

import (
	"slices"
	"testing"
	"time"

	"loggregator_exporter/metric"
)

// A known series costs no allocation, of whatever kind. Under the race detector the compiler makes a slice of what it
// only clears otherwise: append(s, make([]T, n)...).
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

// BenchmarkCountedBySender takes a histogram of 15 classic buckets, and one of 160 native ones on each side, that are
// known.
func BenchmarkCountedBySender(b *testing.B) {
	for name, e := range map[string]*metric.Envelope{
		"classic": sent("h", slices.Collect(rising(14)), slices.Repeat([]uint64{1}, 15), "ip", "1"),
		"native":  sentNative("n", slices.Repeat([]uint64{1}, 160), slices.Repeat([]uint64{1}, 160)),
		"gauge":   gauge("g", 1, "ip", "1"),
	} {
		b.Run(name, func(b *testing.B) {
			w := testStore(b).Writer()
			var tally metric.Tally
			for b.Loop() {
				e.Timestamp++
				w.Write(e, &tally)
			}
		})
	}
}
