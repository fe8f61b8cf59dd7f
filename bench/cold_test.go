package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

const (
	coldEnv    = "BENCH_COLD_CERTIFICATE" // set in the process that sends a cycle whenever it is told to
	coldSeries = 1_000_000
)

// sendCold plays a forwarder agent that sends one cycle of the workload, as fast as can be, for each line that it
// reads, which names the address and the process there. It answers with the longest time for which it could not send, and
// the most processor time that the other process used meanwhile, in milliseconds.
func sendCold(file string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	batches, err := coldBatches(coldSeries)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var address string
		var pid int
		if _, err := fmt.Sscan(lines.Text(), &address, &pid); err != nil {
			return err
		}
		longest, worked, err := sendCycle(address, pid, credentials.NewTLS(config), batches)
		if err != nil {
			return err
		}
		fmt.Println(float64(longest)/1e6, float64(worked)/1e6)
	}
	return nil
}

func sendCycle(
	address string, pid int, with credentials.TransportCredentials, batches [][]byte,
) (longest, worked time.Duration, err error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(with))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = conn.Close() }()
	stream, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true}, agentTo,
		grpc.ForceCodecV2(raw{}), grpc.WaitForReady(true))
	if err != nil {
		return 0, 0, err
	}
	for _, batch := range batches {
		used, err := cpuOf(pid)
		if err != nil {
			return 0, 0, err
		}
		began := time.Now()
		if err := stream.SendMsg(batch); err != nil {
			return 0, 0, err
		}
		now, err := cpuOf(pid)
		if err != nil {
			return 0, 0, err
		}
		longest, worked = max(longest, time.Since(began)), max(worked, now-used)
	}
	if err := stream.CloseSend(); err != nil {
		return 0, 0, err
	}
	time.Sleep(time.Second / 2) // what is under way arrives
	return longest, worked, nil
}

// coldSender sends cycles to exporters.
type coldSender struct {
	to   io.Writer
	from *bufio.Reader
}

func startColdSender(b *testing.B, certificate string) *coldSender {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdin, _ := start(b, cmd, coldEnv+"="+certificate)
	return &coldSender{stdin, bufio.NewReader(stdout)}
}

// cycle sends every series once to a program, and notes the longest stall as figures of a stage.
func (s *coldSender) cycle(b *testing.B, address string, p *program, run coldRun, stage string) {
	b.Helper()
	if _, err := fmt.Fprintln(s.to, address, p.pid); err != nil {
		b.Fatal(err)
	}
	var longest, worked float64
	if _, err := fmt.Fscanln(s.from, &longest, &worked); err != nil {
		b.Fatal(err)
	}
	run[stage+"-stall-ms"], run[stage+"-stall-cpu-ms"] = longest, worked
}

// coldRun are the figures of one exporter: of each phase the processor time, in microseconds a series, and what was
// seen beside it.
type coldRun map[string]float64

// BenchmarkCold shows what the first minute costs, in which every sample makes a series, of the whole program in
// processor time as the kernel counts it: a million series of 50,000 names by gRPC with mutual TLS as fast as they are
// taken. The stages are
//
//	new      every series is new
//	again    the same samples once more, to compare
//	scrape   the first page, for which the series are put in order
//	reload   the configuration is loaded anew and gives every series another name
//	renamed  every series is made anew
//
// Stalls are the longest time for which the sender could not send, and the processor time that the program used in the
// one in which it used most: other load of the machine makes only the first one longer. BENCH_BASELINE names another build, which runs in
// turns; ratios are those of the least figures:
//
//	BENCH_BASELINE=/tmp/before BENCH_RUNS=10 go test -run '^$' -bench 'Cold$' -benchtime 1x -timeout 1h
func BenchmarkCold(b *testing.B) {
	certificate, _ := newCertificate(b)
	sender := startColdSender(b, certificate)
	var ours, theirs []coldRun
	turns(b, buildExporter(b), func(binary string, baseline bool) {
		run := runCold(b, binary, certificate, sender)
		b.Log(filepath.Base(binary), baseline, run)
		if baseline {
			theirs = append(theirs, run)
		} else {
			ours = append(ours, run)
		}
	})
	b.ReportMetric(0, "ns/op")
	before := leastCold(theirs)
	for name, figure := range leastCold(ours) {
		b.ReportMetric(figure, name)
		if was := before[name]; was > 0 {
			b.ReportMetric(figure/was, name+"-ratio")
		}
	}
}

func leastCold(of []coldRun) coldRun {
	u := coldRun{}
	for _, run := range of {
		for name, figure := range run {
			if is, ok := u[name]; !ok || figure < is {
				u[name] = figure
			}
		}
	}
	return u
}

func runCold(b *testing.B, binary, certificate string, sender *coldSender) coldRun {
	b.Helper()
	config := filepath.Join(b.TempDir(), "config.yml")
	name := func(namespace string) {
		if err := os.WriteFile(config, []byte("metrics: {namespace: "+namespace+"}\n"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	name("cf")
	address, run := freeAddress(b), coldRun{}
	p := startExporter(b, binary, append(sourceFlags(nameIngress, address, certificate), "--config="+config)...)
	defer p.stop()
	p.awaitPage(b)
	measure := func(stage string, f func()) {
		before := p.cpu(b)
		f()
		run[stage+"-cpu-us"] = float64(p.awaitRest(b)-before) / 1e3 / coldSeries
	}
	measure("new", func() { sender.cycle(b, address, p, run, "new") })
	run["new-MiB-peak"] = p.memory(b, "VmHWM")
	measure("again", func() { sender.cycle(b, address, p, run, "again") })
	measure("scrape", func() { p.scrape(b, "text/plain", "") })
	if got := p.value(b, seriesName); got != coldSeries {
		b.Fatalf("%.0f series", got)
	}
	name("pcf")
	measure("reload", func() {
		process, err := os.FindProcess(p.pid)
		if err == nil {
			err = process.Signal(syscall.SIGHUP)
		}
		if err != nil {
			b.Fatal(err)
		}
	})
	if got := p.value(b, seriesName); got != 0 {
		b.Fatalf("%.0f series", got)
	}
	measure("renamed", func() { sender.cycle(b, address, p, run, "renamed") })
	if got := p.value(b, seriesName); got != coldSeries {
		b.Fatalf("%.0f series", got)
	}
	run["renamed-MiB-peak"] = p.memory(b, "VmHWM")
	return run
}

// awaitRest waits until a program does next to nothing, and returns the processor time that it has used by then.
func (p *program) awaitRest(b *testing.B) time.Duration {
	b.Helper()
	const rest, still = time.Second, 20 * time.Millisecond
	for {
		before := p.cpu(b)
		time.Sleep(rest)
		if is := p.cpu(b); is-before < still {
			return before
		}
	}
}

// coldBatches is the workload with more names: three metrics of each VM have one of their own, as those of queues and
// databases do.
func coldBatches(series int) ([][]byte, error) {
	return batchesOf(series, func(vm, envelope int, name string) string {
		if envelope%33 != 0 || strings.ContainsAny(name, "0123456789") {
			return name
		}
		return fmt.Sprintf("%s.queue_%c%c%c%d", name, 'a'+vm%26, 'a'+vm/26%26, 'a'+vm/676%26, envelope/33)
	})
}
