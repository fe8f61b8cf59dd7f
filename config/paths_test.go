package config

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFilesAreRegular names a pipe that nobody writes to, and a device that never ends, by every setting that takes
// a file: each ends in an error that says what the file is, and none makes the program wait.
func TestFilesAreRegular(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	enabled := []string{
		"--nozzle.rlp.enabled", "--nozzle.gateway.enabled", "--nozzle.firehose.enabled", "--nozzle.ingress.enabled",
		"--nozzle.syslog.enabled", "--nozzle.otlp.enabled", "--nozzle.replay.enabled",
		"--remote_write.enabled", "--remote_write.oauth2.client_id=exporter",
	}
	for file, kind := range map[string]string{pipe: "a named pipe", "/dev/zero": "a device"} {
		want := file + " is " + kind + ", not a regular file"
		if _, _, err := load(t, "--config="+file); err == nil ||
			!strings.HasSuffix(strings.Split(err.Error(), "\n")[0], want) {
			t.Errorf("--config: got %v, want %s", err, want)
		}
		for _, s := range Settings() {
			if s.Kind != KindPath && s.Kind != KindPaths || strings.HasSuffix(s.Key, ".port_file") { // which is written
				continue
			}
			flag := "--" + s.Flag()
			_, _, err := load(t, append(enabled, flag+"="+file)...)
			if err == nil || !strings.Contains(err.Error()+"\n", want+"\n") || !strings.Contains(err.Error(), flag+": ") {
				t.Errorf("%s: got %v, want %s", flag, err, want)
			}
		}
	}
}

// TestWebFilesAreRegular: the same holds for the files that the web configuration file names.
func TestWebFilesAreRegular(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t)
	for _, files := range []string{
		"cert_file: pipe, key_file: " + key,
		"cert_file: " + cert + ", key_file: pipe",
		"cert_file: " + cert + ", key_file: " + key + ", client_ca_file: pipe",
	} {
		writeFile(t, "web.yml", "tls_server_config: {"+files+"}")
		_, _, err := load(t, "--web.config_file=web.yml")
		if want := "--web.config_file: web.yml: pipe is a named pipe, not a regular file"; err == nil ||
			err.Error() != want {
			t.Errorf("%s: got %v, want %s", files, err, want)
		}
	}
}

// TestCertificateFiles: each setting that names certificates is in the list while its part is switched on, and no
// other.
func TestCertificateFiles(t *testing.T) {
	on := map[string]any{}
	for _, s := range Settings() {
		on[s.Key] = s.Default
		switch {
		case s.Kind == KindPath:
			on[s.Key] = "file of " + s.Key
		case strings.HasSuffix(s.Key, ".enabled"):
			on[s.Key] = true
		}
	}
	cfg, err := decode(on)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range cfg.CertificateFiles() {
		if f.Path != "file of "+f.Key || f.CA != strings.HasSuffix(f.Key, "ca_file") {
			t.Errorf("%+v", f)
		}
		got = append(got, f.Key)
	}
	want := []string{
		"nozzle.rlp.tls.ca_file",
		"nozzle.rlp.tls.cert_file",
		"nozzle.gateway.tls.ca_file",
		"nozzle.firehose.tls.ca_file",
		"nozzle.ingress.tls.ca_file",
		"nozzle.ingress.tls.cert_file",
		"nozzle.syslog.tls.ca_file",
		"nozzle.syslog.tls.cert_file",
		"nozzle.otlp.tls.ca_file",
		"nozzle.otlp.tls.cert_file",
		"uaa.tls.ca_file",
		"remote_write.tls.ca_file",
		"remote_write.tls.cert_file",
		"remote_write.oauth2.ca_file",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for key := range on {
		if strings.HasSuffix(key, ".enabled") {
			on[key] = false
		}
	}
	if cfg, err = decode(on); err != nil || cfg.CertificateFiles() != nil {
		t.Error(cfg.CertificateFiles(), err)
	}
}
