package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestRemoteWriteDocs loads every configuration that the page on remote write shows.
func TestRemoteWriteDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/remote-write.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, file := range []string{"mimir_password", "ca.crt", "client.crt", "client.key", "secret", "uaa_ca.crt"} {
		writeFile(t, file, "")
	}
	writeFile(t, "api_key", "hush")
	writeFile(t, "receiver_url", "https://receiver/write")
	blocks := strings.Split(string(text), "\n\n    remote_write:\n")[1:]
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "\n\n")
		config := "    remote_write:\n" + block + "\n"
		writeFile(t, "c.yml", config)
		if cfg, _, err := load(t, "-c", "c.yml"); err != nil || !cfg.RemoteWrite.Enabled {
			t.Errorf("%v in:\n%s", err, config)
		}
	}
	if len(blocks) < 6 {
		t.Errorf("only %d examples", len(blocks))
	}
}

// Files that hold secrets are looked for beside the configuration file.
func TestRemoteWriteSecretFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("etc", 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, "etc/url", "https://me:hush@receiver/write\n")
	writeFile(t, "etc/key", "hush")
	writeFile(t, "etc/c.yml", `
remote_write:
  enabled: true
  url_file: url
  headers: [{name: X-Api-Key, value_file: key}, {name: X-Scope-OrgID, value: cf}]
`)
	cfg, _, err := load(t, "-c", "etc/c.yml")
	if err != nil {
		t.Fatal(err)
	}
	o := &cfg.RemoteWrite
	if got, want := fmt.Sprint(o.URLFile, o.Headers), "etc/url[{X-Api-Key  etc/key} {X-Scope-OrgID cf }]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
