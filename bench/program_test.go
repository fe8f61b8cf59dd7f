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
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"
)

// program is an exporter that runs.
type program struct {
	url  string
	pid  int
	stop func()
}

// buildExporter builds the exporter of this tree, and returns its file.
func buildExporter(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "exporter")
	build := exec.Command("go", "build", "-o", binary, "./cmd/exporter")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return binary
}

// startExporter runs an exporter with some flags until the benchmark ends.
func startExporter(b *testing.B, binary string, flags ...string) *program {
	b.Helper()
	at := freeAddress(b)
	cmd := exec.Command(binary, append([]string{"run", "--log.level=error", "--web.listen_address", at}, flags...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop := sync.OnceFunc(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	b.Cleanup(stop)
	return &program{url: "http://" + at + "/metrics", pid: cmd.Process.Pid, stop: stop}
}

// freeAddress is an address that nothing listens on.
func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// awaitSeries waits until the exporter has so many series.
func (p *program) awaitSeries(b *testing.B, series float64) {
	b.Helper()
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); <-tick.C {
		if p.value(b, seriesName) >= series {
			return
		}
	}
	b.Fatalf("%.0f series after five minutes", p.value(b, seriesName))
}

// awaitPage waits until the exporter answers.
func (p *program) awaitPage(b *testing.B) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if p.value(b, "go_info") > 0 {
			return
		}
	}
	b.Fatal("no answer after a minute")
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

// cpu is the processor time that the program has used.
func (p *program) cpu(b *testing.B) time.Duration {
	b.Helper()
	used, err := cpuOf(p.pid)
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// cpuOf is the processor time that a process has used, as the kernel counts it.
func cpuOf(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED: the clock of all threads of a process
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|scheduled), &t)
	return time.Duration(t.Nano()), err
}

// switches is how often a thread of the program went to sleep so far: each time it has to be woken again.
func (p *program) switches(b *testing.B) (n int) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.pid))
	if err != nil || len(threads) == 0 {
		b.Fatal("no threads: ", err)
	}
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				of, err := strconv.Atoi(strings.TrimSpace(value))
				if err != nil {
					b.Fatal(err)
				}
				n += of
			}
		}
	}
	return n
}
