package bench

import (
	"context"
	"testing"
	"time"

	"loggregator_exporter/nozzle"
)

// BenchmarkExpiry lets half of a million series expire at once while the others go on. It reports what that costs for
// each that expires, from the first to the last, envelopes included, and the longest time that a batch of a hundred took
// meanwhile.
func BenchmarkExpiry(b *testing.B) {
	if b.N > 1 {
		b.Fatal("run it once, with -benchtime 1x")
	}
	batches := workload(b, coldSeries)
	s := newStore(b, coldSeries)
	in := nozzle.NewIntake(newLedger(b).Source("rlp"), s.Writer())
	for i, batch := range batches {
		in.V2(batch, time.Now().Add(-2*time.Hour*time.Duration(i%2)))
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	began, longest, series := cpu(b), time.Duration(0), coldSeries
	for i := 0; series > coldSeries/2; i = (i + 2) % len(batches) {
		if series = s.Stats().Series; series == coldSeries {
			began = cpu(b)
		}
		arrived := time.Now()
		in.V2(batches[i], arrived)
		longest = max(longest, time.Since(arrived))
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(cpu(b)-began)/1e3/(coldSeries/2), "cpu-us/series")
	b.ReportMetric(float64(longest)/1e6, "longest-ms")
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
