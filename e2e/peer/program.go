package peer

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
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

// Exporter builds the exporter as `make build` does, and returns a file of the test's own with it. It is linked
// once, not for each test. flags are more ones for the linker.
func Exporter(t *testing.T, flags ...string) string {
	t.Helper()
	root, linker := Root(t), strings.Join(flags, " ")
	built := filepath.Join(cache(t), fmt.Sprintf("exporter-%08x", crc32.ChecksumIEEE([]byte(root+linker)))) // one for each tree
	defer lock(t, built+".lock")()
	Go(t, root, []string{"CGO_ENABLED=0"}, "build", "-trimpath", "-ldflags", linker, "-o", built, "./cmd/exporter")
	program, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "exporter")
	if err := os.WriteFile(file, program, 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// cache is a folder outside the tree for what was built.
func cache(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "loggregator_exporter", "bin")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	return dir
}

const (
	attempts = 3
	between  = 10 * time.Second // two attempts
)

// Go runs the go command, which may have to download modules, and returns its output. A proxy that is away for a
// moment fails no test: where the command complains of an address, it is tried again.
func Go(t *testing.T, dir string, env []string, args ...string) []byte {
	t.Helper()
	for attempt := 1; ; attempt++ {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		out, err := cmd.Output()
		if err == nil {
			return out
		}
		said := fmt.Sprintf("go %q: %v\n%s", args, err, complaint(err))
		if attempt == attempts || !strings.Contains(said, "://") {
			t.Fatal(said)
		}
		t.Log(said)
		again := time.NewTimer(between)
		select {
		case <-t.Context().Done():
		case <-again.C:
		}
	}
}

// complaint is what a command that failed said on standard error.
func complaint(err error) []byte {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
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
	bin := cache(t)
	file := filepath.Join(bin, p.Name+"-"+string(m[1]))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	// Packages of tests run side by side and may want the same program: one builds, the others wait for it.
	defer lock(t, filepath.Join(bin, p.Name+".lock"))()
	if _, err := os.Stat(file); err == nil {
		return file
	}
	dest, err := os.MkdirTemp(bin, p.Name+"-*.part") //nolint:usetesting // a rename does not cross file systems
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dest) }()
	part := filepath.Join(dest, p.Name)
	Go(t, dir, nil, "build", "-mod=mod", "-trimpath", "-tags", p.Tags, "-ldflags", "-s -w", "-o", part, p.Pkg)
	if err := os.Rename(part, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// lock waits until no other process has the lock of that name, and returns what gives it back.
func lock(t *testing.T, name string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}
