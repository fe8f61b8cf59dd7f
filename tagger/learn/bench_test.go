package learn_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/learn"
)

// foundationNames are n names of a foundation: components whose names hold queues, instances, regions and plans, and
// some that hold nothing.
func foundationNames(n int) []learn.Name {
	names := make([]learn.Name, 0, n)
	leaves := [...]string{"depth", "consumers", "published", "redelivered"}
	for i := 0; len(names) < n; i++ {
		origin := fmt.Sprintf("service-%d", i%97)
		id := i / 8
		var name string
		switch i % 8 {
		case 0:
			name = fmt.Sprintf("queues.queue-%x.%s", id, leaves[id%4])
		case 1:
			name = fmt.Sprintf("%s.requests.route_%d", origin, id)
		case 2:
			name = fmt.Sprintf("app.%08x-47b2-4589-94f0-385f78b3a04d.%s", id, leaves[id%4])
		case 3:
			name = fmt.Sprintf("worker__%d.memoryStats.numFrees", id)
		case 4:
			name = fmt.Sprintf("/%s/plan-%d/total_instances", origin, id)
		case 5:
			name = fmt.Sprintf("pool.tenant-%d.%s.count", id%5000, leaves[id%4])
		case 6:
			name = fmt.Sprintf("somethingElse%dHappened", id)
		default:
			name = fmt.Sprintf("group%d.sub%d.value%d", id%50, id%200, id)
		}
		names = append(names, learn.Name{Origin: origin, Name: name, Kind: metric.KindGauge})
	}
	return names
}

// BenchmarkPropose learns from 50,000 and from 1,000,000 names, with the catalogue in force. The floor is to read the
// names, to split each into segments and to look these up. x-floor is the ratio of the two; MiB-heap is the most that
// the heap has had, the names included.
func BenchmarkPropose(b *testing.B) {
	for _, n := range []int{50_000, 1_000_000} {
		names := foundationNames(n)
		options := learn.Options{
			Rules: tagger.Options{Catalogue: catalogue.Files(), Quarantine: true}, Vocabulary: vocabulary(b),
		}
		var floor float64
		b.Run(fmt.Sprintf("names=%d/floor", n), func(b *testing.B) {
			for b.Loop() {
				seen := make(map[string]int)
				for i := range names {
					for part := range strings.SplitSeq(names[i].Name, ".") {
						seen[part]++
					}
				}
			}
			floor = perName(b, n)
			b.ReportMetric(floor, "ns/name")
		})
		b.Run(fmt.Sprintf("names=%d/learn", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l, err := learn.New(options)
				if err != nil {
					b.Fatal(err)
				}
				for i := range names {
					l.Add(&names[i])
				}
				if _, err := l.Propose(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(perName(b, n), "ns/name")
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapSys)/(1<<20), "MiB-heap")
			if floor > 0 { // the floor may be left out by -bench
				b.ReportMetric(perName(b, n)/floor, "x-floor")
			}
		})
	}
}

func perName(b *testing.B, names int) float64 {
	b.Helper()
	return float64(b.Elapsed().Nanoseconds()) / float64(b.N*names)
}
