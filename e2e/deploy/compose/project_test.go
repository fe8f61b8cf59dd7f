package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/deploy/readme"
	"loggregator_exporter/e2e/peer"
)

func folder(t *testing.T) string {
	t.Helper()
	return filepath.Join(peer.Root(t), "deploy", "compose")
}

// load reads the project as Compose does: against the specification's schema, merged, with variables replaced and
// paths made absolute.
func load(t *testing.T, env []string, files ...string) *types.Project {
	t.Helper()
	for i, f := range files {
		files[i] = filepath.Join(folder(t), f)
	}
	options, err := cli.NewProjectOptions(
		files,
		cli.WithEnv(env),
		cli.WithInterpolation(true),
		cli.WithResolvedPaths(true),
	)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestProject: the project is as the specification wants it, everything that is mounted is there, and no service can
// do more than it must.
func TestProject(t *testing.T) {
	project := load(t, nil, "compose.yaml")
	if got := project.ServiceNames(); !slices.Equal(got, []string{"exporter", "grafana", "prometheus"}) {
		t.Fatal(got)
	}
	for name, s := range project.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
			!slices.Contains(s.SecurityOpt, "no-new-privileges:true") ||
			s.Privileged ||
			s.Restart != "unless-stopped" {
			t.Errorf("%s is not hardened", name)
		}
		if _, tag, ok := strings.Cut(strings.TrimPrefix(s.Image, "docker.io/"), ":"); !ok || tag == "latest" {
			t.Errorf("%s: %s names no version", name, s.Image)
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to all", name, p.Published)
			}
		}
		mounts(t, project, &s)
		if name != "exporter" && (s.HealthCheck == nil || len(s.HealthCheck.Test) < 2) {
			t.Errorf("%s has no health check", name)
		}
	}
	build := project.Services["exporter"].Build
	if _, err := os.Stat(filepath.Join(build.Context, build.Dockerfile)); err != nil ||
		filepath.Clean(build.Context) != peer.Root(t) {
		t.Errorf("the exporter is built from %s by %s: %v", build.Context, build.Dockerfile, err)
	}
	if image := project.Services["prometheus"].Image; "prometheus-v0.3"+strings.TrimSuffix(
		strings.TrimPrefix(image, "docker.io/prom/prometheus:v3."),
		".0",
	)+".0" != filepath.Base(peer.Prometheus().File(t)) {
		t.Errorf("the tests run another Prometheus than %s", image)
	}
}

func mounts(t *testing.T, project *types.Project, s *types.ServiceConfig) {
	t.Helper()
	for _, v := range s.Volumes {
		switch v.Type {
		case types.VolumeTypeBind:
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
				t.Errorf("%s: %s: writable, or %v", s.Name, v.Source, err)
			}
		case types.VolumeTypeVolume:
			if _, ok := project.Volumes[v.Source]; !ok {
				t.Errorf("%s: no volume %s", s.Name, v.Source)
			}
		default:
			t.Errorf("%s: a mount of the type %s", s.Name, v.Type)
		}
	}
}

// TestFoundation: the second file turns the demo into a real exporter, whose health check finds the same
// configuration.
func TestFoundation(t *testing.T) {
	dir := t.TempDir()
	s := load(t, []string{"EXPORTER_CONFIG_DIR=" + dir}, "compose.yaml", "compose.foundation.yaml").Services["exporter"]
	if !slices.Equal(s.Command, []string{"run"}) || !s.ReadOnly || len(s.Volumes) != 1 || s.Volumes[0].Source != dir ||
		!s.Volumes[0].ReadOnly {
		t.Errorf("%+v", s)
	}
	if file := s.Environment["LOGGREGATOR_EXPORTER_CONFIG"]; file == nil ||
		!strings.HasPrefix(*file, s.Volumes[0].Target+"/") {
		t.Errorf("the configuration is not in %s", s.Volumes[0].Target)
	}
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(folder(t), "compose.yaml"), filepath.Join(folder(t), "compose.foundation.yaml")},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := options.LoadProject(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "name the folder with exporter.yml") {
		t.Errorf("without a folder: %v", err)
	}
}

// decode reads a file and refuses keys that Grafana would ignore.
func decode(t *testing.T, file string, into any) {
	t.Helper()
	f, err := os.Open(filepath.Join(folder(t), "grafana", "provisioning", file))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	decoder := yaml.NewDecoder(f)
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

// TestProvisioning: Grafana finds Prometheus by the name of its service, and the dashboards where they are mounted.
func TestProvisioning(t *testing.T) {
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool           `yaml:"isDefault"`
			JSONData                     map[string]any `yaml:"jsonData"`
		}
	}
	decode(t, "datasources/prometheus.yml", &sources)
	if s := sources.Datasources; sources.APIVersion != 1 || len(s) != 1 || s[0].URL != "http://prometheus:9090" ||
		s[0].Type != "prometheus" ||
		!s[0].IsDefault {
		t.Errorf("%+v", sources)
	}
	var dashboards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type string
			AllowUIUpdates     bool `yaml:"allowUiUpdates"`
			DisableDeletion    bool `yaml:"disableDeletion"`
			Options            struct{ Path string }
		}
	}
	decode(t, "dashboards/dashboards.yml", &dashboards)
	if dashboards.APIVersion != 1 || len(dashboards.Providers) != 1 || dashboards.Providers[0].Type != "file" {
		t.Fatalf("%+v", dashboards)
	}
	grafana := load(t, nil, "compose.yaml").Services["grafana"]
	at := slices.IndexFunc(
		grafana.Volumes,
		func(v types.ServiceVolumeConfig) bool { return v.Target == dashboards.Providers[0].Options.Path },
	)
	if at < 0 {
		t.Fatalf("nothing is mounted at %s", dashboards.Providers[0].Options.Path)
	}
	home := grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if _, err := os.Stat(
		filepath.Join(grafana.Volumes[at].Source, filepath.Base(*home)),
	); err != nil ||
		filepath.Dir(*home) != grafana.Volumes[at].Target {
		t.Errorf("the home page is %s: %v", *home, err)
	}
}

// TestReadme: all commands need an engine; TestScrape does what they do without one.
func TestReadme(t *testing.T) {
	const compose = "docker compose -f deploy/compose/compose.yaml "
	readme.Commands(t, filepath.Join(folder(t), "README.md"), "sh", map[string]bool{
		compose + "up -d --build --wait": false,
		"curl -s 'localhost:9090/api/v1/query?query=count(cf_num_bytes_allocated)by(component)'":                                      false, // TestScrape asks it
		"EXPORTER_CONFIG_DIR=/etc/loggregator_exporter " + compose + "-f deploy/compose/compose.foundation.yaml up -d --build --wait": false,
		compose + "down": false,
	})
}
