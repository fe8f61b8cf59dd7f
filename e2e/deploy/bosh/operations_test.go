package bosh

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

// operation is a way to deploy: ops files in the order of the README.
type operation struct {
	name     string
	manifest string
	theirs   string // an ops file of cf-deployment that comes before ours, in testdata
	files    []string
	given    []string // variables with -v
	want     map[string]any
	gone     []string
	job      string // whose properties are to be rendered
}

// at is the place of the job in the manifest.
func (o *operation) at() string {
	if o.job == sidecarJob {
		return sidecar
	}
	return nozzle
}

// Each combination of ops files makes a manifest with all its variables, whose properties the job accepts.
func TestOperations(t *testing.T) {
	release, program := releaseDir(t), exporter(t)
	seen := map[string]bool{}
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			for i, file := range o.files {
				seen[file] = true
				o.files[i] = filepath.Join("operations", file)
			}
			doc, err := o.check(release)
			if err != nil {
				t.Fatal(err)
			}
			if o.job != "" {
				o.render(t, release, program, doc)
			}
			if strings.HasPrefix(o.manifest, "prometheus") {
				checkScrapes(t, doc)
			}
		})
	}
	folder := filepath.Join(release, "operations")
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if relative, _ := filepath.Rel(folder, path); err == nil && !d.IsDir() && !seen[relative] {
			t.Errorf("no test applies %s", relative)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (o *operation) check(release string) (any, error) {
	manifest := o.manifest
	if manifest == "" {
		manifest = "cf-deployment.yml"
	}
	var before []string
	if o.theirs != "" {
		before = append(before, filepath.Join("testdata", o.theirs))
	}
	doc, err := apply(release, filepath.Join("testdata", manifest), before, o.files...)
	if err != nil {
		return nil, err
	}
	if err := checkVariables(doc, o.given...); err != nil {
		return nil, err
	}
	for path, want := range o.want {
		if got, err := find(doc, path); err != nil || !reflect.DeepEqual(got, want) {
			return nil, fmt.Errorf("%s is %v (%w), want %v", path, got, err, want)
		}
	}
	for _, path := range o.gone {
		if got, err := find(doc, path); err == nil {
			return nil, fmt.Errorf("%s is still there: %v", path, got)
		}
	}
	if strings.Contains(o.name, "UDP") {
		text, err := yaml.Marshal(tight(doc))
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), "loggr-udp-forwarder") {
			return nil, errors.New("loggr-udp-forwarder still has port 3457 somewhere")
		}
	}
	return doc, nil
}

// render gives the properties of the manifest to the job's templates, with values for the variables.
func (o *operation) render(t *testing.T, release, program string, doc any) {
	t.Helper()
	a := newAuthority(t)
	properties, err := find(doc, o.at()+"/properties")
	if err != nil {
		t.Fatal(err)
	}
	s := &set{properties: fill(properties, a).(map[string]any)}
	if _, err := find(doc, o.at()+"/consumes/reverse_log_proxy"); err == nil {
		s.link = rlpLink
	}
	r, err := render(t, release, o.job, s)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := r.install(root, o.job, program); err != nil {
		t.Fatal(err)
	}
	out, err := script(t, root, o.job, "pre-start", fakeSysctl(t, 1<<30))
	if err != nil || strings.Contains(out, "warning") {
		t.Errorf("pre-start: %v\n%s", err, out)
	}
}

// fill stands in for CredHub.
func fill(value any, a *authority) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = fill(v[key], a)
		}
		return v
	case []any:
		for i := range v {
			v[i] = fill(v[i], a)
		}
		return v
	case string:
		return reference.ReplaceAllStringFunc(v, func(ref string) string {
			metron := strings.Contains(ref, "sidecar_tls") || strings.Contains(ref, "web_tls")
			server, named := a.servers()[reference.FindStringSubmatch(ref)[1]]
			switch {
			case named && strings.HasSuffix(ref, ".certificate))"):
				return server.cert
			case named && strings.HasSuffix(ref, ".private_key))"):
				return server.key
			case strings.HasSuffix(ref, ".ca))"), strings.HasSuffix(ref, "_ca.certificate))"):
				return a.ca
			case strings.HasSuffix(ref, ".certificate))") && metron:
				return a.metron
			case strings.HasSuffix(ref, ".private_key))") && metron:
				return a.metKey
			case strings.HasSuffix(ref, ".certificate))"):
				return a.cert
			case strings.HasSuffix(ref, ".private_key))"):
				return a.key
			case strings.HasSuffix(ref, "_url))"):
				return "https://mimir.example.com/api/v1/push"
			case strings.HasSuffix(ref, "_hash))"):
				return bcrypt
			default:
				return "sys.example.com"
			}
		})
	default:
		return value
	}
}

// servers are the certificates of sources that others send to, by variable.
func (a *authority) servers() map[string]pair {
	return map[string]pair{
		"loggregator_exporter_syslog_tls":       a.syslog,
		"loggregator_exporter_otlp_tls":         a.syslog,
		"loggregator_exporter_sidecar_otlp_tls": a.otel,
	}
}

// checkScrapes lets Prometheus' own tool check the scrape configurations.
func checkScrapes(t *testing.T, doc any) {
	t.Helper()
	configs, err := find(doc, scrapes)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t)
	text, err := yaml.Marshal(map[string]any{"scrape_configs": fill(configs, a)})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// The file of the targets is written by bosh_exporter.
	out, err := exec.CommandContext(t.Context(), peer.Promtool().File(t), "check", "config", "--syntax-only", file).
		CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The sidecar as a runtime config has the properties of the ops file, and says no `latest`, which a director refuses
// there.
func TestRuntimeConfig(t *testing.T) {
	release := releaseDir(t)
	text, err := os.ReadFile(filepath.Join(release, "runtime-configs/sidecar.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	doc = loose(doc)
	if err := checkVariables(doc, "loggregator_exporter_version", "loggregator_ca_name", "environment"); err != nil {
		t.Error(err)
	}
	if version, err := find(doc, "/releases/name=loggregator_exporter/version"); err != nil || version == "latest" {
		t.Errorf("version %v, %v", version, err)
	}
	other, err := apply(release, "testdata/cf-deployment.yml", nil, "operations/add-sidecar.yml")
	if err != nil {
		t.Fatal(err)
	}
	mine, err1 := find(doc, sidecar+"/properties/nozzle")
	theirs, err2 := find(other, sidecar+"/properties/nozzle")
	shown := strings.ReplaceAll(fmt.Sprint(mine), "((/", "((")
	if err1 != nil || err2 != nil || shown != fmt.Sprint(theirs) {
		t.Errorf("%v (%v)\ndiffers from\n%v (%v)", mine, err1, theirs, err2)
	}
}
