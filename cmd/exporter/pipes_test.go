package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipes: a named pipe to which nobody writes makes no command wait, wherever it stands for a file.
func TestPipes(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, dir)
	webFile := write(t, filepath.Join(dir, "web.yml"), "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")
	tests := write(t, filepath.Join(dir, "tests.yml"), "rules_files: [pipe]\ntests: [{given: {name: a}, expect: {base: a}}]\n")
	for _, args := range [][]string{
		{"run", "--tagger.rules_files=" + pipe},
		{"check", "--tagger.rules_files=" + pipe},
		{"check", "--config=" + pipe},
		{"explain", "--rules=" + pipe, "name"},
		{"learn", "--names=" + pipe},
		{"learn", "--capture=" + pipe},
		{"learn", "--names=-", "--rules=" + pipe},
		{"test", pipe},
		{"test", tests},
		{"healthcheck", "--config=" + pipe},
		{"healthcheck", "--web.config_file=" + pipe},
		{"healthcheck", "--username=a", "--password-file=" + pipe},
		{"healthcheck", "--web.config_file=" + webFile, "--ca-file=" + pipe},
		{"healthcheck", "--web.config_file=" + webFile, "--cert-file=" + pipe, "--key-file=" + pipe},
		{"demo", "--tagger.rules_files=" + pipe},
		{"record", "--out=-", "--nozzle.replay.enabled", "--nozzle.replay.file=" + pipe},
	} {
		status, _, errs := command(t, args...)
		if status != 1 || !strings.Contains(errs, pipe+" is a named pipe, not a regular file") {
			t.Errorf("%v: status %d, %s", args, status, errs)
		}
	}
	if checksumOf([]string{pipe}) == checksumOf([]string{webFile}) {
		t.Error("a pipe counts as another file")
	}
}
