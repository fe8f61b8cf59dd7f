package bench

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// BenchmarkScrapeMemory shows what a scrape of a million series adds to the memory of a process that has just given
// back what it could: how far its resident memory rises, and what it allocates, of which the garbage collector may take
// some back meanwhile. Of three scrapes the one that adds least counts: the first also makes the buffers that are kept.
func BenchmarkScrapeMemory(b *testing.B) {
	const series = 1_000_000
	b.Run("workload", func(b *testing.B) {
		s := newStore(b, series)
		fill(b, s, series)
		benchMemory(b, s)
	})
	b.Run("family-of-100000", func(b *testing.B) {
		s := newStore(b, series)
		fillFamily(s, 100_000)
		benchMemory(b, s)
	})
}

// fillFamily takes as many series of one name into a store, as the containers of a foundation are.
func fillFamily(s *store.Store, series int) {
	w, now := s.Writer(), time.Now().UnixNano()
	var tally metric.Tally
	for i := range series {
		e := metric.Envelope{
			Kind: metric.KindGauge, Arrived: now, Points: []metric.Point{{Name: []byte("cpu"), Value: float64(i)}},
		}
		e.AddTag([]byte("origin"), []byte("rep"))
		e.AddTag([]byte("instance"), fmt.Appendf(nil, "%08x-4d21-4b7e-9f05-%012x", i*7919, i))
		w.Write(&e, &tally)
	}
}

func benchMemory(b *testing.B, s *store.Store) {
	b.Helper()
	handler := exposition.NewHandler(s, prometheus.NewRegistry(), exposition.Options{Logger: quiet()})
	for _, kind := range scrapes {
		b.Run(kind.name, func(b *testing.B) {
			request := kind.request()
			var resident, allocated float64
			for n := range 3 {
				rose, made := scrapeMemory(b, handler, request)
				if n == 0 || rose < resident {
					resident = rose
				}
				if n == 0 || made < allocated {
					allocated = made
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(resident, "MiB-resident")
			b.ReportMetric(allocated, "MiB-allocated")
		})
	}
	runtime.KeepAlive(s)
}

// scrapeMemory returns how far a scrape raises the resident memory of this process, and what it allocates, in MiB.
func scrapeMemory(b *testing.B, handler http.Handler, request *http.Request) (rose, made float64) {
	b.Helper()
	debug.FreeOSMemory()
	// The kernel forgets the peak at this number.
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skip(err)
	}
	before, allocated := memoryOf(b, "self", "VmHWM"), totalAlloc()
	handler.ServeHTTP(&discard{header: http.Header{}}, request)
	return memoryOf(b, "self", "VmHWM") - before, (totalAlloc() - allocated) / (1 << 20)
}

func totalAlloc() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.TotalAlloc)
}
