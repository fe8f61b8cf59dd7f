package bosh

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The templates of each job, for each way to configure it, become files that bpm, the forwarder agent and the
// exporter itself accept, or a message that names the property. All ways together ask for all properties of the
// spec.
func TestJobs(t *testing.T) {
	release, program, a := releaseDir(t), exporter(t), newAuthority(t)
	for job, sets := range map[string][]*set{nozzleJob: nozzleSets(a), sidecarJob: sidecarSets(a)} {
		used := map[string]bool{}
		for _, s := range sets {
			s.job = job
			t.Run(job+"/"+s.name, func(t *testing.T) {
				for _, name := range s.test(t, release, program) {
					used[name] = true
				}
			})
		}
		if err := checkSpec(release, job, used); err != nil {
			t.Error(err)
		}
		monit, err := os.ReadFile(filepath.Join(release, "jobs", job, "monit"))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkMonit(string(monit), job); err != nil {
			t.Error(err)
		}
	}
}

// test renders one set and returns the properties that were asked for.
func (s *set) test(t *testing.T, release, program string) []string {
	t.Helper()
	r, err := render(t, release, s.job, s)
	if s.wrong != "" {
		if err == nil || !strings.Contains(err.Error(), s.wrong) {
			t.Errorf("got %v, want %q", err, s.wrong)
		}
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	env, err := checkBPM(r.Files["config/bpm.yml"], s.job)
	if err != nil {
		t.Error(err)
	}
	if s.env != nil && !maps.Equal(env, s.env) {
		t.Errorf("variables %v, want %v", env, s.env)
	}
	if err := s.checkConfig(r.Files["config/exporter.yml"]); err != nil {
		t.Error(err)
	}
	s.checkSecrets(t, r)
	root := t.TempDir()
	if err := r.install(root, s.job, program); err != nil {
		t.Fatal(err)
	}
	port := filepath.Join(root, "var/vcap/jobs", s.job, "config/ingress_port.yml")
	out, err := script(t, root, s.job, "pre-start", fakeSysctl(t, 1<<30))
	switch {
	case s.refused != "":
		if err == nil || !strings.Contains(out, s.refused) {
			t.Errorf("pre-start: %v, want %q in\n%s", err, s.refused, out)
		}
	case err != nil:
		t.Errorf("pre-start: %v\n%s", err, out)
	case !strings.Contains(out, "\nsources: "+s.sources+"\n"), strings.Contains(out, "warning"):
		t.Errorf("pre-start says\n%s\nwant sources %s and no warning", out, s.sources)
	}
	if s.job == sidecarJob && s.refused == "" {
		s.checkPort(t, port)
	}
	return r.Used
}

// checkPort asserts that the agent finds the port where, and only where, the exporter listens for it.
func (s *set) checkPort(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if s.port == "" {
		if !os.IsNotExist(err) {
			t.Errorf("%s exists: the agent would dial a port where nobody listens", filepath.Base(file))
		}
		return
	}
	// As the agent reads it.
	var content struct {
		Ingress  string `yaml:"ingress"`
		Protocol string `yaml:"protocol"`
	}
	if err != nil || strictly(text, &content) != nil || content.Ingress != s.port || content.Protocol != s.protocol {
		t.Errorf("%s: %v, want port %s and protocol %q\n%s", filepath.Base(file), err, s.port, s.protocol, text)
	}
}

// checkConfig compares keys of exporter.yml with what is wanted.
func (s *set) checkConfig(text string) error {
	var config map[string]any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return fmt.Errorf("exporter.yml: %w\n%s", err, text)
	}
	if strings.ContainsAny(text, "&*") && s.name != "filters and labels" {
		return fmt.Errorf("exporter.yml has an anchor or an alias, which the exporter does not take:\n%s", text)
	}
	for key, want := range s.config {
		var got any = config
		for name := range strings.SplitSeq(key, ".") {
			section, _ := got.(map[string]any)
			got = section[name]
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("exporter.yml: %s is %#v, want %#v", key, got, want)
		}
	}
	return nil
}

// checkSecrets asserts that secrets stand in files of their own only: exporter.yml is what people show each other.
func (s *set) checkSecrets(t *testing.T, r *rendered) {
	t.Helper()
	for file, text := range r.Files {
		if strings.HasPrefix(file, "config/secrets/") || strings.HasPrefix(file, "config/certs/") {
			continue
		}
		for _, secret := range []string{"s3cret", "t0ken", "PRIVATE KEY"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", file, secret)
			}
		}
	}
}

// The parts that both jobs have are the same but for the job's name.
func TestJobsAgree(t *testing.T) {
	release := releaseDir(t)
	specs := map[string]*spec{}
	for _, job := range jobNames {
		s, err := readSpec(release, job)
		if err != nil {
			t.Fatal(err)
		}
		specs[job] = s
	}
	text := func(job, template string) string {
		b, err := os.ReadFile(filepath.Join(release, "jobs", job, "templates", template))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(strings.ReplaceAll(string(b), "jobs/"+job, "jobs/JOB"), `job = "`+job+`"`, `job = "JOB"`)
	}
	const rest = "  # The rest is the same in both jobs.\n"
	for template := range specs[sidecarJob].Templates {
		if _, both := specs[nozzleJob].Templates[template]; !both || template == "bin/pre-start.erb" {
			continue
		}
		nozzle, sidecar := text(nozzleJob, template), text(sidecarJob, template)
		if template == "config/exporter.yml.erb" {
			_, nozzle, _ = strings.Cut(nozzle, rest)
			_, sidecar, _ = strings.Cut(sidecar, rest)
		}
		if nozzle == "" || nozzle != sidecar {
			t.Errorf("%s differs between the jobs", template)
		}
	}
	for name, p := range specs[sidecarJob].Properties {
		other, both := specs[nozzleJob].Properties[name]
		if !both || name == "bpm.limits.memory" || otherDefaults[sidecarJob][name] != nil {
			continue
		}
		mine, _ := json.Marshal(p)
		theirs, _ := json.Marshal(other)
		if string(mine) != string(theirs) {
			t.Errorf("property %s differs between the jobs:\n%s\n%s", name, mine, theirs)
		}
	}
}
