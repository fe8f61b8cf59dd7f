package bench

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"loggregator_exporter/exposition"
	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/capture"
)

// nothing is the floor of an intake: it decodes and stores nothing.
type nothing struct{}

func (nothing) Add(_ *metric.Envelope, tally *metric.Tally) { tally[metric.Stored]++ }
func (nothing) Flush(*metric.Tally)                         {}

// BenchmarkDatagram takes v1 datagrams as the UDP source does behind the socket.
func BenchmarkDatagram(b *testing.B) {
	const series = 10_000
	w, err := foundation.NewWorkload(series, 1, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	datagrams, err := w.Datagrams()
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

// BenchmarkBatch takes v2 batches behind the stream, with more and more series, whose samples come in the same order
// in every cycle: the one in which a cache is of no use. The stores take ten thousand envelopes each in turns,
// and the cheapest turn of each counts.
func BenchmarkBatch(b *testing.B) {
	sizes := []int{10_000, 100_000, 1_000_000}
	const turn = 10_000 / batchSize
	for _, c := range []string{"floor=walk", "exporter"} {
		b.Run(c, func(b *testing.B) {
			intakes := make([]*cyclic, len(sizes))
			for i, series := range sizes {
				var sink nozzle.Sink = nothing{}
				if c == "exporter" {
					sink = newStore(b, series).Writer()
				}
				intakes[i] = &cyclic{in: nozzle.NewIntake(newLedger(b).Source("rlp"), sink), batches: workload(b, series)}
				intakes[i].take(len(intakes[i].batches))
			}
			least := make([]time.Duration, len(sizes))
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				for i := range intakes {
					began := cpu(b)
					intakes[i].take(turn)
					least[i] = atMost(least[i], cpu(b)-began)
				}
			}
			for i, series := range sizes {
				b.ReportMetric(float64(least[i])/turn/batchSize, fmt.Sprintf("cpu-ns/envelope-of-%d", series))
			}
			b.ReportMetric(float64(least[2])/float64(least[0]), "times-per-envelope")
		})
	}
}

// cyclic takes the batches of a workload in cycles.
type cyclic struct {
	in      *nozzle.Intake
	batches [][]byte
	at      int
}

func (c *cyclic) take(batches int) {
	for range batches {
		c.in.V2(c.batches[c.at], time.Now())
		if c.at++; c.at == len(c.batches) {
			c.at = 0
		}
	}
}

// BenchmarkScrape answers scrapes of a store that nobody writes to: with all labels that the workload's nine tags
// and the names give, and with nine labels, as some drop what they have no use for. The cheapest scrape counts,
// since other load makes the others slower.
func BenchmarkScrape(b *testing.B) {
	b.Run("labels=all", func(b *testing.B) { benchFormats(b) })
	b.Run(
		"labels=nine",
		func(b *testing.B) { benchFormats(b, "instance_id", "placement_tag", "product", "system_domain") },
	)
}

func benchFormats(b *testing.B, dropped ...string) {
	b.Helper()
	const series = 100_000
	before := liveHeap()
	s := newStore(b, series, dropped...)
	fill(b, s, series)
	handler := exposition.NewHandler(s, prometheus.NewRegistry(), exposition.Options{Logger: quiet()})
	// The first scrape puts the labels in order, which is part of what a series costs.
	handler.ServeHTTP(&discard{header: http.Header{}}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	perSeries := (liveHeap() - before) / series
	for _, kind := range scrapes {
		b.Run(kind.name, func(b *testing.B) {
			benchScrape(b, handler, kind.request(), series)
			b.ReportMetric(perSeries, "heap-B/series")
		})
	}
	b.Run("peer=expfmt/text", func(b *testing.B) { benchExpfmt(b, handler, series, "") })
	b.Run("peer=expfmt/text+gzip", func(b *testing.B) { benchExpfmt(b, handler, series, "gzip") })
	runtime.KeepAlive(s)
}

// benchExpfmt encodes the same page with the encoder that client_golang's handlers use, from objects that are there
// already, and with the standard library's gzip as they do.
func benchExpfmt(b *testing.B, handler http.Handler, series int, encoding string) {
	b.Helper()
	w := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", "text/plain")
	handler.ServeHTTP(w, request)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		b.Fatal(err)
	}
	to := io.Discard
	zip := gzip.NewWriter(io.Discard)
	if encoding != "" {
		to = zip
	}
	least := time.Duration(0)
	for b.Loop() {
		began := cpu(b)
		encoder := expfmt.NewEncoder(to, expfmt.FmtText)
		for _, f := range families {
			if err := encoder.Encode(f); err != nil {
				b.Fatal(err)
			}
		}
		if err := zip.Close(); err != nil {
			b.Fatal(err)
		}
		zip.Reset(io.Discard)
		least = atMost(least, cpu(b)-began)
	}
	reportScrape(b, least, series)
}

// atMost is the lesser of two times, of which the first may not be known yet.
func atMost(least, took time.Duration) time.Duration {
	if least == 0 {
		return took
	}
	return min(least, took)
}

func reportScrape(b *testing.B, took time.Duration, series int) {
	b.Helper()
	b.ReportMetric(float64(took)/1e6, "cpu-ms/scrape")
	b.ReportMetric(float64(took)/float64(series), "cpu-ns/line")
}

// BenchmarkCapture takes the fixture of the tests, all kinds of envelopes of a foundation by every way, in cycles.
func BenchmarkCapture(b *testing.B) {
	records := readFixture(b)
	s := newStore(b, 10_000)
	for _, c := range []struct {
		name string
		sink nozzle.Sink
	}{{"floor=walk", nothing{}}, {"exporter", s.Writer()}} {
		b.Run(c.name, func(b *testing.B) {
			count := &counting{to: c.sink}
			in := nozzle.NewIntake(newLedger(b).Source("replay"), count)
			play := func() {
				for i := range records {
					if records[i].Format == capture.V1 {
						in.V1(records[i].Message, time.Now())
					} else {
						in.V2(records[i].Message, time.Now())
					}
				}
			}
			play()
			count.n = 0
			b.ReportAllocs()
			for b.Loop() {
				play()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(count.n), "ns/envelope")
		})
	}
}

// counting counts the envelopes that pass.
type counting struct {
	to nozzle.Sink
	n  int
}

func (c *counting) Add(e *metric.Envelope, tally *metric.Tally) {
	c.n++
	c.to.Add(e, tally)
}

func (c *counting) Flush(tally *metric.Tally) { c.to.Flush(tally) }

func readFixture(b *testing.B) []capture.Record {
	b.Helper()
	f, err := os.Open("../foundation/testdata/foundation.capture")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := capture.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var records []capture.Record
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			b.Fatal(err)
		}
		kept := *record
		kept.Message = slices.Clone(record.Message)
		records = append(records, kept)
	}
}

// scrapeKind is what a scraper asks for.
type scrapeKind struct{ name, accept, encoding string }

var scrapes = []scrapeKind{
	{"text", "text/plain", ""},
	{"text+gzip", "text/plain", "gzip"},
	{"text+zstd", "text/plain", "zstd"},
	{"openmetrics", "application/openmetrics-text;version=1.0.0", ""},
	{"openmetrics+gzip", "application/openmetrics-text;version=1.0.0", "gzip"},
	{"protobuf", protobuf, ""},
	{"protobuf+gzip", protobuf, "gzip"},
	{"protobuf+zstd", protobuf, "zstd"},
}

func (k *scrapeKind) request() *http.Request {
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", k.accept)
	request.Header.Set("Accept-Encoding", k.encoding)
	return request
}

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// benchScrape answers one scrape after the other. A series is a line.
func benchScrape(b *testing.B, handler http.Handler, request *http.Request, series int) {
	b.Helper()
	size, least := 0, time.Duration(0)
	for b.Loop() {
		w, began := discard{header: http.Header{}}, cpu(b)
		handler.ServeHTTP(&w, request)
		least = atMost(least, cpu(b)-began)
		if size = w.size; size < series {
			b.Fatalf("%d bytes", size)
		}
	}
	reportScrape(b, least, series)
	b.ReportMetric(float64(size)/1e6, "MB/page")
}

// BenchmarkScrapeLine shows what a line costs with more and more series. The stores are scraped in turns and the
// cheapest scrape of each counts, so that all see the machine in the same moods; a million lines are written in each
// turn.
func BenchmarkScrapeLine(b *testing.B) {
	sizes := []int{10_000, 100_000, 1_000_000}
	handlers := make([]http.Handler, len(sizes))
	for i, series := range sizes {
		s := newStore(b, series)
		fill(b, s, series)
		handlers[i] = exposition.NewHandler(s, prometheus.NewRegistry(), exposition.Options{Logger: quiet()})
		// The first scrape puts series in order: that is the price of a new series, not of a line.
		handlers[i].ServeHTTP(&discard{header: http.Header{}}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}

	for _, format := range []struct{ name, accept string }{{"text", "text/plain"}, {"protobuf", protobuf}} {
		b.Run(format.name, func(b *testing.B) {
			request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			request.Header.Set("Accept", format.accept)
			least := make([]time.Duration, len(sizes))
			for b.Loop() {
				for i, series := range sizes {
					for range sizes[len(sizes)-1] / series {
						began := cpu(b)
						handlers[i].ServeHTTP(&discard{header: http.Header{}}, request)
						least[i] = atMost(least[i], cpu(b)-began)
					}
				}
			}
			for i, series := range sizes {
				b.ReportMetric(float64(least[i])/float64(series), fmt.Sprintf("cpu-ns/line-of-%d", series))
			}
			b.ReportMetric(float64(least[2])/float64(least[0])*float64(sizes[0])/float64(sizes[2]), "times-per-line")
		})
	}
}

// discard counts what is written to it.
type discard struct {
	header http.Header
	size   int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { d.size += len(p); return len(p), nil }
