// Package peer runs the programs that the tests try the exporter against: it builds them once, into a cache outside the tree, and ends
// what it started with the test.
package peer

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
)

// Program is a program that the tests run. Its version is that of the go.mod in its folder of e2e/programs.
type Program struct {
	Name   string
	Folder string // below e2e/programs
	Module string
	Pkg    string
	Tags   string
}

// Prometheus is the server that most operators store into.
func Prometheus() *Program {
	return &Program{
		Name: "prometheus", Folder: "storage", Module: "github.com/prometheus/prometheus",
		Pkg: "github.com/prometheus/prometheus/cmd/prometheus", Tags: "remove_all_sd",
	}
}

// Promtool checks configuration, rules and pages as Prometheus of the same version does.
func Promtool() *Program {
	return &Program{
		Name: "promtool", Folder: "storage", Module: "github.com/prometheus/prometheus",
		Pkg: "github.com/prometheus/prometheus/cmd/promtool", Tags: "remove_all_sd",
	}
}

// VictoriaMetrics is a receiver of remote write that is not Prometheus.
func VictoriaMetrics() *Program {
	return &Program{
		Name: "victoria-metrics", Folder: "storage", Module: "github.com/VictoriaMetrics/VictoriaMetrics",
		Pkg: "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",
	}
}

// Helm renders charts.
func Helm() *Program {
	return &Program{Name: "helm", Folder: "kubernetes", Module: "helm.sh/helm/v4", Pkg: "helm.sh/helm/v4/cmd/helm"}
}

// Kubeconform holds manifests against the schemas of Kubernetes.
func Kubeconform() *Program {
	return &Program{
		Name: "kubeconform", Folder: "kubernetes", Module: "github.com/yannh/kubeconform",
		Pkg: "github.com/yannh/kubeconform/cmd/kubeconform",
	}
}

// Root returns the folder of the project, from any package of the tests.
func Root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; filepath.Base(dir) != "e2e"; dir = filepath.Dir(dir) {
		if dir == filepath.Dir(dir) {
			t.Fatal("not run in the folder e2e of the project")
		}
	}
	return filepath.Dir(dir)
}

// Exporter builds the exporter as `make build` does, and returns its file.
func Exporter(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exporter")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", file, "./cmd/exporter")
	cmd.Dir = Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// FreeAddress returns an address that nobody listens at, for programs that are started more than once, or do not say where they listen.
func FreeAddress(t *testing.T) string {
	t.Helper()
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	return free.Addr().String()
}

// File returns the program's binary. The first time it is built, which takes minutes, into a cache outside the tree.
func (p *Program) File(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(Root(t), "e2e", "programs", p.Folder)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(p.Module) + ` (v\S+)`).FindSubmatch(mod)
	if m == nil {
		t.Fatalf("%s/go.mod does not require %s", dir, p.Module)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(cache, "loggregator_exporter", "bin")
	file := filepath.Join(bin, p.Name+"-"+string(m[1]))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	// Packages of tests run side by side and may want the same program: each makes a whole one of its own, the last rename wins.
	if err := os.MkdirAll(bin, 0o750); err != nil {
		t.Fatal(err)
	}
	dest, err := os.MkdirTemp(bin, p.Name+"-*.part") //nolint:usetesting // a rename does not cross file systems
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dest) }()
	part := filepath.Join(dest, p.Name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-trimpath", "-tags", p.Tags, "-ldflags", "-s -w", "-o", part, p.Pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", p.Name, err, out)
	}
	if err := os.Rename(part, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// Process is a program that runs.
type Process struct {
	// Found is what said was looked for in its output.
	Found string

	cmd  *exec.Cmd
	done chan error
	once sync.Once

	mu  sync.Mutex
	log []string
}

// Start runs a program until the test ends, and waits until a line of its output matches said.
func Start(t *testing.T, said *regexp.Regexp, file string, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), file, args...), done: make(chan error, 1)}
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
		p.Stop(t)
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, line := range p.log[max(0, len(p.log)-20):] {
				t.Log(filepath.Base(file), line)
			}
		}
	})
	for p.Found = range found {
		return p
	}
	t.Fatalf("%s ended before it said %s", file, said)
	return p
}

// Stop ends the process as an operator would.
func (p *Process) Stop(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if err := <-p.done; err != nil {
			t.Error(err)
		}
	})
}
