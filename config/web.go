package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v4"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/check"
)

// consolePages are the paths of the console's pages, and of what they load.
var consolePages = []string{"names", "explain", "rules", "cardinality", "config", "docs", "assets"}

func (w *Web) check(s check.Section) {
	s.Address("listen_address", w.ListenAddress, 0)
	if w.ProbeAddress != "" {
		s.Address("probe_address", w.ProbeAddress, 0)
		s.That(w.ProbeAddress != w.ListenAddress || strings.HasSuffix(w.ProbeAddress, ":0"), "probe_address",
			"%s is web.listen_address: choose another port, or set web.probe_without_auth", check.Quote(w.ProbeAddress))
	}
	const name = "telemetry_path"
	p := w.TelemetryPath
	good := strings.HasPrefix(p, "/") && p != "/" && path.Clean(p) == p && !strings.ContainsAny(p, "?#{}% \"<>&")
	if s.That(good, name, "%s is not a path for metrics: use / and a name without special characters, as in /metrics",
		check.Quote(p)) {
		for _, own := range []string{"/-", "/debug", "/api/v1"} {
			s.That(p != own && !strings.HasPrefix(p, own+"/"), name,
				"%s collides with the exporter's own paths below %s/: use /metrics", check.Quote(p), own)
		}
		first, _, _ := strings.Cut(p[1:], "/")
		s.That(!w.EnableConsole || !slices.Contains(consolePages, first), name,
			"%s is a page of the console: use /metrics, or set web.enable_console to false", check.Quote(p))
	}
	if err := w.validate(); err != nil {
		remedy := ""
		if strings.Contains(err.Error(), "bcrypt") {
			remedy = `: basic_auth_users holds bcrypt hashes, as htpasswd -nBC 10 "" prints them`
		}
		s.That(false, "config_file", "%s: %s%s", w.ConfigFile, withoutValues(err), remedy)
	}
}

// validate checks the web configuration file. exporter-toolkit would wait for a named pipe, so the files are looked
// at before.
func (w *Web) validate() error {
	if w.ConfigFile == "" {
		return nil
	}
	if _, err := boundedfile.Read(w.ConfigFile, boundedfile.MaxBytes); err != nil {
		return err
	}
	if server, err := w.ServerTLS(); err == nil && server != nil {
		for _, file := range []string{server.TLSCertPath, server.TLSKeyPath, server.ClientCAs} {
			if file == "" {
				continue
			}
			if _, err := boundedfile.Read(file, boundedfile.MaxBytes); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return toolkit.Validate(w.ConfigFile)
}

// ServerTLS reads the TLS part of the web configuration file, which may have changed since it was checked. It
// returns nil where there is none.
func (w *Web) ServerTLS() (*toolkit.TLSConfig, error) {
	if w.ConfigFile == "" {
		return nil, nil //nolint:nilnil // no TLS is what was asked for
	}
	text, err := boundedfile.Read(w.ConfigFile, boundedfile.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("web.config_file: %w", err)
	}
	file := struct {
		TLS toolkit.TLSConfig `yaml:"tls_server_config"`
	}{TLS: toolkit.TLSConfig{MinVersion: tls.VersionTLS12}}
	if err := yaml.Unmarshal(text, &file); err != nil {
		// The text of the error may hold values of the file.
		return nil, fmt.Errorf("web.config_file: %s is not as exporter-toolkit wants it: exporter check tells more",
			w.ConfigFile)
	}
	if !file.TLS.IsEnabled() {
		return nil, nil //nolint:nilnil // no TLS is what was asked for
	}
	file.TLS.SetDirectory(filepath.Dir(w.ConfigFile))
	return &file.TLS, nil
}

var yamlValue = regexp.MustCompile("`[^`]*`")

// withoutValues is the message of an error on one line, without the values that the YAML reader quotes: the web
// configuration file holds keys and password hashes.
func withoutValues(err error) string {
	text := yamlValue.ReplaceAllString(err.Error(), "(value hidden)")
	return strings.Join(strings.Fields(text), " ")
}
