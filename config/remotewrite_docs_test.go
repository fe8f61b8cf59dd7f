package config

import (
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
