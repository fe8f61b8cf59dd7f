package cloudfoundry

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/deploy/service"
	"loggregator_exporter/e2e/peer"
)

func folder(t *testing.T) string {
	t.Helper()
	return filepath.Join(peer.Root(t), "deploy", "cloudfoundry")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// manifest has the attributes that Cloud Foundry's API knows of an app, as far as they may stand in ours.
type manifest struct {
	Version      int `yaml:"version"`
	Applications []struct {
		Name                    string              `yaml:"name"`
		Buildpacks              []string            `yaml:"buildpacks"`
		Instances               int                 `yaml:"instances"`
		Memory                  string              `yaml:"memory"`
		DiskQuota               string              `yaml:"disk_quota"`
		HealthCheckType         string              `yaml:"health-check-type"`
		HealthCheckHTTPEndpoint string              `yaml:"health-check-http-endpoint"`
		Routes                  []map[string]string `yaml:"routes"`
		Services                []string            `yaml:"services"`
		Env                     map[string]string   `yaml:"env"`
	} `yaml:"applications"`
}

func readManifest(t *testing.T) manifest {
	t.Helper()
	var m manifest
	decoder := yaml.NewDecoder(strings.NewReader(read(t, filepath.Join(folder(t), "manifest.yml"))))
	decoder.KnownFields(true)
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	if m.Version != 1 || len(m.Applications) != 1 {
		t.Fatalf("version %d, %d applications", m.Version, len(m.Applications))
	}
	return m
}

// stage does what pushing and staging do: it uploads the folder, without what is ignored and with the binary, and
// finds the command.
func stage(t *testing.T) (droplet, command string) {
	t.Helper()
	droplet = t.TempDir()
	f, err := os.Open(filepath.Join(folder(t), ".cfignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	// The cf CLI never uploads these.
	ignored, err := patternmatcher.New(append(patterns, ".cfignore", "exporter"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	err = fs.WalkDir(os.DirFS(folder(t)), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if out, err := ignored.MatchesOrParentMatches(path); err != nil || out {
			return err
		}
		files = append(files, path)
		return os.WriteFile(filepath.Join(droplet, path), []byte(read(t, filepath.Join(folder(t), path))), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Procfile"}; !slices.Equal(files, want) {
		t.Errorf("beside the binary %v is uploaded, want %v", files, want)
	}
	if err := os.Rename(peer.Exporter(t), filepath.Join(droplet, "exporter")); err != nil {
		t.Fatal(err)
	}
	// The platform reads a Procfile as YAML.
	var processes map[string]string
	if err := yaml.Unmarshal(
		[]byte(read(t, filepath.Join(droplet, "Procfile"))),
		&processes,
	); err != nil || len(processes) != 1 ||
		processes["web"] == "" {
		t.Fatal(processes, err)
	}
	return droplet, processes["web"]
}

// instance is an instance of the app that runs.
type instance struct {
	*service.Service
	url string
}

// start starts an instance as the platform's launcher does: a shell in the app's folder, replaced by another that
// runs the command, with the platform's variables and those of the manifest.
func start(t *testing.T, droplet, command string, index int, credentials string, r *router) instance {
	t.Helper()
	_, port, err := net.SplitHostPort(peer.FreeAddress(t)) // the platform chooses it before
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"PATH":                  "/usr/local/bin:/usr/bin:/bin",
		"LANG":                  "en_US.UTF-8",
		"USER":                  "vcap",
		"HOME":                  droplet,
		"PWD":                   droplet,
		"TMPDIR":                t.TempDir(),
		"MEMORY_LIMIT":          "512m",
		"CF_INSTANCE_INDEX":     strconv.Itoa(index),
		"CF_INSTANCE_IP":        "10.0.16.17",
		"CF_INSTANCE_PORT":      "61012",
		"CF_INSTANCE_ADDR":      "10.0.16.17:61012",
		"CF_SYSTEM_CERT_PATH":   "/etc/cf-system-certificates",
		"VCAP_PLATFORM_OPTIONS": "{}",
		"VCAP_APP_HOST":         "0.0.0.0",
		"VCAP_APP_PORT":         port,
		"PORT":                  port,
		"VCAP_APPLICATION":      read(t, "testdata/vcap_application.json"),
		"VCAP_SERVICES":         strings.Replace(read(t, "testdata/vcap_services.json"), "CREDENTIALS", credentials, 1),
	}
	maps.Copy(env, readManifest(t).Applications[0].Env)
	// What is in a container and not here: the platform's authorities, and its names.
	env["SSL_CERT_DIR"] = strings.Replace(env["SSL_CERT_DIR"], env["CF_SYSTEM_CERT_PATH"], r.certs, 1)
	if !strings.Contains(env["SSL_CERT_DIR"], r.certs) {
		t.Error("the manifest does not name the platform's authorities")
	}
	env["HTTPS_PROXY"] = r.proxy.URL
	// PORT alone would open it to the network, as the platform wants and no test should: config's tests hold what PORT
	// does.
	env["LOGGREGATOR_EXPORTER_WEB_LISTEN_ADDRESS"] = "127.0.0.1:" + port
	cmd := exec.CommandContext(
		context.WithoutCancel(t.Context()),
		"bash",
		"-c",
		`cd "$0" && exec bash -c "$1"`,
		droplet,
		command,
	)
	cmd.Dir = "/"
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	s := service.Start(
		t,
		cmd,
		`msg="Listening on" address=\S*(:`+port+`)`,
		`(deterministic_name=`+strconv.Itoa(index)+` from=CF_INSTANCE_INDEX)`,
	)
	return instance{Service: s, url: "http://127.0.0.1:" + port}
}

// TestManifest: what the platform is told fits together and fits the exporter.
func TestManifest(t *testing.T) {
	app := readManifest(t).Applications[0]
	if app.HealthCheckType != "http" || !slices.Equal(app.Buildpacks, []string{"binary_buildpack"}) ||
		!slices.Contains(app.Services, app.Name) ||
		app.Instances < 2 {
		t.Errorf("%+v", app)
	}
	memory, err := strconv.Atoi(strings.TrimSuffix(app.Memory, "M"))
	if err != nil {
		t.Fatal(err)
	}
	limit, err := strconv.Atoi(strings.TrimSuffix(app.Env["GOMEMLIMIT"], "MiB"))
	if err != nil || limit != memory*9/10 {
		t.Errorf("GOMEMLIMIT is %s of %s: %v", app.Env["GOMEMLIMIT"], app.Memory, err)
	}
	for _, file := range []string{"Procfile", "manifest.yml"} {
		if bytes.Contains([]byte(read(t, filepath.Join(folder(t), file))), []byte("\r")) {
			t.Errorf("%s has line ends that a shell does not know", file)
		}
	}
}
