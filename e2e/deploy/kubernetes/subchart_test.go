package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"loggregator_exporter/e2e/peer"
)

// TestDependency: a chart that has this one as a dependency puts the sidecar into its own pod, as
// templates/_sidecar.tpl says.
func TestDependency(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "templates"), 0o750))
	must(t, os.CopyFS(filepath.Join(dir, "charts", "loggregator-exporter"), os.DirFS(chart(t))))
	var include string
	source, err := os.ReadFile(filepath.Join(chart(t), "templates", "_sidecar.tpl"))
	must(t, err)
	for line := range strings.Lines(string(source)) {
		where, what, ok := strings.Cut(line, " of the pod:")
		if !ok {
			continue
		}
		where = strings.TrimSpace(where)
		if where == "labels" {
			include += "    metadata:\n"
		}
		include += "      " + where + ":\n" + strings.TrimSpace(what) + "\n"
		if where == "labels" {
			include += "    spec:\n      automountServiceAccountToken: false\n      containers: [{name: app, image: app, securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false, seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}}}]\n"
		}
	}
	for name, text := range map[string]string{
		"Chart.yaml":               "{apiVersion: v2, name: app, version: 1.0.0}\n",
		"values.yaml":              "loggregator-exporter: {mode: sidecar, image: {repository: exporter}, config: {nozzle: {udp: {enabled: true}}}}\n",
		"templates/component.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  selector: {matchLabels: {loggregator-exporter: sidecar}}\n  template:\n" + include,
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	out, complaint, err := run(t, nil, peer.Helm().File(t), "template", "app", dir)
	if err != nil || complaint != "" {
		t.Fatalf("%v\n%s\n%s", err, complaint, include)
	}
	if _, complaint, err := run(t, []byte(out), admit(t)); err != nil {
		t.Errorf("%v\n%s", err, complaint)
	}
	component := find(t, parse(t, []byte(out)), "Deployment", "app")
	volume := component.text("spec", "template", "spec", "volumes", 0, "configMap", "name")
	if find(t, parse(t, []byte(out)), "ConfigMap", volume).text("data", "exporter.yml") == "" || component.text("spec", "template", "spec", "initContainers", 0, "name") != "loggregator-exporter" {
		t.Error("no sidecar:\n", out)
	}
}

// TestNullInParent: Helm ignores a null in the values of a chart that has this one as a dependency until some value
// of this chart is set at the installation. An empty list does what is meant at once.
func TestNullInParent(t *testing.T) {
	for _, c := range []struct {
		relabelings string
		args        []string
		stays       bool
	}{
		{"null", nil, true},
		{"null", []string{"--set", "loggregator-exporter.minReadySeconds=1"}, false},
		{"[]", nil, false},
	} {
		dir := t.TempDir()
		must(t, os.CopyFS(filepath.Join(dir, "charts", "loggregator-exporter"), os.DirFS(chart(t))))
		least, err := os.ReadFile(values(t)["least"])
		must(t, err)
		own := strings.ReplaceAll("\n"+strings.TrimSpace(string(least))+"\nserviceMonitor: {enabled: true, relabelings: "+c.relabelings+"}", "\n", "\n  ")
		for name, text := range map[string]string{
			"Chart.yaml":  "{apiVersion: v2, name: app, version: 1.0.0}\n",
			"values.yaml": "loggregator-exporter:" + own + "\n",
		} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		out, complaint, err := run(t, nil, peer.Helm().File(t), append([]string{"template", "app", dir}, c.args...)...)
		if err != nil || complaint != "" {
			t.Fatalf("%v\n%s", err, complaint)
		}
		monitor := find(t, parse(t, []byte(out)), "ServiceMonitor", "")
		if got := monitor.get("spec", "endpoints", 0, "relabelings") != nil; got != c.stays {
			t.Errorf("relabelings: %s with %v: they stay: %v", c.relabelings, c.args, got)
		}
	}
}
