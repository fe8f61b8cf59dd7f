package exposition

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/store"
)

// gzipInputs are pages, and what a page is not.
func gzipInputs(tb testing.TB) map[string][]byte {
	tb.Helper()
	random := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 300_000)
	_, _ = random.Read(noise)
	all := make([]byte, 70_000)
	for i := range all {
		all[i] = byte(i ^ i>>8*37)
	}
	page := []byte(write(tb, expfmt.FmtOpenMetrics_1_0_0, foundation()[:3]))
	return map[string][]byte{
		"empty":          {},
		"a byte":         {'\n'},
		"page":           page,
		"page, CRLF":     bytes.ReplaceAll(page, []byte("\n"), []byte("\r\n")),
		"all labels":     fullPage(3_000),
		"histograms":     histogramPage(tb),
		"unsorted":       shuffledLines(fullPage(2_000)),
		"no line break":  bytes.ReplaceAll(page, []byte("\n"), []byte(" ")),
		"no labels":      []byte(strings.Repeat("a_metric 1\na_metric_b 12\n# TYPE a gauge\n", 9_000)),
		"noise":          noise,
		"noise in lines": bytes.Join(slices.Collect(slices.Chunk(noise, 200)), []byte("\"\n")),
		"noisy labels":   noisyLabels(noise[:200_000]),
		"one symbol":     bytes.Repeat([]byte{'a'}, 500_000),
		"line breaks":    bytes.Repeat([]byte{'\n'}, 300_000),
		"quotes":         bytes.Repeat([]byte{'"'}, 300_000),
		"braces":         bytes.Repeat([]byte("a{{{{{{{{{{{{{\nb{{{{{{{"), 20_000),
		"all bytes":      all,
		"long lines":     longLines(40_000, 90_000, 300_000, 10, 33_000, 33_000, 32_767, 32_768, 32_769, 600_000),
		"lengths":        growingLines(),
		"far away":       append(append(bytes.Clone(page[:40_000]), noise[:40_000]...), page[:40_000]...),
		"long code":      fibonacci(),
		"many matches":   manyMatches(),
	}
}

// fullPage has lines of text as a foundation of VMs gives them, with labels that differ from line to line: ids of the VM twice, one
// in three components with an index, and names that take turns.
func fullPage(lines int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	components := []string{"rep", "gorouter", "loggregator_agent", "doppler", "cc", "LoggregatorTrafficController", "p-redis.service-instance_8d4e"}
	var b bytes.Buffer
	for i := range lines {
		if i%1000 == 0 {
			fmt.Fprintf(&b, "# HELP cf_metric_%d_bytes What it is.\n# TYPE cf_metric_%d_bytes gauge\n", i, i)
			random = rand.New(rand.NewPCG(1, uint64(i)))
		}
		component := components[i%len(components)]
		vm := fmt.Sprintf("%08x-91d2-4c55-8a7e-%012x", random.Uint32(), random.Uint64()>>16)
		index := ""
		if i%3 == 0 {
			index = fmt.Sprintf(`,index="%d"`, i%90)
		}
		fmt.Fprintf(&b, `cf_metric_%d_bytes{az="z%d",bosh_deployment="cf-1e3f5a7b9c0d2e4f6a8b",bosh_job_id="%s",bosh_job_ip="10.0.%d.%d",`+
			`bosh_job_name="%s",component="%s"%s,instance_id="%s",origin="%s",placement_tag="isolation-segment-%d",product="elastic-runtime",`+
			`source_id="%s",system_domain="sys.cf.example.com"} %d`+"\n", i/1000*1000, i%1000/334, vm, random.IntN(4), random.IntN(250),
			[]string{"diego-cell", "router", "api"}[random.IntN(3)], component, index, vm, component, random.IntN(4), component, random.IntN(1e8))
	}
	return b.Bytes()
}

func histogramPage(tb testing.TB) []byte {
	tb.Helper()
	random := rand.New(rand.NewPCG(9, 10))
	samples := make([]store.Sample, 300)
	for i := range samples {
		h := &store.Histogram{
			Bounds: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}, Counts: make([]uint64, 12), Sum: random.Float64(),
		}
		for i := range h.Counts {
			h.Counts[i] = random.Uint64N(1000)
		}
		samples[i] = store.Sample{Labels: labels("app_id", fmt.Sprintf("0b6c3f4e-91d2-4c55-8a7e-%012x", i), "method", "GET"), Histogram: h}
	}
	return []byte(write(tb, expfmt.FmtText, content{histogram("cf_http_request_duration_seconds", samples...)}))
}

func shuffledLines(page []byte) []byte {
	lines := bytes.SplitAfter(page, []byte("\n"))
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return bytes.Join(lines, nil)
}

// noisyLabels has values that nothing repeats.
func noisyLabels(noise []byte) []byte {
	var b bytes.Buffer
	for value := range slices.Chunk(noise, 300) {
		fmt.Fprintf(&b, "a_metric{name=%q} 1\n", value)
	}
	return b.Bytes()
}

func longLines(lengths ...int) []byte {
	var b bytes.Buffer
	for i, n := range lengths {
		line := bytes.Repeat([]byte(`a{b="c",`+strings.Repeat("x", i)), n/8+1)
		b.Write(append(line[:n-1], '\n'))
	}
	return b.Bytes()
}

// growingLines has matches of every length that the format knows and longer ones, lines that grow and lines that shrink.
func growingLines() []byte {
	var b bytes.Buffer
	for i := range 1600 {
		n := i
		if i > 800 {
			n = 1600 - i
		}
		fmt.Fprintf(&b, "a{b=\"%s\"} %d\n", strings.Repeat("y", n), i*7919)
	}
	return b.Bytes()
}

// fibonacci has bytes whose frequencies ask for the longest code words that there can be: each is as frequent as the two rarer
// ones together.
func fibonacci() []byte {
	var b []byte
	for n, m, symbol := 1, 1, byte(0x80); len(b)+n < 200_000; n, m, symbol = m, n+m, symbol+1 {
		b = append(b, bytes.Repeat([]byte{symbol}, n)...)
	}
	rand.New(rand.NewPCG(5, 6)).Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return b
}

// manyMatches fills the space of tokens before the buffer is full.
func manyMatches() []byte {
	random := rand.New(rand.NewPCG(7, 8))
	var b bytes.Buffer
	for range 40_000 {
		fmt.Fprintf(&b, "abc{d=\"%c\",e=\"%c\"} \n", 'a'+rune(random.IntN(26)), 'a'+rune(random.IntN(26)))
	}
	return b.Bytes()
}
