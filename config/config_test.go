package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the expected messages and the documentation anew")

// load reads a configuration as a command does.
func load(t *testing.T, args ...string) (*Config, []string, error) {
	t.Helper()
	cfg, warnings, err := loadWithOrigins(t, args...)
	cfg.Origins = nil
	return cfg, warnings, err
}

// loadWithOrigins is load for tests of where values come from.
func loadWithOrigins(t *testing.T, args ...string) (*Config, []string, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(flags)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBad asserts the exact messages for each kind of mistake. An archive holds the files, variables (env) and
// flags of one configuration, and what is said about it (want).
func TestBad(t *testing.T) {
	names, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			path, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			var args []string
			var want string
			for _, f := range archive.Files {
				lines := strings.Split(strings.TrimSpace(string(f.Data)), "\n")
				switch f.Name {
				case "want":
					want = string(f.Data)
				case "flags":
					args = append(args, lines...)
				case "env":
					for _, l := range lines {
						k, v, _ := strings.Cut(l, "=")
						t.Setenv(k, v)
					}
				default:
					writeFile(t, f.Name, string(f.Data))
				}
			}
			if _, err := os.Stat("config.yml"); err == nil {
				args = append(args, "--config=config.yml")
			}
			cfg, _, err := load(t, args...)
			if err == nil || cfg == nil {
				t.Fatalf("accepted, or nothing left to check: %+v", cfg)
			}
			got := err.Error() + "\n"
			if *update {
				archive.Files = append(slices.Clip(archive.Files), txtar.File{Name: "want", Data: []byte(got)})
				if want != "" {
					archive.Files = append(archive.Files[:len(archive.Files)-2], archive.Files[len(archive.Files)-1])
				}
				writeFile(t, path, string(txtar.Format(archive)))
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingConfigured(t *testing.T) {
	cfg, warnings, err := load(t)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	if diff := cmp.Diff(Default(), cfg); diff != "" {
		t.Errorf("not the default (-want +got):\n%s", diff)
	}
	if !cfg.Nozzle.UDP.Enabled || cfg.Web.ListenAddress != ":9286" || cfg.Metrics.Expiration != 10*time.Minute {
		t.Errorf("unexpected defaults: %+v", cfg)
	}
}

func TestPrecedence(t *testing.T) {
	const key, env, arg = "metrics:\n  expiration: 1m\n", "LOGGREGATOR_EXPORTER_METRICS_EXPIRATION",
		"--metrics.expiration=3m"
	for _, tc := range []struct {
		name      string
		file      string
		env       string
		args      []string
		want      time.Duration
		namespace string
	}{
		{name: "default", want: 10 * time.Minute},
		{name: "file", file: key, want: time.Minute},
		{name: "environment without a file", env: "2m", want: 2 * time.Minute},
		{name: "environment over file", file: key, env: "2m", want: 2 * time.Minute},
		{name: "empty environment", file: key, env: "", want: time.Minute},
		{name: "flag over all", file: key, env: "2m", args: []string{arg}, want: 3 * time.Minute},
		{
			name: "flag with the default's value", file: key, args: []string{"--metrics.expiration=10m"},
			want: 10 * time.Minute,
		},
		{name: "days", args: []string{"--metrics.expiration=1d"}, want: 24 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(env, tc.env)
			args := tc.args
			if tc.file != "" {
				path := filepath.Join(t.TempDir(), "c.yml")
				writeFile(t, path, tc.file)
				t.Setenv("LOGGREGATOR_EXPORTER_CONFIG", path)
			}
			cfg, _, err := load(t, args...)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Metrics.Expiration != tc.want {
				t.Errorf("expiration %v, want %v", cfg.Metrics.Expiration, tc.want)
			}
		})
	}
}

// TestEveryFlagAndVariable sets each setting to its example in both ways and in the file, and expects the same.
func TestEveryFlagAndVariable(t *testing.T) {
	var quiet []string // says of each part whether it is on, so that none of its settings is without effect unnoticed
	for _, s := range Settings() {
		if strings.HasSuffix(s.Key, ".enabled") {
			quiet = append(quiet, fmt.Sprintf("--%s=%t", s.Flag(), s.Key == "nozzle.udp.enabled"))
		}
	}
	for _, s := range Settings() {
		if !s.Kind.inFlags() || s.Kind == KindPath || s.Kind == KindPaths || strings.HasSuffix(s.Key, ".enabled") {
			continue
		}
		t.Run(s.Key, func(t *testing.T) {
			byFlag, _, err := load(t, append(quiet, "--"+s.Flag()+"="+s.Example)...)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv(s.Env(), s.Example)
			byEnv, _, err := load(t, quiet...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(byFlag, byEnv); diff != "" {
				t.Errorf("flag and variable differ:\n%s", diff)
			}
		})
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, "etc/rules.yml", "")
	writeFile(t, "etc/exporter.yml", `
nozzle:
  shard_id: other
  selectors: [gauge]
tagger:
  rules_files: [rules.yml]
metrics:
  environment:   # no value: as if it were not there
  namespace: ""
  labels:
    add: [{name: Region, value: EU}]
    drop: [instance_id]
    rename: [{from: app_id, to: AppID}]
  http: {buckets: [1, 2.5], labels: [method]}
web:
log: {level: debug, format: json}
`)
	cfg, warnings, err := load(t, "-c", "etc/exporter.yml")
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	want := Default()
	want.File = "etc/exporter.yml"
	want.Nozzle.Stream.ShardID, want.Nozzle.Stream.Selectors = "other", []string{"gauge"}
	want.Tagger.RulesFiles = []string{"etc/rules.yml"}
	want.Metrics.Namespace = ""
	want.Metrics.Labels = Labels{
		Add: []AddLabel{{"Region", "EU"}}, Drop: []string{"instance_id"},
		Rename: []RenameLabel{{"app_id", "AppID"}},
	}
	want.Metrics.HTTP.Buckets, want.Metrics.HTTP.Labels = []float64{1, 2.5}, []string{"method"}
	want.Log = Log{Level: "debug", Format: "json"}
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListFlags(t *testing.T) {
	cfg, _, err := load(t, "--nozzle.selectors", "gauge, counter", "--nozzle.selectors=timer",
		"--metrics.http.buckets=1,2", "--web.enable_pprof")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"gauge", "counter", "timer"}, cfg.Nozzle.Stream.Selectors); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{1, 2}, cfg.Metrics.HTTP.Buckets); diff != "" {
		t.Error(diff)
	}
	if !cfg.Web.EnablePprof {
		t.Error("a boolean flag without a value is not true")
	}
}

// TestSources: udp is on only where nothing else was chosen, or where it is asked for.
func TestSources(t *testing.T) {
	cert, key := certificate(t)
	rlp := []string{
		"--nozzle.rlp.enabled", "--nozzle.rlp.address=rlp:8082", "--nozzle.rlp.tls.ca_file=" + cert,
		"--nozzle.rlp.tls.cert_file=" + cert, "--nozzle.rlp.tls.key_file=" + key,
	}
	for _, tc := range []struct {
		name     string
		args     []string
		rlp, udp bool
	}{
		{"nothing", nil, false, true},
		{"rlp off", []string{"--nozzle.rlp.enabled=false"}, false, true},
		{"rlp off but configured", []string{"--nozzle.rlp.enabled=false", "--nozzle.rlp.address=rlp:8082"}, false, true},
		{"rlp", rlp, true, false},
		{"both", append(slices.Clip(rlp), "--nozzle.udp.enabled"), true, true},
		{"ingress", []string{
			"--nozzle.ingress.enabled", "--nozzle.ingress.tls.ca_file=" + cert, "--nozzle.ingress.tls.cert_file=" + cert,
			"--nozzle.ingress.tls.key_file=" + key,
		}, false, false},
		{"replay", []string{"--nozzle.replay.enabled", "--nozzle.replay.file=-"}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, _, err := load(t, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Nozzle.RLP.Enabled != tc.rlp || cfg.Nozzle.UDP.Enabled != tc.udp {
				t.Errorf("rlp %v, udp %v", cfg.Nozzle.RLP.Enabled, cfg.Nozzle.UDP.Enabled)
			}
		})
	}
}

// certificate writes a certificate that signed itself, and its key.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyBytes, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyBytes})))
	return certFile, keyFile
}

// TestLoadSections: for a probe only the web settings count.
func TestLoadSections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yml")
	for _, tc := range []struct{ name, text, address, problem string }{
		{"good", "web: {listen_address: ':1'}", ":1", ""},
		{"broken elsewhere", "web: {listen_address: ':1'}\nmetrics: {expiration: x}\nlgo: {}", ":1", ""},
		{"no YAML", "web: {listen_address: ]}", "", path + ":1:23: not valid YAML: while parsing a flow node: did not find " +
			"expected node content"},
		{"wrong value", "web: {listen_address: x}", "", path + ":1: web.listen_address: \"x\" is not host:port, for " +
			"example :9286"},
		{"wrong type", "web: {listen_address: [1]}", "", path + ":1: web.listen_address: a list is not a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			writeFile(t, path, tc.text)
			flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
			AddFlags(flags)
			if err := flags.Parse([]string{"-c", path}); err != nil {
				t.Fatal(err)
			}
			cfg, err := LoadSections(flags, "web")
			if tc.problem != "" {
				if err == nil || err.Error() != tc.problem {
					t.Errorf("got  %v\nwant %s", err, tc.problem)
				}
				return
			}
			if err != nil || cfg.Web.ListenAddress != tc.address {
				t.Error(cfg, err)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Setenv("LOGGREGATOR_EXPORTER_PORT_9286_TCP", "tcp://10.0.0.1:9286")
	t.Setenv("LOGGREGATOR_EXPORTER_LOG_LEVL", "debug")
	_, warnings, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"variable LOGGREGATOR_EXPORTER_LOG_LEVL is no setting and is ignored: did you mean LOGGREGATOR_EXPORTER_LOG_LEVEL?",
		"variable LOGGREGATOR_EXPORTER_PORT_9286_TCP is no setting and is ignored",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
	path := filepath.Join(t.TempDir(), "c.yml")
	writeFile(t, path, "metrics: {labels: {add: [{name: job, value: x}]}}")
	_, warnings, err = load(t, "--config", path)
	if err != nil || len(warnings) != 3 {
		t.Fatal(warnings, err)
	}
	if got, want := warnings[2], path+":1: metrics.labels.add[0].name: Prometheus sets the label job itself and will "+
		"rename this one to exported_job"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for arg, want := range map[string]string{
		"--metrics.compatibility_mode=alone": "--metrics.compatibility_mode: has no effect, since " +
			"metrics.compatibility is none: set it to firehose_exporter",
		"--metrics.compatibility=firehose_exporter": "metrics.environment: is not set: firehose_exporter always has the " +
			"label environment, and its dashboards choose by it",
	} {
		if _, warnings, err = load(t, arg); err != nil || len(warnings) != 3 || warnings[2] != want {
			t.Errorf("%s: %q, %v", arg, warnings, err)
		}
	}
}

// TestOverlapWarnings: what counts twice is said for each of a VM's own sources; several foundations are allowed on
// demand.
func TestOverlapWarnings(t *testing.T) {
	both := []string{
		"--nozzle.gateway.enabled", "--nozzle.gateway.url=https://log-stream.sys.example.com", "--nozzle.udp.enabled",
		"--uaa.url=https://uaa.sys.example.com", "--uaa.client_id=exporter", "--uaa.client_secret=secret",
	}
	cfg, warnings, err := load(t, both...)
	if err != nil || cfg.UAA.ClientSecret != "secret" {
		t.Fatal(err)
	}
	want := []string{"--nozzle.udp.enabled: envelopes of this VM may come by nozzle.gateway as well, and their " +
		"requests and deltas then count twice; " +
		"enable both only where the VM's agent does not forward them"}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
	cfg, _, err = load(t, append(both, "--nozzle.firehose.enabled",
		"--nozzle.firehose.url=wss://doppler.sys.example.com", "--nozzle.allow_overlap")...)
	if err != nil || !cfg.Nozzle.Firehose.Enabled || !cfg.Nozzle.Gateway.Enabled {
		t.Error(err)
	}
}

// TestTableAndStructAgree: no field without a setting, and (in decode) no setting without a field.
func TestTableAndStructAgree(t *testing.T) {
	var cfg Config
	var meta mapstructure.Metadata
	defaults := map[string]any{}
	for _, s := range Settings() {
		defaults[s.Key] = s.Default
	}
	if err := mapstructure.DecodeMetadata(nest(defaults), &cfg, &meta); err != nil {
		t.Fatal(err)
	}
	for _, field := range meta.Unset {
		if field != "-" && !strings.HasSuffix(field, ".-") { // fields that no setting is meant to fill
			t.Errorf("%s has no setting", field)
		}
	}
}

// TestFlagTexts: what is Markdown in the documentation is plain text in a terminal, and no word of it passes for
// the name of the value.
func TestFlagTexts(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		if strings.Contains(f.Usage, "](") || IsSetting(f) && strings.Contains(f.Usage, "`") {
			t.Errorf("--%s: %s", f.Name, f.Usage)
		}
		if IsSetting(f) != (f.Name != configFlag) {
			t.Errorf("--%s: is a setting: %v", f.Name, IsSetting(f))
		}
	})
	if got := flags.Lookup("nozzle.deterministic_name").Usage; !strings.Contains(got, "see docs/sharding.md.") {
		t.Error(got)
	}
}
