package peers

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	series = 10_000
	cycles = 10 // in each of them every series gets a sample, and the page is scraped once
)

// program is a program that runs.
type program struct {
	page  string // its address
	pid   int
	plain bool // the page is asked for as it is, else with gzip, as Prometheus asks
}

// build builds a command of this module or its dependencies, or of the exporter in folder "../..".
func build(b *testing.B, folder, command string) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "program")
	cmd := exec.Command("go", "build", "-o", binary, command)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return binary
}

// start runs a program until the end of the benchmark.
func start(b *testing.B, page, binary string, arguments ...string) *program {
	b.Helper()
	cmd := exec.Command(binary, arguments...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if b.Failed() {
			b.Log(log.String())
		}
	})
	p := &program{page: "http://" + page + "/metrics", pid: cmd.Process.Pid}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if response, err := http.Get(p.page); err == nil {
			_ = response.Body.Close()
			return p
		}
	}
	b.Fatal("no page after a minute")
	return nil
}

// cpu is the processor time that the program has used, as the kernel counts it.
func (p *program) cpu(b *testing.B) time.Duration {
	b.Helper()
	const scheduled = 2 // CPUCLOCK_SCHED: the clock of all threads of a process, also of those that have ended
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid<<3|scheduled), &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// read scrapes the page.
func (p *program) read(b *testing.B) []byte {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, p.page, nil)
	if err != nil {
		b.Fatal(err)
	}
	if p.plain {
		request.Header.Set("Accept-Encoding", "identity")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	return page
}

// cost is what a program takes for a sample, and for a line of its page.
type cost struct{ sample, line time.Duration }

// measure lets send bring a sample for each series, and scrapes, in cycles. Lines of series have mark in them.
func (p *program) measure(b *testing.B, mark string, send func()) cost {
	b.Helper()
	const warmUp = 3 // until every series exists, and what is kept for it
	var took cost
	lines := 0
	for n := range warmUp + cycles {
		began := p.cpu(b)
		send()
		sent := p.cpu(b)
		found := bytes.Count(p.read(b), []byte(mark))
		if n < warmUp {
			continue
		}
		lines += found
		took.sample += sent - began
		took.line += p.cpu(b) - sent
	}
	if lines < cycles*series*99/100 {
		b.Fatalf("%d lines of %d series in %d scrapes", lines, series, cycles)
	}
	took.sample /= series * cycles
	took.line /= time.Duration(lines)
	return took
}

// compare measures the exporter and a peer, and reports how many times the peer's costs are the exporter's.
func compare(b *testing.B, peer string, exporter, other func(b *testing.B) cost) {
	b.Helper()
	var ours cost
	b.Run("exporter", func(b *testing.B) {
		for b.Loop() {
			ours = exporter(b)
		}
		report(b, ours)
	})
	b.Run("peer="+peer, func(b *testing.B) {
		var theirs cost
		for b.Loop() {
			theirs = other(b)
		}
		report(b, theirs)
		if ours.line > 0 {
			b.ReportMetric(float64(theirs.sample)/float64(ours.sample), "times-per-sample")
			b.ReportMetric(float64(theirs.line)/float64(ours.line), "times-per-line")
			b.ReportMetric(float64(theirs.sample+theirs.line)/float64(ours.sample+ours.line), "times-in-all")
		}
	})
}

func report(b *testing.B, c cost) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(c.sample), "cpu-ns/sample")
	b.ReportMetric(float64(c.line), "cpu-ns/line")
}

// free returns an address of loopback at which nothing listens.
func free(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
