package peers

import (
	"bytes"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/protoparser/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// BenchmarkPage sets what a line of the exporter's page costs, HTTP included, beside what client_golang's encoder takes
// to write the same page from objects that are there already, and what readers take to parse it: VictoriaMetrics, and
// expfmt, by which telegraf and prom2json read.
func BenchmarkPage(b *testing.B) {
	listen, to := free(b), free(b)
	p := start(b, listen, build(b, "../..", "./cmd/exporter"), "run", "--web.listen_address", listen,
		"--nozzle.otlp.enabled", "--nozzle.otlp.listen_address", to)
	p.plain = true
	written := p.measure(b, `product="elastic-runtime"`, export(b, to, requestsOf(b))).line
	page := p.read(b)
	lines := bytes.Count(page, []byte("\n")) - bytes.Count(page, []byte("\n#")) - 1 // the first line is a comment
	var rows prometheus.Rows
	var families map[string]*dto.MetricFamily
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"peer=VictoriaMetrics/parse", func() error {
			rows.Reset()
			rows.UnmarshalWithErrLogger(string(page), func(s string) { b.Error(s) })
			if len(rows.Rows) != lines {
				b.Errorf("%d rows of %d lines", len(rows.Rows), lines)
			}
			return nil
		}},
		{"peer=expfmt/parse", func() (err error) {
			parser := expfmt.NewTextParser(model.LegacyValidation)
			families, err = parser.TextToMetricFamilies(bytes.NewReader(page))
			return err
		}},
		{"peer=expfmt/write", func() error {
			encoder := expfmt.NewEncoder(io.Discard, expfmt.NewFormat(expfmt.TypeTextPlain))
			for _, f := range families {
				if err := encoder.Encode(f); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			least := time.Duration(0)
			for b.Loop() {
				runtime.GC() // what was left behind before
				began := cpu(b)
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
				if took := cpu(b) - began; least == 0 || took < least {
					least = took
				}
			}
			line := float64(least) / float64(lines)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(line, "cpu-ns/line")
			b.ReportMetric(float64(written), "exporter-cpu-ns/line")
			b.ReportMetric(line/float64(written), "times-per-line")
		})
	}
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
