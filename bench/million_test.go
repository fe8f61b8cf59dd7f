package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	millionEnv     = "BENCH_MILLION" // set in the process that plays the RLP of BenchmarkMillion, to anything
	millionSeries  = 1_000_000
	millionCycle   = 15 * time.Second // in which every series gets a sample
	millionScrapes = 8
	receivedTotal  = "loggregator_exporter_envelopes_received_total"
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
	b.Setenv(millionEnv, "1")
	file, _ := newCertificate(b)
	p := startExporter(b, startServerWith(b, serverEnv, file), file)
	p.await(b, millionSeries)
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
	b.ReportMetric(p.value(b, "loggregator_exporter_series"), "series")
	b.ReportMetric((p.value(b, receivedTotal)-received)/time.Since(since).Seconds(), "envelopes/s")
}

// program is an exporter that runs.
type program struct {
	url string
	pid int
}

// startExporter builds the exporter and lets it read an RLP.
func startExporter(b *testing.B, address, certificate string) *program {
	b.Helper()
	dir := b.TempDir()
	binary := filepath.Join(dir, "exporter")
	build := exec.Command("go", "build", "-o", binary, "./cmd/exporter")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	at := listener.Addr().String()
	if err := listener.Close(); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(binary, "run", "--web.listen_address", at, "--nozzle.udp.enabled=false", "--nozzle.rlp.enabled",
		"--nozzle.rlp.address", address, "--nozzle.rlp.tls.ca_file", certificate, "--nozzle.rlp.tls.cert_file", certificate,
		"--nozzle.rlp.tls.key_file", certificate)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	return &program{url: "http://" + at + "/metrics", pid: cmd.Process.Pid}
}

// await waits until the exporter has so many series.
func (p *program) await(b *testing.B, series float64) {
	b.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); <-tick.C {
		if p.value(b, "loggregator_exporter_series") >= series {
			return
		}
	}
	b.Fatalf("%.0f series after five minutes", p.value(b, "loggregator_exporter_series"))
}

// value is the sum of what the exporter says of itself under a name, 0 where it does not answer yet.
func (p *program) value(b *testing.B, name string) float64 {
	b.Helper()
	response, err := http.Get(p.url + "?name[]=" + name)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	return sum
}

// scrape reads a page and throws it away. It returns its size as sent.
func (p *program) scrape(b *testing.B, accept, encoding string) int64 {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, p.url, nil)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", encoding)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	size, err := io.Copy(io.Discard, response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("%s: %v", response.Status, err)
	}
	return size
}

// memory reads a line of the program's /proc/<pid>/status, in MiB.
func (p *program) memory(b *testing.B, key string) float64 {
	b.Helper()
	return memoryOf(b, strconv.Itoa(p.pid), key)
}

func memoryOf(b *testing.B, pid, key string) float64 {
	b.Helper()
	f, err := os.Open("/proc/" + pid + "/status")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == key+":" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatalf("no %s", key)
	return 0
}

// cpu is the processor time that the program has used, in the 10 ms of /proc/<pid>/stat.
func (p *program) cpu(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	const user, system = 11, 12 // behind the name
	ticks := 0
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
