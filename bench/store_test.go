package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
)

// nothing is the floor of an intake: it decodes and stores nothing.
type nothing struct{}

func (nothing) Write(_ *metric.Envelope, tally *metric.Tally) { tally[metric.Stored]++ }

// BenchmarkDatagram takes v1 datagrams as the UDP source does behind the socket.
func BenchmarkDatagram(b *testing.B) {
	const series = 10_000
	datagrams, err := workload(b, series).Datagrams()
	if err != nil {
		b.Fatal(err)
	}
	s := newStore(b, series)
	for _, c := range []struct {
		name string
		sink nozzle.Sink
	}{{"floor=walk", nothing{}}, {"exporter", s.Writer()}} {
		b.Run(c.name, func(b *testing.B) {
			in := nozzle.NewIntake(newLedger(b).Source("udp"), c.sink)
			for _, d := range datagrams {
				in.V1(d, time.Now())
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				in.V1(datagrams[i], time.Now())
				if i++; i == len(datagrams) {
					i = 0
				}
			}
		})
	}
	if got := s.Stats().Series; got != series {
		b.Fatalf("%d series, want %d: %+v", got, series, s.Refusals())
	}
}

// BenchmarkBatch takes v2 batches behind the stream, with more and more series.
func BenchmarkBatch(b *testing.B) {
	for _, series := range []int{10_000, 100_000, 1_000_000} {
		batches, err := workload(b, series).Batches()
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range []string{"floor=walk", "exporter"} {
			b.Run(fmt.Sprintf("series=%d/%s", series, c), func(b *testing.B) {
				var sink nozzle.Sink = nothing{}
				if c == "exporter" {
					sink = newStore(b, series).Writer()
				}
				in := nozzle.NewIntake(newLedger(b).Source("rlp"), sink)
				for _, batch := range batches {
					in.V2(batch, time.Now())
				}
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					in.V2(batches[i], time.Now())
					if i++; i == len(batches) {
						i = 0
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSize, "ns/envelope")
			})
		}
	}
}

// BenchmarkScrape answers scrapes of a store that nobody writes to.
func BenchmarkScrape(b *testing.B) {
	const series = 100_000
	before := liveHeap()
	s := newStore(b, series)
	fill(b, s, series)
	perSeries := (liveHeap() - before) / series
	handler := exposition.NewHandler(s, prometheus.NewRegistry(), exposition.Options{Logger: quiet()})
	for _, c := range []struct{ name, accept, encoding string }{
		{"text", "text/plain", ""},
		{"text+gzip", "text/plain", "gzip"},
		{"openmetrics", "application/openmetrics-text;version=1.0.0", ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			request.Header.Set("Accept", c.accept)
			request.Header.Set("Accept-Encoding", c.encoding)
			began := cpu(b)
			for b.Loop() {
				w := discard{header: http.Header{}}
				handler.ServeHTTP(&w, request)
				if w.size < series {
					b.Fatalf("%d bytes", w.size)
				}
			}
			b.ReportMetric(float64(cpu(b)-began)/float64(b.N)/1e6, "cpu-ms/scrape")
			b.ReportMetric(perSeries, "heap-B/series")
		})
	}
	runtime.KeepAlive(s)
}

// discard counts what is written to it.
type discard struct {
	header http.Header
	size   int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { d.size += len(p); return len(p), nil }
