package bench

import (
	"testing"
	"time"
)

const (
	millionSeries  = 1_000_000
	millionCycle   = 15 * time.Second // in which every series gets a sample
	millionScrapes = 8
	receivedTotal  = "loggregator_exporter_envelopes_received_total"
	seriesName     = "loggregator_exporter_series"
)

// BenchmarkMillion runs the exporter as users do, the program with its own settings of the garbage collector, on a
// million series that each get a sample every 15 s by gRPC with mutual TLS, and scrapes it every 15 s, by turns as
// text, with gzip and as protobuf. It reports the most memory that the process had at the scrapes, and at any time.
// GOGC and GOMEMLIMIT reach the program. It takes two and a half minutes:
//
//	make bench-million
func BenchmarkMillion(b *testing.B) {
	if b.N > 1 {
		b.Fatal("run it once, with -benchtime 1x")
	}
	setPace(b, millionSeries, millionSeries/int(millionCycle/time.Second))
	file, _ := newCertificate(b)
	address, _ := startServerWith(b, serverEnv, file)
	p := startExporter(b, buildExporter(b), sourceFlags(nameRLP, address, file)...)
	p.awaitSeries(b, millionSeries)
	ready, received, since, most := p.cpu(b), p.value(b, receivedTotal), time.Now(), 0.0
	tick := time.NewTicker(millionCycle)
	defer tick.Stop()
	for n := range millionScrapes {
		<-tick.C
		accept, encoding := "text/plain", ""
		switch n % 4 {
		case 1, 3:
			encoding = "gzip"
		case 2:
			accept = protobuf
		}
		before, used, began := p.memory(b, "VmRSS"), p.cpu(b), time.Now()
		size := p.scrape(b, accept, encoding)
		after := p.memory(b, "VmRSS")
		most = max(most, before, after)
		b.Logf("scrape %d, %q %q: %.0f MiB before, %.0f after, %.1f MB in %v, %v of CPU with what came meanwhile",
			n, accept, encoding, before, after, float64(size)/1e6, time.Since(began).Round(time.Millisecond), p.cpu(b)-used)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(most, "MiB-resident")
	b.ReportMetric(p.memory(b, "VmHWM"), "MiB-peak")
	b.ReportMetric((p.cpu(b)-ready).Seconds()/time.Since(since).Seconds(), "cores")
	b.ReportMetric(p.value(b, seriesName), "series")
	b.ReportMetric((p.value(b, receivedTotal)-received)/time.Since(since).Seconds(), "envelopes/s")
}
