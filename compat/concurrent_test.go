package compat

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// Sources, scrapes and reloads at once: every sample ends in one outcome, and no page holds a series twice.
func TestConcurrent(t *testing.T) {
	const writers, rounds = 4, 500
	options := store.Options{
		Resolver:   dialect(t),
		Expiration: time.Hour,
		MaxSeries:  10_000,
		Limits:     store.LimitOptions{PerMetric: 300},
	}
	s, err := store.New(options)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReceived("firehose", "test")
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for range writers {
		writing.Go(func() {
			k := NewSink(s.Writer(), r)
			var tally metric.Tally
			now := time.Now().UnixNano()
			for i := range rounds {
				n := []byte(strconv.Itoa(i))
				k.Write(
					&metric.Envelope{Kind: metric.KindGauge, Arrived: now, Points: []metric.Point{{Name: n}, {Name: []byte("cpu")}}},
					&tally,
				)
				k.Write(&metric.Envelope{Kind: metric.KindCounter, Arrived: now, Name: n, Delta: 1}, &tally)
				k.Write(request("app_name", string(n), "content_length", string(n), "status_code", "200"), &tally)
			}
		})
	}
	for range 2 {
		reading.Go(func() {
			var reader store.Reader
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, f := range (store.Stores{s}).Families() {
					seen := map[metric.Labels]bool{}
					reader.Reset(&f)
					for samples := reader.Next(); len(samples) > 0; samples = reader.Next() {
						for _, sample := range samples {
							if seen[sample.Labels] ||
								f.Type == metric.TypeSummary && (sample.Summary == nil || len(sample.Summary.Values) != 4) {
								t.Errorf("%s{%s}", f.Name, sample.Labels)
							}
							seen[sample.Labels] = true
						}
					}
				}
			}
		})
	}
	reading.Go(func() {
		for range 5 {
			if _, err := s.Reload(options); err != nil {
				t.Error(err)
			}
		}
	})
	writing.Wait()
	close(done)
	reading.Wait()
	sum := uint64(0)
	samples := r.samples()
	for _, n := range samples {
		sum += n
	}
	if want := uint64(writers * rounds * 4); sum != want || samples[metric.OverLimit] == 0 ||
		samples[metric.Stored] == 0 {
		t.Errorf("%d outcomes of %d samples: %v", sum, want, samples)
	}
}
