package kubernetes

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/e2e/deploy/readme"
	"loggregator_exporter/e2e/peer"
)

// TestReadme: what the README says of Helm is run, as far as it goes without a cluster; what it says of files and
// Secrets is there.
func TestReadme(t *testing.T) {
	const install = "helm upgrade --install loggregator-exporter deploy/kubernetes/chart/loggregator-exporter --namespace cf-metrics --values deploy/kubernetes/values/"
	commands := map[string]bool{
		install + "nozzle.yaml":  true,
		install + "gateway.yaml": true,
		install + "syslog.yaml":  true,
		"kubectl create secret generic loggregator-exporter-syslog --namespace cf-metrics --from-file=ca.crt=ca.crt --from-file=tls.crt=server.crt --from-file=tls.key=server.key":  true,
		strings.Replace(install, "loggregator-exporter ", "loggregator-exporter-sidecar ", 1) + "sidecar.yaml":                                                                      true,
		"helm upgrade loggregator-exporter deploy/kubernetes/chart/loggregator-exporter --namespace cf-metrics --values deploy/kubernetes/values/nozzle.yaml --set image.tag=0.2.0": true,
		"kubectl create secret generic loggregator-exporter-rlp --namespace cf-metrics --from-file=ca.crt=ca.crt --from-file=tls.crt=client.crt --from-file=tls.key=client.key":     true,
		"kubectl create secret generic loggregator-exporter-uaa --namespace cf-metrics --from-literal=client_id=loggregator_exporter --from-file=client_secret=client_secret":       true,
		"kubectl apply --namespace cf-metrics -f deploy/kubernetes/manifests/nozzle.yaml":                                                                                           true,
		"kubectl apply --namespace cf-metrics -f deploy/kubernetes/manifests/prometheus-operator.yaml":                                                                              true,
		"kubectl apply --namespace cf-metrics -f deploy/kubernetes/examples/component.yaml":                                                                                         true,
		"kubectl patch deployment component --namespace cf-metrics --patch-file deploy/kubernetes/manifests/sidecar-patch.yaml":                                                     true,
		"docker build -f deploy/container/Containerfile -t loggregator_exporter .":                                                                                                  false,
		"docker tag loggregator_exporter registry.example.com/loggregator_exporter:0.1.0":                                                                                           false,
		"docker push registry.example.com/loggregator_exporter:0.1.0":                                                                                                               false,
		"kubectl create namespace cf-metrics":                                                                 false,
		"kubectl port-forward --namespace cf-metrics loggregator-exporter-0 9286:9286":                        false,
		"kubectl logs --namespace cf-metrics --selector app.kubernetes.io/name=loggregator-exporter --prefix": false,
		"curl -s localhost:9286/metrics | grep '^cf_num_bytes_allocated{'":                                    false, // TestSidecar
		"helm test loggregator-exporter --namespace cf-metrics":                                               false, // TestSecured
		"helm uninstall loggregator-exporter --namespace cf-metrics":                                          false,
	}
	root := peer.Root(t)
	for _, command := range readme.Commands(t, folder(t, "README.md"), "sh", commands) {
		words := strings.Fields(strings.ReplaceAll(command, " deploy/", " "+root+"/deploy/"))
		switch {
		case words[0] == "helm":
			// The renderer of an installation is that of template.
			i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "loggregator-exporter") })
			if out, complaint, err := run(t, nil, peer.Helm().File(t), append([]string{"template"}, words[i:]...)...); err != nil || !strings.Contains(out, "kind: ConfigMap") {
				t.Errorf("%s: %v\n%s", command, err, complaint)
			}
		case words[1] == "apply":
			manifests, err := os.ReadFile(words[len(words)-1])
			must(t, err)
			if _, complaint, err := run(t, manifests, admit(t)); err != nil {
				t.Errorf("%s: %v\n%s", command, err, complaint)
			}
		case words[1] == "patch":
			component, err := os.ReadFile(folder(t, "examples", "component.yaml"))
			must(t, err)
			if out, complaint, err := run(t, component, admit(t), "-patch", words[len(words)-1]); err != nil || !strings.Contains(out, "name: loggregator-exporter-config") {
				t.Errorf("%s: %v\n%s%s", command, err, out, complaint)
			}
		default:
			secretFits(t, words)
		}
	}
}

var key = regexp.MustCompile(`^--from-(?:file|literal)=([^=]+)=`)

// secretFits checks that a Secret that is created has the name and the keys that some pod of the manifests asks for.
func secretFits(t *testing.T, words []string) {
	t.Helper()
	var have []string
	for _, word := range words {
		if m := key.FindStringSubmatch(word); m != nil {
			have = append(have, m[1])
		}
	}
	need := map[string]bool{}
	for _, name := range []string{"nozzle", "gateway", "syslog"} {
		spec := find(t, parse(t, render(t, "--values", values(t)[name])), "StatefulSet", "")
		for _, v := range spec.list("spec", "template", "spec", "volumes") {
			for _, item := range v.list("secret", "items") {
				if v.text("secret", "secretName") == words[4] {
					need[item.text("key")] = true
				}
			}
		}
		for _, v := range spec.list("spec", "template", "spec", "containers", 0, "env") {
			if v.text("valueFrom", "secretKeyRef", "name") == words[4] {
				need[v.text("valueFrom", "secretKeyRef", "key")] = true
			}
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, slices.Sorted(maps.Keys(need))) {
		t.Errorf("%s has %v, needed is %v", words[4], have, need)
	}
}

// TestDocuments: the number of sets of values in the README is that of the tests, and the image of the chart is that
// of the container's folder.
func TestDocuments(t *testing.T) {
	page, err := os.ReadFile(folder(t, "README.md"))
	must(t, err)
	if n := len(values(t)); n != 10 || !strings.Contains(string(page), "ten sets of values") {
		t.Errorf("%d sets of values", n)
	}
	image, err := os.ReadFile(folder(t, "..", "container", "Containerfile"))
	must(t, err)
	set := find(t, parse(t, render(t, "--values", values(t)["nozzle"])), "StatefulSet", "")
	binary := text(set.get("spec", "template", "spec", "containers", 0, "livenessProbe", "exec", "command", 0))
	user := text(set.get("spec", "template", "spec", "securityContext", "runAsUser"))
	for _, want := range []string{`ENTRYPOINT ["` + binary + `"]`, "USER " + user + ":"} {
		if !strings.Contains(string(image), want) {
			t.Errorf("the Containerfile has no %s", want)
		}
	}
}
