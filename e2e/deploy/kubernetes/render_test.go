package kubernetes

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

var update = flag.Bool("update", false, "write what is made from elsewhere anew: the chart's copies, its schema, the manifests")

// release and namespace are those of the manifests.
const (
	release   = "loggregator-exporter"
	namespace = "cf-metrics"
)

// object is a manifest.
type object map[string]any

func (o object) kind() string { return o.text("kind") }

// get follows keys, and positions of lists; nil where there is nothing.
func (o object) get(path ...any) any {
	var v any = map[string]any(o)
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (o object) text(path ...any) string {
	s, _ := o.get(path...).(string)
	return s
}

func (o object) list(path ...any) []object {
	l, _ := o.get(path...).([]any)
	var objects []object
	for _, e := range l {
		if m, ok := e.(map[string]any); ok {
			objects = append(objects, m)
		}
	}
	return objects
}

func folder(t *testing.T, elements ...string) string {
	t.Helper()
	return filepath.Join(append([]string{peer.Root(t), "deploy", "kubernetes"}, elements...)...)
}

func chart(t *testing.T) string {
	t.Helper()
	return folder(t, "chart", "loggregator-exporter")
}

// run runs a program with an input, and returns what it says to both ends.
func run(t *testing.T, input []byte, file string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), file, args...)
	cmd.Stdin = bytes.NewReader(input)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

// render renders the chart, hooks included.
func render(t *testing.T, args ...string) []byte {
	t.Helper()
	args = append([]string{"template", release, chart(t), "--namespace", namespace}, args...)
	out, complaint, err := run(t, nil, peer.Helm().File(t), args...)
	if err != nil || complaint != "" {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, complaint)
	}
	return []byte(out)
}

// parse takes manifests apart.
func parse(t *testing.T, text []byte) []object {
	t.Helper()
	var all []object
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o map[string]any
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if o != nil {
			all = append(all, o)
		}
	}
}

// find returns the object of a kind whose name ends so.
func find(t *testing.T, objects []object, kind, suffix string) object {
	t.Helper()
	for _, o := range objects {
		if o.kind() == kind && strings.HasSuffix(o.text("metadata", "name"), suffix) {
			return o
		}
	}
	t.Fatalf("no %s *%s", kind, suffix)
	return nil
}

// kinds are the kinds of objects, each once.
func kinds(objects []object) []string {
	var all []string
	for _, o := range objects {
		all = append(all, o.kind())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// values are the files of values that the chart is rendered with: those that operators start from, and those that
// tests need.
func values(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{folder(t, "values", "*.yaml"), filepath.Join("testdata", "*.yaml")} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range found {
			files[strings.TrimSuffix(filepath.Base(file), ".yaml")] = file
		}
	}
	return files
}

// same compares a file with what it is made from; -update writes it.
func same(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not what it is made from (%v): run `go test ./deploy/kubernetes -run 'Copies|Schema|Manifests' -update` in e2e", file, err)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func text(v any) string { return fmt.Sprint(v) }
