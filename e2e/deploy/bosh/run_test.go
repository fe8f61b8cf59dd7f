package bosh

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

// What bpm.yml tells bpm to run does run: the exporter starts with its arguments, variables and files, takes the
// BOSH index for its name in the shard, and ends by itself on the signal that bpm sends.
func TestRun(t *testing.T) {
	a := newAuthority(t)
	r, err := render(t, releaseDir(t), nozzleJob, &set{properties: tree(map[string]any{
		// Nobody listens at port 1: what the exporter makes of that is not asked here.
		"nozzle.rlp.address":     "127.0.0.1:1",
		"nozzle.rlp.tls.ca_cert": a.ca,
		"nozzle.rlp.tls.cert":    a.cert,
		"nozzle.rlp.tls.key":     a.key,
		"web.listen_address":     "127.0.0.1:0",
	})})
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := r.install(root, nozzleJob, exporter(t)); err != nil {
		t.Fatal(err)
	}
	var file bpmFile
	if err := yaml.Unmarshal(
		[]byte(strings.ReplaceAll(r.Files["config/bpm.yml"], "/var/vcap/", filepath.Join(root, "var/vcap")+"/")),
		&file,
	); err != nil {
		t.Fatal(err)
	}
	process := file.Processes[0]
	for name, value := range process.Env {
		t.Setenv(name, value.Value)
	}
	p := peer.Start(
		t,
		regexp.MustCompile(
			`name among the exporters of the shard was derived.* deterministic_name=(\S+) from=BOSH_INSTANCE_INDEX`,
		),
		process.Executable,
		process.Args...)
	if p.Found != "2" {
		t.Errorf("the name is %s, not the index", p.Found)
	}
	p.Stop(t)
}
