package bosh

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

// spec is what a job's spec file may hold.
type spec struct {
	Name        string              `yaml:"name"`
	Description string              `yaml:"description"`
	Templates   map[string]string   `yaml:"templates"`
	Packages    []string            `yaml:"packages"`
	Consumes    []consumed          `yaml:"consumes"`
	Provides    []provided          `yaml:"provides"`
	Properties  map[string]property `yaml:"properties"`
}

type consumed struct {
	Name     string `yaml:"name"`
	Type     string `yaml:"type"`
	Optional bool   `yaml:"optional"`
}

type provided struct {
	Name       string   `yaml:"name"`
	Type       string   `yaml:"type"`
	Properties []string `yaml:"properties"`
}

type property struct {
	Description string `yaml:"description"`
	Default     any    `yaml:"default"`
	Example     any    `yaml:"example"`
}

// jobNames are the jobs of the release.
var jobNames = []string{nozzleJob, sidecarJob}

const (
	nozzleJob  = "loggregator_exporter"
	sidecarJob = "loggregator_exporter_sidecar"
)

// shared holds the exporter, which is built once for all tests of the package.
var shared struct {
	dir   string
	build sync.Once
}

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "exporter-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared.dir = dir
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// exporter is the program's file.
func exporter(t *testing.T) string {
	t.Helper()
	file := filepath.Join(shared.dir, "exporter")
	shared.build.Do(func() {
		if out, err := exec.CommandContext(t.Context(), "cp", peer.Exporter(t), file).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
	return file
}

// releaseDir is the release in the tree.
func releaseDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(peer.Root(t), "deploy", "bosh")
}

// strictly decodes YAML in which nothing unknown and nothing twice may stand.
func strictly(text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return d.Decode(into)
}

func readSpec(release, job string) (*spec, error) {
	file := filepath.Join(release, "jobs", job, "spec")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &spec{}
	if err := strictly(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// checkSpec compares a spec with the files beside it and with what all renderings together asked for.
func checkSpec(release, job string, used map[string]bool) error {
	s, err := readSpec(release, job)
	if err != nil {
		return err
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(job+": "+format, args...)) }
	if s.Name != job || s.Description == "" {
		wrong("name %q, description %q", s.Name, s.Description)
	}
	for name, p := range s.Properties {
		if p.Description == "" {
			wrong("property %s has no description", name)
		}
		if !used[name] {
			wrong("no template asks for property %s", name)
		}
	}
	for _, link := range s.Provides {
		for _, name := range link.Properties {
			if _, ok := s.Properties[name]; !ok {
				wrong("link %s provides %s, which is no property", link.Name, name)
			}
		}
	}
	for _, pkg := range s.Packages {
		if _, err := os.Stat(filepath.Join(release, "packages", pkg, "spec")); err != nil {
			wrong("package %s: %w", pkg, err)
		}
	}
	destinations := map[string]string{}
	for source, destination := range s.Templates {
		if other, ok := destinations[destination]; ok {
			wrong("%s and %s are both rendered to %s", source, other, destination)
		}
		destinations[destination] = source
	}
	templates := filepath.Join(release, "jobs", job, "templates")
	err = filepath.WalkDir(templates, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		relative, _ := filepath.Rel(templates, path)
		if s.Templates[relative] == "" {
			wrong("template %s is not in the spec", relative)
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// bpmFile is what a bpm.yml may hold: https://bosh.io/docs/bpm/config/.
type bpmFile struct {
	Processes []struct {
		Name              string               `yaml:"name"`
		Executable        string               `yaml:"executable"`
		Args              []string             `yaml:"args"`
		Env               map[string]yaml.Node `yaml:"env"`
		Workdir           string               `yaml:"workdir"`
		Hooks             map[string]string    `yaml:"hooks"`
		Capabilities      []string             `yaml:"capabilities"`
		EphemeralDisk     bool                 `yaml:"ephemeral_disk"`
		PersistentDisk    bool                 `yaml:"persistent_disk"`
		AdditionalVolumes []any                `yaml:"additional_volumes"`
		ShutdownSignal    string               `yaml:"shutdown_signal"`
		Unsafe            map[string]any       `yaml:"unsafe"`
		Limits            struct {
			Memory    string `yaml:"memory"`
			OpenFiles uint64 `yaml:"open_files"`
			Processes int64  `yaml:"processes"`
		} `yaml:"limits"`
	} `yaml:"processes"`
}

// checkBPM holds a bpm.yml against what bpm knows, and against what the job is to be run with.
func checkBPM(text, job string) (env map[string]string, err error) {
	var file bpmFile
	if err := strictly([]byte(text), &file); err != nil {
		return nil, fmt.Errorf("bpm.yml: %w", err)
	}
	if len(file.Processes) != 1 {
		return nil, fmt.Errorf("bpm.yml: %d processes", len(file.Processes))
	}
	p := file.Processes[0]
	if p.Name != job || p.Executable != "/var/vcap/packages/loggregator_exporter/bin/exporter" {
		return nil, fmt.Errorf("bpm.yml: process %s, executable %s", p.Name, p.Executable)
	}
	if want := []string{
		"run",
		"--config",
		"/var/vcap/jobs/" + job + "/config/exporter.yml",
	}; !slices.Equal(
		p.Args,
		want,
	) {
		return nil, fmt.Errorf("bpm.yml: arguments %q", p.Args)
	}
	if !regexp.MustCompile(`^[1-9]\d*[MG]$`).MatchString(p.Limits.Memory) || p.Limits.OpenFiles < 1024 {
		return nil, fmt.Errorf("bpm.yml: limits %+v", p.Limits)
	}
	if p.Unsafe != nil || p.Capabilities != nil || p.PersistentDisk || p.EphemeralDisk {
		return nil, errors.New("bpm.yml: the exporter needs no rights and no disk")
	}
	env = map[string]string{}
	for name, value := range p.Env {
		if value.Tag != "!!str" {
			return nil, fmt.Errorf("bpm.yml: variable %s is a %s, but must be a string", name, value.Tag)
		}
		env[name] = value.Value
	}
	return env, nil
}

// checkMonit holds a monit file against the one form that bpm documents. prometheus-boshrelease finds VMs by the
// name of the process.
func checkMonit(text, job string) error {
	j := regexp.QuoteMeta(job)
	form := regexp.MustCompile(`^check process ` + j + `
  with pidfile /var/vcap/sys/run/bpm/` + j + `/` + j + `\.pid
  start program "/var/vcap/jobs/bpm/bin/bpm start ` + j + `"
    with timeout [1-9]\d* seconds
  stop program "/var/vcap/jobs/bpm/bin/bpm stop ` + j + `"
    with timeout [1-9]\d* seconds
  group vcap
$`)
	if !form.MatchString(text) {
		return fmt.Errorf("monit: not of the form that bpm wants:\n%s", text)
	}
	return nil
}

// rendered is a job after its templates have run.
type rendered struct {
	Files map[string]string `json:"files"` // by destination
	Used  []string          `json:"used"`
}

// render runs the templates of a job, with the BOSH index 2.
func render(t *testing.T, release, job string, s *set) (*rendered, error) {
	t.Helper()
	ruby, err := exec.LookPath("ruby")
	if err != nil {
		t.Fatal("ruby is needed to render the templates: apt-get install ruby")
	}
	links := map[string]any{}
	if s.link != nil {
		links["reverse_log_proxy"] = s.link
	}
	input, err := json.Marshal(map[string]any{
		"job": filepath.Join(release, "jobs", job), "properties": s.properties, "links": links,
		"instance": map[string]any{
			"index":      2,
			"id":         "6d9f1b6c-0a5b-4c0f-8d2e-1f2a3b4c5d6e",
			"az":         "z1",
			"ip":         "10.0.16.9",
			"deployment": "cf",
			"bootstrap":  false,
			"address":    "q-m2n3s0.q-g12.bosh",
			"name":       "loggregator-exporter",
			"job":        map[string]any{"name": "loggregator-exporter"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), ruby, "testdata/render.rb")
	cmd.Stdin = bytes.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	r := &rendered{}
	return r, json.Unmarshal(stdout.Bytes(), r)
}

// install writes a rendered job below root, as the agent does below /, with the exporter as its package.
func (r *rendered) install(root, job, program string) error {
	for destination, text := range r.Files {
		file := filepath.Join(root, "var/vcap/jobs", job, destination)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			return err
		}
		text = strings.ReplaceAll(text, "/var/vcap/", root+"/var/vcap/")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	bin := filepath.Join(root, "var/vcap/packages/loggregator_exporter/bin")
	if err := os.MkdirAll(bin, 0o750); err != nil {
		return err
	}
	return os.Symlink(program, filepath.Join(bin, "exporter"))
}

// script runs one of the installed job's scripts, with folders that come first in PATH.
func script(t *testing.T, root, job, name string, path ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(root, "var/vcap/jobs", job, "bin", name))
	cmd.Env = append(os.Environ(), "PATH="+strings.Join(append(path, os.Getenv("PATH")), ":"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
