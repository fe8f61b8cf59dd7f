package kubernetes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

// admit builds the program that decodes manifests as an API server does.
func admit(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "admit")
	peer.Go(t, filepath.Join(peer.Root(t), "e2e", "programs", "kubernetes"), nil, "build", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", file, "./admit")
	return file
}

// TestChart: with every set of values the chart has nothing that helm's linter minds, and what it renders has no
// field that Kubernetes or the Prometheus Operator does not know, fits their schemas, and runs under the Pod
// Security Standard "restricted".
func TestChart(t *testing.T) {
	helm, kubeconform, admit, schemas := peer.Helm().File(t), peer.Kubeconform().File(t), admit(t), schemas(t)
	for name, file := range values(t) {
		t.Run(name, func(t *testing.T) {
			if out, complaint, err := run(t, nil, helm, "lint", "--strict", "--quiet", chart(t), "--values", file); err != nil || out+complaint != "" {
				t.Errorf("helm lint: %v\n%s%s", err, out, complaint)
			}
			manifests := render(t, "--values", file)
			out, complaint, err := run(t, manifests, kubeconform, "-strict", "-output", "json", "-summary", "-schema-location", schemas+"/{{.ResourceKind}}{{.KindSuffix}}.json")
			var verdict struct {
				Summary struct{ Valid, Invalid, Errors, Skipped int }
			}
			if jsonErr := json.Unmarshal([]byte(out), &verdict); jsonErr != nil || err != nil {
				t.Fatalf("kubeconform: %v\n%s%s", err, out, complaint)
			}
			if n := len(parse(t, manifests)); verdict.Summary.Valid != n || n < 3 {
				t.Errorf("%d manifests, kubeconform: %+v", n, verdict.Summary)
			}
			if _, complaint, err := run(t, manifests, admit); err != nil {
				t.Errorf("admit: %v\n%s", err, complaint)
			}
			coherent(t, parse(t, manifests))
		})
	}
}

// TestCheckers: what the manifests are held against does refuse what is wrong, each in its way.
func TestCheckers(t *testing.T) {
	kubeconform, admit, schemas := peer.Kubeconform().File(t), admit(t), schemas(t)
	good := string(render(t, "--values", values(t)["nozzle"]))
	for _, c := range []struct{ name, from, to, kubeconform, admit string }{
		{"misspelt field", "publishNotReadyAddresses", "publishNotReadyAddress", "additional properties 'publishNotReadyAddress' not allowed", `unknown field "spec.publishNotReadyAddress"`},
		{"misspelt field of an operator", "endpoints:", "endpoint:", "additional properties 'endpoint' not allowed", `unknown field "spec.endpoint"`},
		{"type", "replicas: 2", "replicas: two", "got string, want integer", "cannot unmarshal string"},
		{"choice", "scheme: http", "scheme: ftp", "value must be one of", ""},
		{"rights", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "", "not restricted: allowPrivilegeEscalation != false"},
		{"root", "runAsNonRoot: true", "runAsNonRoot: false", "", "not restricted: runAsNonRoot != true"},
		{"twice", "restartPolicy: Never", "restartPolicy: Never\n  restartPolicy: Never", "already set in map", "already set in map"},
	} {
		if !strings.Contains(good, c.from) {
			t.Fatalf("%s: no %q", c.name, c.from)
		}
		bad := []byte(strings.ReplaceAll(good, c.from, c.to))
		out, complaint, err := run(t, bad, kubeconform, "-strict", "-schema-location", schemas+"/{{.ResourceKind}}{{.KindSuffix}}.json")
		if (err != nil) != (c.kubeconform != "") || !strings.Contains(out+complaint, c.kubeconform) {
			t.Errorf("%s: kubeconform: %v\n%s%s", c.name, err, out, complaint)
		}
		_, complaint, err = run(t, bad, admit)
		if (err != nil) != (c.admit != "") || !strings.Contains(complaint, c.admit) {
			t.Errorf("%s: admit: %v\n%s", c.name, err, complaint)
		}
	}
}

// coherent checks what no schema can: that what stands in one place fits what another says.
func coherent(t *testing.T, objects []object) {
	t.Helper()
	for _, o := range objects {
		var pod object
		switch o.kind() {
		case "StatefulSet":
			pod, _ = o.get("spec", "template").(map[string]any)
			labels, _ := pod.get("metadata", "labels").(map[string]any)
			port := text(pod.get("spec", "containers", 0, "ports", 0, "name"))
			for _, other := range objects {
				switch other.kind() {
				case "Service":
					subset(t, other.get("spec", "selector"), labels, "the Service's selector")
					if strings.HasSuffix(other.text("metadata", "name"), "-receiver") {
						receives(t, objects, other, pod)
					} else if other.text("spec", "ports", 0, "targetPort") != port || o.text("spec", "serviceName") != other.text("metadata", "name") {
						t.Error("the Service is not that of the StatefulSet")
					}
				case "PodDisruptionBudget":
					subset(t, other.get("spec", "selector", "matchLabels"), labels, "the PodDisruptionBudget's selector")
				case "NetworkPolicy":
					subset(t, other.get("spec", "podSelector", "matchLabels"), labels, "the NetworkPolicy's selector")
					if other.text("spec", "ingress", 0, "ports", 0, "port") != port {
						t.Error("the NetworkPolicy does not admit scrapes")
					}
				case "ServiceMonitor":
					service := find(t, objects, "Service", "")
					subset(t, other.get("spec", "selector", "matchLabels"), service.get("metadata", "labels"), "the ServiceMonitor's selector")
					if other.text("spec", "endpoints", 0, "port") != service.text("spec", "ports", 0, "name") {
						t.Error("the ServiceMonitor names no port of the Service")
					}
				}
			}
			subset(t, o.get("spec", "selector", "matchLabels"), labels, "the StatefulSet's selector")
		case "Pod":
			pod = o
		case "ConfigMap":
			if patch := o.text("data", "patch.yaml"); patch != "" {
				pod, _ = parse(t, []byte(patch))[0].get("spec", "template").(map[string]any)
				monitor := find(t, objects, "PodMonitor", "")
				subset(t, monitor.get("spec", "selector", "matchLabels"), pod.get("metadata", "labels"), "the PodMonitor's selector")
				if monitor.text("spec", "podMetricsEndpoints", 0, "port") != pod.text("spec", "initContainers", 0, "ports", 0, "name") {
					t.Error("the PodMonitor names no port of the sidecar")
				}
			}
		}
		if pod != nil {
			mounts(t, objects, pod)
		}
	}
}

// receives checks that the ports of a Service that senders use are those of the container and of the NetworkPolicy.
func receives(t *testing.T, objects []object, service, pod object) {
	t.Helper()
	var ports, container, admitted []string
	for _, p := range service.list("spec", "ports") {
		ports = append(ports, p.text("targetPort")+" "+text(p.get("port")))
	}
	for _, p := range pod.list("spec", "containers", 0, "ports")[1:] {
		container = append(container, p.text("name")+" "+text(p.get("containerPort")))
		admitted = append(admitted, p.text("name"))
	}
	var policy []string
	for _, p := range find(t, objects, "NetworkPolicy", "").list("spec", "ingress", 1, "ports") {
		policy = append(policy, p.text("port"))
	}
	if len(ports) == 0 || !slices.Equal(ports, container) || !slices.Equal(policy, admitted) {
		t.Errorf("senders find the ports %q, the container has %q, the NetworkPolicy admits %q", ports, container, policy)
	}
	// Readiness waits for a sender, and each sender is to stay with one pod.
	if service.get("spec", "publishNotReadyAddresses") != true || service.text("spec", "sessionAffinity") != "ClientIP" {
		t.Errorf("the Service of senders is %v", service.get("spec"))
	}
}

// mounts checks that containers mount what the pod has, and that the ConfigMaps of the chart are there.
func mounts(t *testing.T, objects []object, pod object) {
	t.Helper()
	var volumes []string
	for _, v := range pod.list("spec", "volumes") {
		volumes = append(volumes, v.text("name"))
		if name := v.text("configMap", "name"); name != "" {
			find(t, objects, "ConfigMap", name)
		}
	}
	for _, c := range slices.Concat(pod.list("spec", "containers"), pod.list("spec", "initContainers")) {
		for _, m := range c.list("volumeMounts") {
			// A volume of the patched pod's own is not in the patch.
			if name := m.text("name"); !slices.Contains(volumes, name) && name != "jobs" {
				t.Errorf("%s mounts %s, which is no volume", c.text("name"), name)
			}
		}
	}
}

func subset(t *testing.T, part, whole any, what string) {
	t.Helper()
	p, _ := part.(map[string]any)
	w, _ := whole.(map[string]any)
	for key, value := range p {
		if w[key] != value {
			t.Errorf("%s: no %s=%v in %v", what, key, value, w)
		}
	}
	if len(p) == 0 {
		t.Errorf("%s is empty", what)
	}
}

// TestKinds: each way to run it makes what it needs, and no more.
func TestKinds(t *testing.T) {
	for name, want := range map[string]string{
		"least":      "ConfigMap NetworkPolicy Pod Service ServiceAccount StatefulSet",
		"nozzle":     "ConfigMap NetworkPolicy Pod PodDisruptionBudget PrometheusRule Service ServiceAccount ServiceMonitor StatefulSet",
		"gateway":    "ConfigMap NetworkPolicy Pod PodDisruptionBudget Service ServiceAccount StatefulSet",
		"everything": "ConfigMap NetworkPolicy Pod PodDisruptionBudget PrometheusRule Service ServiceAccount ServiceMonitor StatefulSet",
		"syslog":     "ConfigMap NetworkPolicy Pod Service ServiceAccount ServiceMonitor StatefulSet",
		"collectors": "ConfigMap NetworkPolicy Pod PodDisruptionBudget Service ServiceAccount StatefulSet",
		"sidecar":    "ConfigMap PodMonitor",
		"forwarder":  "ConfigMap PodMonitor",
	} {
		if got := strings.Join(kinds(parse(t, render(t, "--values", values(t)[name]))), " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestRestarts: a change of the configuration restarts the pods, since sources are opened at the start only; a
// change of rules does not.
func TestRestarts(t *testing.T) {
	sum := func(args ...string) string {
		set := find(t, parse(t, render(t, append([]string{"--values", values(t)["least"]}, args...)...)), "StatefulSet", "")
		return set.text("spec", "template", "metadata", "annotations", "checksum/config")
	}
	before := sum("--set", "rules.a\\.yml=one")
	if len(before) != 64 || sum("--set", "rules.a\\.yml=two") != before {
		t.Error("other rules restart the pods")
	}
	if sum("--set", "rules.a\\.yml=one", "--set", "config.nozzle.shard_id=other") == before {
		t.Error("another configuration does not restart the pods")
	}
}

// TestRules: what the PrometheusRule brings is what promtool accepts, whole.
func TestRules(t *testing.T) {
	rule := find(t, parse(t, render(t, "--values", values(t)["nozzle"])), "PrometheusRule", "")
	file, err := yaml.Marshal(rule.get("spec"))
	if err != nil {
		t.Fatal(err)
	}
	if out, complaint, err := run(t, nil, peer.Promtool().File(t), "check", "rules", "--lint=all", "--lint-fatal", write(t, "rules.yml", string(file))); err != nil {
		t.Errorf("promtool: %v\n%s%s", err, out, complaint)
	}
	for set, want := range map[string]string{"nozzle": "docs/runbook.md#", "everything": "https://git.example.com/runbook.md#"} {
		rules := find(t, parse(t, render(t, "--values", values(t)[set])), "PrometheusRule", "")
		for _, group := range rules.list("spec", "groups") {
			for _, alert := range group.list("rules") {
				if url := alert.text("annotations", "runbook_url"); alert.text("alert") != "" && !strings.HasPrefix(url, want) {
					t.Errorf("%s: the runbook of %s is at %q", set, alert.text("alert"), url)
				}
			}
		}
	}
	var names []string
	for _, group := range rule.list("spec", "groups") {
		names = append(names, group.text("name"))
	}
	slices.Sort(names)
	if len(names) == 0 || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("groups %v", names)
	}
}

// TestDashboards: each dashboard is a ConfigMap of its own that the API server takes, and comes out of it as it went
// in.
func TestDashboards(t *testing.T) {
	objects := parse(t, render(t, "--values", values(t)["nozzle"]))
	files, err := filepath.Glob(folder(t, "..", "grafana", "dashboards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no dashboards", err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".json"), "_", "-")
		o := find(t, objects, "ConfigMap", "-"+name)
		if o.text("metadata", "labels", "grafana_dashboard") != "1" || strings.TrimSpace(o.text("data", filepath.Base(file))) != strings.TrimSpace(string(want)) {
			t.Errorf("%s is not what Grafana gets", file)
		}
		// kubectl apply keeps the whole object in an annotation, of 262,144 bytes at most.
		if len(want) > 250_000 {
			t.Errorf("%s has %d bytes, too many for kubectl apply", file, len(want))
		}
	}
}
