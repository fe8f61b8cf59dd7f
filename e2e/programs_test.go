package e2e

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
)

// program is a peer that the tests run. Versions are those of programs/go.mod.
type program struct {
	name   string
	module string
	pkg    string
	tags   string
}

var (
	prometheus = program{
		name: "prometheus", module: "github.com/prometheus/prometheus",
		pkg: "github.com/prometheus/prometheus/cmd/prometheus", tags: "remove_all_sd",
	}
	victoriaMetrics = program{
		name: "victoria-metrics", module: "github.com/VictoriaMetrics/VictoriaMetrics",
		pkg: "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",
	}
)

// file returns the program's binary. The first time it is built, which takes minutes, into a cache outside the tree.
func (p *program) file(t *testing.T) string {
	t.Helper()
	mod, err := os.ReadFile("programs/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(p.module) + ` (v\S+)`).FindSubmatch(mod)
	if m == nil {
		t.Fatalf("programs/go.mod does not require %s", p.module)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cache, "loggregator_exporter", "bin", p.name+"-"+string(m[1]))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	part := file + ".part" // so that an interrupted build leaves no half of a program
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", p.tags, "-ldflags", "-s -w", "-o", part, p.pkg)
	cmd.Dir = "programs"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", p.name, err, out)
	}
	if err := os.Rename(part, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// process is a program that runs.
type process struct {
	// found is what said was looked for in its output.
	found string

	cmd  *exec.Cmd
	done chan error
	once sync.Once

	mu  sync.Mutex
	log []string
}

// start runs a program until the test ends, and waits until a line of its output matches said.
func start(t *testing.T, said *regexp.Regexp, file string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), file, args...), done: make(chan error, 1)}
	p.cmd.Dir = t.TempDir()
	output, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = p.cmd.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			p.mu.Lock()
			p.log = append(p.log, lines.Text())
			p.mu.Unlock()
			if m := said.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
		close(found)
		p.done <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, line := range p.log[max(0, len(p.log)-20):] {
				t.Log(filepath.Base(file), line)
			}
		}
	})
	for p.found = range found {
		return p
	}
	t.Fatalf("%s ended before it said %s", file, said)
	return p
}

// stop ends the process as an operator would.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if err := <-p.done; err != nil {
			t.Error(err)
		}
	})
}
