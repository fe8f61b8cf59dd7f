package config

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFilesAreRegular names a pipe that nobody writes to, and a device that never ends, by every setting that takes a file: each ends in
// an error that says what the file is, and none makes the program wait.
func TestFilesAreRegular(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	enabled := []string{
		"--nozzle.rlp.enabled", "--nozzle.gateway.enabled", "--nozzle.firehose.enabled", "--nozzle.ingress.enabled", "--nozzle.replay.enabled",
		"--remote_write.enabled", "--remote_write.oauth2.client_id=exporter",
	}
	for file, kind := range map[string]string{pipe: "a named pipe", "/dev/zero": "a device"} {
		want := file + " is " + kind + ", not a regular file"
		if _, _, err := load(t, "--config="+file); err == nil || !strings.HasSuffix(strings.Split(err.Error(), "\n")[0], want) {
			t.Errorf("--config: got %v, want %s", err, want)
		}
		for _, s := range Settings() {
			if s.Kind != KindPath && s.Kind != KindPaths || s.Key == "nozzle.ingress.port_file" { // which is written
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
