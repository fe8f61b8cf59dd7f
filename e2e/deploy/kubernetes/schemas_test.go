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

// The modules whose schemas the manifests are held against: the API of Kubernetes, and the resources of the
// Prometheus Operator.
const (
	kubernetesModule = "k8s.io/kubernetes@v1.37.2"
	operatorModule   = "github.com/prometheus-operator/prometheus-operator@v0.94.1"
)

// schemas writes JSON schemas as kubeconform wants them, one for each kind, strict as an API server with strict
// validation of fields.
func schemas(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	kubernetesSchemas(t, dir, filepath.Join(module(t, kubernetesModule), "api", "openapi-spec", "swagger.json"))
	crds := filepath.Join(module(t, operatorModule), "example", "prometheus-operator-crd")
	for kind, file := range map[string]string{"servicemonitor": "servicemonitors", "podmonitor": "podmonitors", "prometheusrule": "prometheusrules"} {
		operatorSchema(t, filepath.Join(dir, kind+"-monitoring-v1.json"), filepath.Join(crds, "monitoring.coreos.com_"+file+".yaml"))
	}
	return dir
}

// module returns the folder of a module in Go's cache, and downloads it the first time.
func module(t *testing.T, version string) string {
	t.Helper()
	out := peer.Go(t, t.TempDir(), []string{"GOFLAGS=-mod=mod", "GOWORK=off"}, "mod", "download", "-json", version)
	var at struct{ Dir string }
	if err := json.Unmarshal(out, &at); err != nil {
		t.Fatal(err)
	}
	return at.Dir
}

func kubernetesSchemas(t *testing.T, dir, swagger string) {
	t.Helper()
	data, err := os.ReadFile(swagger)
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(data, &api); err != nil {
		t.Fatal(err)
	}
	// What the swagger file cannot say: these are written as strings or as numbers.
	for _, name := range []string{"io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity"} {
		if api.Definitions[name] == nil {
			t.Fatalf("%s does not define %s", swagger, name)
		}
		api.Definitions[name] = map[string]any{"type": []any{"string", "number"}}
	}
	for _, name := range []string{
		"core.v1.ConfigMap", "core.v1.Pod", "core.v1.Secret", "core.v1.Service", "core.v1.ServiceAccount",
		"apps.v1.Deployment", "apps.v1.StatefulSet", "networking.v1.NetworkPolicy", "policy.v1.PodDisruptionBudget",
	} {
		name = "io.k8s.api." + name
		needed := map[string]any{}
		reach(api.Definitions, name, needed)
		schema, _ := needed[name].(map[string]any)
		schema["definitions"] = needed
		delete(needed, name)
		words := strings.Split(name, ".")
		group := "-" + words[3]
		if group == "-core" {
			group = ""
		}
		save(t, filepath.Join(dir, strings.ToLower(words[5])+group+"-v1.json"), schema)
	}
}

// reach adds a definition and all that it refers to.
func reach(all map[string]map[string]any, name string, needed map[string]any) {
	if needed[name] != nil {
		return
	}
	needed[name] = strict(all[name])
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				reach(all, strings.TrimPrefix(ref, "#/definitions/"), needed)
			}
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(all[name])
}

func operatorSchema(t *testing.T, file, crd string) {
	t.Helper()
	data, err := os.ReadFile(crd)
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPI map[string]any `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(data, &definition); err != nil {
		t.Fatal(err)
	}
	for _, v := range definition.Spec.Versions {
		if v.Name == "v1" {
			save(t, file, strict(v.Schema.OpenAPI))
			return
		}
	}
	t.Fatalf("%s has no version v1", crd)
}

// strict copies a schema, refusing what it does not name. metadata of a resource of an operator is described
// elsewhere.
func strict(v any) any {
	switch v := v.(type) {
	case map[string]any:
		to := map[string]any{}
		for key, e := range v {
			to[key] = strict(e)
		}
		_, described := v["properties"].(map[string]any)
		if described && v["additionalProperties"] == nil && v["x-kubernetes-preserve-unknown-fields"] == nil {
			to["additionalProperties"] = false
		}
		return to
	case []any:
		to := slices.Clone(v)
		for i := range to {
			to[i] = strict(to[i])
		}
		return to
	default:
		return v
	}
}

func save(t *testing.T, file string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
