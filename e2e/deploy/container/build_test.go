package container

import (
	"bytes"
	"debug/elf"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"loggregator_exporter/e2e/peer"
)

// buildContext copies what an engine would see of the tree to a folder.
func buildContext(t *testing.T, to string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(folder(t), "Containerfile.dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	root := peer.Root(t)
	var files []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" {
				return fs.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if out, err := ignored.MatchesOrParentMatches(name); err != nil || out {
			return err
		}
		files = append(files, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// source returns a new folder with what an engine would see of the tree.
func source(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	buildContext(t, dir)
	return dir
}

// build runs the build's own command in a folder of source, as the engine's builder would in /src, and returns the
// binary.
func build(t *testing.T, source string, env ...string) []byte {
	t.Helper()
	out := t.TempDir()
	command := strings.Replace(buildCommand(t), " /out/exporter ", " "+out+"/exporter ", 1)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
	cmd.Dir = source
	cmd.Env = append(
		os.Environ(),
		append([]string{"TARGETOS=linux", "TARGETARCH=amd64", "VERSION=1.2.3", "REVISION=0f5a"}, env...)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	text, err := os.ReadFile(filepath.Join(out, "exporter"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// image is the binary, built once for all tests of the package.
type image struct {
	once sync.Once
	text []byte
}

var built image //nolint:gochecknoglobals // a build takes a while

// binary returns a file of the test's own with the binary.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() { built.text = build(t, source(t)) })
	if built.text == nil {
		t.Fatal("the build failed in another test")
	}
	file := filepath.Join(t.TempDir(), "exporter")
	if err := os.WriteFile(file, built.text, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestContext: what the builder sees is the source of the binary, and no more: no folder in which there is no
// package of it.
func TestContext(t *testing.T) {
	const module = "loggregator_exporter/"
	want := map[string]bool{"go.mod": true, "go.sum": true}
	for name := range strings.Lines(string(output(t.Context(), t, peer.Root(t), "go", "list", "-deps", "./cmd/exporter"))) {
		if folder, ours := strings.CutPrefix(strings.TrimSpace(name), module); ours {
			folder, _, _ = strings.Cut(folder, "/")
			want[folder] = true
		}
	}
	got := map[string]bool{}
	for _, name := range buildContext(t, t.TempDir()) {
		top, _, _ := strings.Cut(name, "/")
		got[top] = true
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/testdata/") {
			t.Errorf("%s is sent to the builder", name)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf(
			"the builder sees %v, the binary is made of %v",
			slices.Sorted(maps.Keys(got)),
			slices.Sorted(maps.Keys(want)),
		)
	}
}

// TestReproducible: two builds, in folders of different names, the second with no compiled package to begin with,
// give the same bytes.
func TestReproducible(t *testing.T) {
	here, there := source(t), t.TempDir()
	if err := os.CopyFS(there, os.DirFS(here)); err != nil {
		t.Fatal(err)
	}
	one, two := build(t, here), build(t, there, "GOCACHE="+t.TempDir())
	if !bytes.Equal(one, two) {
		t.Errorf("two builds of the same source differ: %d and %d bytes", len(one), len(two))
	}
	out, err := exec.CommandContext(t.Context(), binary(t), "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "loggregator_exporter 1.2.3\nrevision 0f5a\n") {
		t.Errorf("it says %s, %v", out, err)
	}
}

// TestStatic: the binary asks for no interpreter and no library, so that an image needs none.
func TestStatic(t *testing.T) {
	f, err := elf.Open(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment %s", p.Type)
		}
	}
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Error(libraries, err)
	}
}
