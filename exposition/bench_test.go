package exposition

import (
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

const benchSeries = 100_000

// foundation is 100,000 series of nine labels: 200 families from 500 VMs, with the cardinalities of a real foundation.
func foundation() content {
	const families, vms = 200, benchSeries / 200
	sets := make([]store.Sample, vms)
	for i := range sets {
		job := []string{"diego-cell", "router", "doppler", "api", "uaa"}[i%5]
		sets[i].Labels = labels(
			"bosh_deployment", "cf-7f0c1d2e3a4b", "bosh_job_id", fmt.Sprintf("0b6c3f4e-91d2-4c55-8a7e-%012x", i*7919),
			"bosh_job_ip", fmt.Sprintf("10.0.%d.%d", i/250, i%250), "bosh_job_name", job,
			"component", job, "index", strconv.Itoa(i/5),
			"origin", job+"__"+strconv.Itoa(i/5), "source_id", job, "type", "vm_memory")
	}
	c := make(content, families)
	for f := range c {
		c[f] = gauge(fmt.Sprintf("cf_memory_stats_metric_%03d_bytes", f), slices.Clone(sets)...)
		for i := range c[f].samples {
			// A third each of small integers, byte sizes and fractions.
			switch f % 3 {
			case 0:
				c[f].samples[i].Value = float64(i % 100)
			case 1:
				c[f].samples[i].Value = float64(i*f) * 4096
			default:
				c[f].samples[i].Value = float64(i) / 7 * float64(f)
			}
		}
	}
	return c
}

// chunked reads as the store does, in chunks of 4,096.
type chunked struct {
	fakeReader
	by map[string][]store.Sample
}

func (r *chunked) Reset(f *store.Family) { r.rest = nil; r.rest = r.by[f.Name] }
func (r *chunked) Next() []store.Sample {
	n := min(4096, len(r.rest))
	chunk := r.rest[:n]
	r.rest = r.rest[n:]
	return chunk
}

type counting int64

func (c *counting) Write(b []byte) (int, error) { *c += counting(len(b)); return len(b), nil }

func perLine(b *testing.B, bytes counting) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchSeries), "ns/line")
	if bytes > 0 {
		b.ReportMetric(float64(bytes)/float64(b.N)/1e6, "MB/page")
	}
}

func BenchmarkPage(b *testing.B) {
	c := foundation()
	families := c.families()
	r := &chunked{by: map[string][]store.Sample{}}
	for _, s := range c {
		r.by[s.Name] = s.samples
	}
	mfs := make([]*dto.MetricFamily, len(c))
	for i := range c {
		mfs[i] = toDTO(&c[i])
	}
	for _, f := range []struct {
		name   string
		format expfmt.Format
	}{{"text", expfmt.FmtText}, {"openmetrics", expfmt.FmtOpenMetrics_1_0_0}, {"protobuf", expfmt.FmtProtoDelim}} {
		for _, enc := range encodings() {
			b.Run(f.name+"/"+enc.name+"/ours", func(b *testing.B) {
				var n counting
				var p page
				b.ReportAllocs()
				for b.Loop() {
					w := enc.get(&n)
					p.begin(w, func() error { return nil })
					if err := p.render(newOffer(f.format), nil, nil, families, r); err != nil {
						b.Fatal(err)
					}
					p.end()
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
					enc.put(w)
				}
				perLine(b, n)
			})
			b.Run(f.name+"/"+enc.name+"/expfmt", func(b *testing.B) {
				var n counting
				b.ReportAllocs()
				for b.Loop() {
					w := enc.get(&n)
					e := expfmt.NewEncoder(w, f.format)
					for _, mf := range mfs {
						if err := e.Encode(mf); err != nil {
							b.Fatal(err)
						}
					}
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
					enc.put(w)
				}
				perLine(b, n)
			})
		}
	}
}

// discardResponse is a client that takes everything at no cost.
type discardResponse struct{ header http.Header }

func (d discardResponse) Header() http.Header         { return d.header }
func (d discardResponse) Write(b []byte) (int, error) { return len(b), nil }
func (d discardResponse) WriteHeader(int)             {}

// BenchmarkScrape is the whole way from a real store with 100,000 series to the client, self-metrics included.
func BenchmarkScrape(b *testing.B) {
	s := newStore(b)
	w, now := s.Writer(), time.Now().UnixNano()
	var tally metric.Tally
	for _, f := range foundation() {
		for _, sample := range f.samples {
			e := metric.Envelope{
				Kind: metric.KindGauge, Arrived: now,
				Points: []metric.Point{{Name: []byte(f.Name), Value: sample.Value}},
			}
			for name, value := range sample.Labels.All() {
				e.AddTag([]byte(name), []byte(value))
			}
			w.Write(&e, &tally)
		}
	}
	if tally[metric.Stored] != benchSeries {
		b.Fatalf("outcomes %v", tally)
	}
	h := NewHandler(s, own(), Options{Logger: slog.New(slog.DiscardHandler)})
	for _, accept := range []string{"text/plain", prometheus3} {
		for _, encoding := range []string{identity, "gzip"} {
			r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
			r.Header.Set("Accept", accept)
			r.Header.Set("Accept-Encoding", encoding)
			name, _, _ := strings.Cut(string(Negotiate(r.Header)), ";")
			b.Run(path.Base(name)+"/"+encoding, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					h.ServeHTTP(discardResponse{http.Header{}}, r)
				}
				perLine(b, 0)
			})
		}
	}
}

func BenchmarkHistograms(b *testing.B) {
	h := &store.Histogram{
		Bounds: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		Counts: []uint64{100, 200, 300, 400, 500, 600, 700, 80, 90, 10, 11, 12}, Count: 3003, Sum: 77.25,
	}
	samples := make([]store.Sample, 1000)
	for i := range samples {
		samples[i] = store.Sample{Labels: labels("app_id", fmt.Sprintf("0b6c3f4e-91d2-4c55-8a7e-%012x", i),
			"component", "gorouter", "method", "GET", "status", "2xx"), Histogram: h}
	}
	s := histogram("cf_http_request_duration_seconds", samples...)
	var p page
	e := &textEncoder{}
	b.ReportAllocs()
	p.begin(io.Discard, func() error { return nil })
	for b.Loop() {
		if err := e.encode(&p, &s.Family, e.names(&s.Family), s.samples, &fakeReader{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(samples)*(len(h.Counts)+2)), "ns/line")
}

// BenchmarkCompressors shows what the choice of level and window costs and saves, on a page of text.
func BenchmarkCompressors(b *testing.B) {
	text := []byte(write(b, expfmt.FmtText, foundation()))
	benchCompressor(b, "gzip/standard_library", text,
		func() (compressor, error) { return stdgzip.NewWriter(io.Discard), nil })
	for _, level := range []int{gzip.StatelessCompression, gzip.HuffmanOnly, 1, 2, 3, 4, 5, 6} {
		benchCompressor(b, fmt.Sprintf("gzip/level=%d", level), text, func() (compressor, error) {
			return gzip.NewWriterLevel(io.Discard, level)
		})
	}
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault} {
		for _, window := range []int{64 << 10, 256 << 10, zstdWindow, 1 << 20, 4 << 20} {
			benchCompressor(b, fmt.Sprintf("zstd/level=%s/window=%d", level, window), text, func() (compressor, error) {
				return newZstd(level, window)
			})
		}
	}
}

func benchCompressor(b *testing.B, name string, text []byte, create func() (compressor, error)) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		w, err := create()
		if err != nil {
			b.Fatal(err)
		}
		var n counting
		for b.Loop() {
			w.Reset(&n)
			for chunk := range slices.Chunk(text, chunkBytes) {
				if _, err := w.Write(chunk); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
		perLine(b, n)
	})
}
