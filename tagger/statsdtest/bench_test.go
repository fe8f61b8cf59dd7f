package statsdtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/statsd_exporter/pkg/mapper"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

// globFile returns a file of 20 mappings, and 200 names, nine in ten of which match one.
func globFile() (file string, names []string) {
	var b strings.Builder
	b.WriteString("mappings:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "- {match: \"component%d.requests.*.total\", name: requests_total, labels: {code: \"$1\"}}\n", i)
		fmt.Fprintf(&b, "- {match: '*.group%d.*.latency', name: latency, labels: {component: $1, target: $2}}\n", i)
	}
	for i := range 200 {
		switch i % 10 {
		case 0:
			names = append(names, fmt.Sprintf("unknown%d.metric.of.no.rule", i))
		case 1, 2, 3, 4:
			names = append(names, fmt.Sprintf("router%d.group%d.target%d.latency", i%30, i%10, i))
		default:
			names = append(names, fmt.Sprintf("component%d.requests.value%d.total", i%10, i))
		}
	}
	return b.String(), names
}

func regexFile() string {
	var b strings.Builder
	b.WriteString("mappings:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "- {match: 'service_([a-z]+)_%d\\.(.*)\\.requests%d', match_type: regex, name: requests}\n", i, i)
	}
	return b.String()
}

func benchmark(b *testing.B, file string, names []string) {
	b.Helper()
	m, tg := both(b, file)
	b.Run("statsd_exporter", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.GetMapping(names[i%len(names)], mapper.MetricTypeGauge)
		}
	})
	b.Run("tagger", func(b *testing.B) {
		b.ReportAllocs()
		var r tagger.Result
		s := tagger.Subject{Kind: metric.KindGauge}
		for i := 0; b.Loop(); i++ {
			s.Name = names[i%len(names)]
			tg.Apply(&s, &r, nil)
		}
	})
}

// BenchmarkGlob looks up 200 names in 20 mappings, without a cache.
func BenchmarkGlob(b *testing.B) {
	file, names := globFile()
	benchmark(b, file, names)
}

// BenchmarkRegexMiss looks up names that none of 100 regular expressions matches.
func BenchmarkRegexMiss(b *testing.B) {
	_, names := globFile()
	benchmark(b, regexFile(), names)
}
