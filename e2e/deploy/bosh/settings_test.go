package bosh

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/config"
)

var update = flag.Bool("update", false, "write the generated parts of the jobs anew")

// left are the settings that a job does not have: those of the other job, and those that make no sense on a BOSH VM.
var left = map[string][]string{
	nozzleJob: {"nozzle.udp.", "nozzle.ingress.", "nozzle.otlp.port_file", "nozzle.replay."},
	sidecarJob: {
		"nozzle.rlp.", "nozzle.gateway.", "nozzle.firehose.", "nozzle.syslog.", "nozzle.replay.", "uaa.",
		"nozzle.shard_id", "nozzle.deterministic_name", "nozzle.idle_timeout", "nozzle.allow_overlap",
	},
}

// byContent are the settings that name a file or a secret, and the properties that hold its content. The first is
// looked for in the spec.
var byContent = map[string]string{
	"nozzle.rlp.tls.ca_file":                 "nozzle.rlp.tls.ca_cert",
	"nozzle.rlp.tls.cert_file":               "nozzle.rlp.tls.cert",
	"nozzle.rlp.tls.key_file":                "nozzle.rlp.tls.key",
	"nozzle.gateway.tls.ca_file":             "nozzle.gateway.tls.ca_cert",
	"nozzle.firehose.tls.ca_file":            "nozzle.firehose.tls.ca_cert",
	"nozzle.ingress.tls.ca_file":             "nozzle.ingress.tls.ca_cert",
	"nozzle.ingress.tls.cert_file":           "nozzle.ingress.tls.cert",
	"nozzle.ingress.tls.key_file":            "nozzle.ingress.tls.key",
	"nozzle.ingress.port_file":               "nozzle.ingress.listen_address", // a template writes the file
	"nozzle.syslog.tls.ca_file":              "nozzle.syslog.tls.ca_cert",
	"nozzle.syslog.tls.cert_file":            "nozzle.syslog.tls.cert",
	"nozzle.syslog.tls.key_file":             "nozzle.syslog.tls.key",
	"nozzle.otlp.tls.ca_file":                "nozzle.otlp.tls.ca_cert",
	"nozzle.otlp.tls.cert_file":              "nozzle.otlp.tls.cert",
	"nozzle.otlp.tls.key_file":               "nozzle.otlp.tls.key",
	"nozzle.otlp.port_file":                  "nozzle.otlp.listen_address", // a template writes the file
	"uaa.client_secret":                      "uaa.client_secret",
	"uaa.client_secret_file":                 "uaa.client_secret",
	"uaa.tls.ca_file":                        "uaa.tls.ca_cert",
	"tagger.rules_files":                     "tagger.rules",
	"remote_write.url_file":                  "remote_write.url",
	"remote_write.tls.ca_file":               "remote_write.tls.ca_cert",
	"remote_write.tls.cert_file":             "remote_write.tls.cert",
	"remote_write.tls.key_file":              "remote_write.tls.key",
	"remote_write.basic_auth.password_file":  "remote_write.basic_auth.password",
	"remote_write.bearer_token_file":         "remote_write.bearer_token",
	"remote_write.oauth2.client_secret_file": "remote_write.oauth2.client_secret",
	"remote_write.oauth2.ca_file":            "remote_write.oauth2.ca_cert",
	"web.config_file":                        "web.tls.cert",
}

// remarks are what is true of a setting only here.
var remarks = map[string]string{
	"nozzle.rlp.address":        " Without it: that of the link reverse_log_proxy.",
	"nozzle.deterministic_name": " Without it: the BOSH index of the instance.",
}

// otherDefaults are what the jobs are for.
var otherDefaults = map[string]map[string]any{
	nozzleJob: {"nozzle.rlp.enabled": true},
	sidecarJob: {
		"nozzle.ingress.enabled": true, "nozzle.udp.enabled": false, "web.listen_address": ":9287",
		"nozzle.otlp.listen_address": "127.0.0.1:4317", // the agent is on the same VM
	},
}

// The properties of the jobs are the settings, with their descriptions and defaults, and no setting is forgotten.
func TestSettings(t *testing.T) {
	release := releaseDir(t)
	for _, job := range jobNames {
		s, err := readSpec(release, job)
		if err != nil {
			t.Fatal(err)
		}
		var properties strings.Builder
		var keys []string
		for _, setting := range config.Settings() {
			if slices.ContainsFunc(left[job], func(prefix string) bool { return strings.HasPrefix(setting.Key, prefix) }) {
				continue
			}
			switch setting.Kind { //nolint:exhaustive // the rest are values
			case config.KindPath, config.KindPaths, config.KindSecret:
				if _, ok := s.Properties[byContent[setting.Key]]; !ok {
					t.Errorf("%s: no property holds the content of %s: add one to spec, templates and byContent", job, setting.Key)
				}
				continue
			}
			keys = append(keys, "    "+setting.Key+"\n")
			properties.WriteString(describe(job, &setting))
		}
		dir := filepath.Join(release, "jobs", job)
		generated(t, filepath.Join(dir, "spec"), "", properties.String())
		generated(
			t,
			filepath.Join(dir, "templates/config/exporter.yml.erb"),
			"  ]\n",
			"  settings = %w[\n"+strings.Join(keys, ""),
		)
	}
}

// generated compares what follows the line that says so, up to the line end, or writes it.
func generated(t *testing.T, file, end, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ *# Generated from the table of settings.*\n`).FindIndex(text)
	if start == nil {
		t.Fatalf("%s: the line that tells what is generated is missing", file)
	}
	head, rest := string(text[:start[1]]), string(text[start[1]:])
	tail := ""
	if end != "" {
		i := strings.Index(rest, "\n"+end)
		if i < 0 {
			t.Fatalf("%s: nothing ends what is generated", file)
		}
		rest, tail = rest[:i+1], rest[i+1:]
	}
	if rest == want {
		return
	}
	if !*update {
		t.Errorf("%s is not made of the current settings: run go test ./deploy/bosh -update", file)
		return
	}
	if err := os.WriteFile(file, []byte(head+want+tail), 0o600); err != nil {
		t.Fatal(err)
	}
}

var link = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)

// describe is the property of a setting.
func describe(job string, s *config.Setting) string {
	help := link.ReplaceAllString(s.Help, "docs/$1")
	help = strings.ReplaceAll(help, "Only in the file, for example", "For example")
	text, err := json.Marshal(help + remarks[s.Key])
	if err != nil {
		panic(err) // a string
	}
	b := "  " + s.Key + ":\n    description: " + unescape(string(text)) + "\n"
	value, other := otherDefaults[job][s.Key]
	if !other {
		value = s.Default
	}
	switch {
	case value == "" || s.DefaultText != "" && !other:
		if s.Example != "" && s.Kind <= config.KindAddress {
			b += fmt.Sprintf("    example: %q\n", s.Example)
		}
	default:
		b += "    default: " + literal(value) + "\n"
	}
	return b
}

// unescape undoes what JSON escapes for HTML's sake.
func unescape(s string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(s)
}

// literal is a value as YAML.
func literal(value any) string {
	if d, ok := value.(time.Duration); ok {
		text := d.String()
		for _, zero := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(text, zero) {
				text = strings.TrimSuffix(text, zero[1:])
			}
		}
		value = text
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain values
	}
	return strings.ReplaceAll(string(text), ",", ", ")
}
