package bench

import (
	"runtime"
	"testing"
	"time"

	"loggregator_exporter/compat"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/store"
)

// both writes every envelope by both kinds of names, as the service does where they stand beside each other.
type both struct {
	first, second nozzle.Sink
	untold        metric.Tally
}

func (b *both) Add(e *metric.Envelope, tally *metric.Tally) {
	b.first.Add(e, tally)
	b.second.Add(e, &b.untold)
}

func (b *both) Flush(tally *metric.Tally) {
	b.first.Flush(tally)
	b.second.Flush(&b.untold)
}

func newCompatible(b *testing.B, series int) (*store.Store, nozzle.Sink) {
	b.Helper()
	dialect, err := compat.New(compat.Options{Namespace: "firehose", Environment: "production", NodeIndex: "0"})
	if err != nil {
		b.Fatal(err)
	}
	s, err := store.New(store.Options{Resolver: dialect, Expiration: time.Hour, MaxSeries: 2 * series})
	if err != nil {
		b.Fatal(err)
	}
	return s, compat.NewSink(s.Writer(), compat.NewReceived("firehose", "production"))
}

// BenchmarkCompatibility shows what the names of firehose_exporter cost in memory, and to take a sample in: none of
// them, beside the exporter's own, or alone.
func BenchmarkCompatibility(b *testing.B) {
	const series = 100_000
	for _, mode := range []string{"none", "beside", "alone"} {
		b.Run("mode="+mode, func(b *testing.B) {
			batches := workload(b, series)
			before := liveHeap()
			var stores store.Stores
			var sink nozzle.Sink
			if mode != "alone" {
				s := newStore(b, series)
				stores, sink = append(stores, s), s.Writer()
			}
			if mode != "none" {
				s, old := newCompatible(b, series)
				stores = append(stores, s)
				if sink == nil {
					sink = old
				} else {
					sink = &both{first: sink, second: old}
				}
			}
			in := nozzle.NewIntake(newLedger(b).Source("rlp"), sink)
			for _, batch := range batches {
				in.V2(batch, time.Now())
			}
			for _, s := range stores {
				if got := s.Stats().Series; got != series {
					b.Fatalf("%d series of %d: %+v", got, series, s.Refusals())
				}
			}
			stores.Families() // which puts series in order
			perSeries := (liveHeap() - before) / series
			used := cpu(b)
			for b.Loop() {
				for _, batch := range batches {
					in.V2(batch, time.Now())
				}
			}
			b.ReportMetric(float64(cpu(b)-used)/float64(b.N)/series, "cpu-ns/sample")
			b.ReportMetric(perSeries, "heap-B/series")
			runtime.KeepAlive(stores)
			runtime.KeepAlive(batches)
		})
	}
}
