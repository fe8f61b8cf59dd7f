package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/config"
)

// TestCopies: a chart can hold files of its own folder only, so rules and dashboards stand there once more, alike.
func TestCopies(t *testing.T) {
	for to, from := range map[string]string{
		folder(t, "chart", "loggregator-exporter", "files", "rules"):      folder(t, "..", "prometheus", "rules", "*.yml"),
		folder(t, "chart", "loggregator-exporter", "files", "dashboards"): folder(t, "..", "grafana", "dashboards", "*.json"),
	} {
		sources, err := filepath.Glob(from)
		if err != nil || len(sources) == 0 {
			t.Fatal("nothing at ", from, err)
		}
		var names []string
		for _, source := range sources {
			data, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, filepath.Base(source))
			same(t, filepath.Join(to, filepath.Base(source)), data)
		}
		copies, err := os.ReadDir(to)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range copies {
			if slices.Contains(names, file.Name()) {
				continue
			}
			if !*update {
				t.Errorf("%s is in the chart only: run the tests with -update", file.Name())
			} else if err := os.Remove(filepath.Join(to, file.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSchema: the schema of `config` is made from the table of settings, every value of the chart has a place in the
// schema, and objects that the templates read must be there.
func TestSchema(t *testing.T) {
	file := filepath.Join(chart(t), "values.schema.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	properties, _ := schema["properties"].(map[string]any)
	properties["config"] = settings()
	defaults, err := os.ReadFile(filepath.Join(chart(t), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	named := parse(t, defaults)[0]
	requireObjects(schema, named)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		t.Fatal(err)
	}
	same(t, file, out.Bytes())

	known := slices.DeleteFunc(slices.Sorted(maps.Keys(properties)), func(name string) bool { return name == "global" })
	if have := slices.Sorted(maps.Keys(named)); !slices.Equal(have, known) {
		t.Errorf("values.yaml has %v\nthe schema has %v", have, known)
	}
}

// requireObjects makes a schema require each object of the chart's values that has keys of its own: null removes
// one, and the templates read what is in it. Objects of any keys, such as labels, may be missing, unless the schema
// itself says otherwise.
func requireObjects(schema map[string]any, defaults map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	required := map[string]bool{}
	if old, ok := schema["required"].([]any); ok {
		for _, name := range old {
			required[text(name)] = true
		}
	}
	for name, value := range defaults {
		object, _ := value.(map[string]any)
		below, _ := properties[name].(map[string]any)
		if object == nil || below["properties"] == nil || name == "config" {
			continue
		}
		required[name] = true
		requireObjects(below, object)
	}
	if len(required) > 0 {
		schema["required"] = slices.Sorted(maps.Keys(required))
	}
}

// settings is the schema of the exporter's configuration file.
func settings() map[string]any {
	root := branch("The exporter's configuration file, see docs/configuration.md.")
	for _, s := range config.Settings() {
		at := root
		path := strings.Split(s.Key, ".")
		for _, name := range path[:len(path)-1] {
			below, _ := at["properties"].(map[string]any)
			if below[name] == nil {
				below[name] = branch("")
			}
			at, _ = below[name].(map[string]any)
		}
		below, _ := at["properties"].(map[string]any)
		leaf := kind(&s)
		leaf["description"] = s.Help
		below[path[len(path)-1]] = leaf
	}
	return root
}

func branch(description string) map[string]any {
	b := map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{}}
	if description != "" {
		b["description"] = description
	}
	return b
}

func kind(s *config.Setting) map[string]any {
	list := func(items map[string]any) map[string]any { return map[string]any{"type": "array", "items": items} }
	str, object := map[string]any{"type": "string"}, map[string]any{"type": "object"}
	fields := func(of map[string]any, names ...string) map[string]any {
		properties := map[string]any{}
		for _, name := range names {
			properties[name] = of
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	}
	switch s.Kind {
	case config.KindBool:
		return map[string]any{"type": "boolean"}
	case config.KindInt:
		return map[string]any{"type": "integer"}
	case config.KindNumber:
		return map[string]any{"type": "number"}
	case config.KindEnum:
		return map[string]any{"type": "string", "enum": s.Values}
	case config.KindStrings, config.KindPaths:
		return list(str)
	case config.KindEnums:
		return list(map[string]any{"type": "string", "enum": s.Values})
	case config.KindNumbers:
		return list(map[string]any{"type": "number"})
	case config.KindNameVals:
		return list(fields(str, "name", "value"))
	case config.KindSecretVals:
		return list(fields(str, "name", "value", "value_file"))
	case config.KindFromTos:
		return list(fields(str, "from", "to"))
	case config.KindFilters:
		return list(fields(object, "keep", "drop"))
	default:
		return map[string]any{"type": "string"}
	}
}

// helms are lines that say who manages an object: of plain manifests nobody but their owner does.
var helms = regexp.MustCompile(`(?m)^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n`)

// sources splits what helm renders, and tells the template of each document.
var sources = regexp.MustCompile(`(?m)^---\n# Source: loggregator-exporter/templates/(\S+)\n`)

// documents renders the chart and returns the text of each of the templates named, joined.
func documents(t *testing.T, values string, templates ...string) string {
	t.Helper()
	rendered := string(render(t, "--values", values))
	at := sources.FindAllStringSubmatchIndex(rendered, -1)
	var all []string
	for _, template := range templates {
		for i, m := range at {
			end := len(rendered)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			if rendered[m[2]:m[3]] == template {
				all = append(all, strings.TrimSpace(helms.ReplaceAllString(rendered[m[1]:end], ""))+"\n")
			}
		}
	}
	if len(all) < len(templates) {
		t.Fatalf("%v rendered only %d documents", templates, len(all))
	}
	return strings.Join(all, "---\n")
}

// TestManifests: the plain manifests are what the chart renders.
func TestManifests(t *testing.T) {
	files := values(t)
	workload := []string{"serviceaccount.yaml", "configmap.yaml", "service.yaml", "statefulset.yaml", "poddisruptionbudget.yaml", "networkpolicy.yaml"}
	for name, text := range map[string]string{
		"nozzle.yaml":              documents(t, files["nozzle"], workload...),
		"gateway.yaml":             documents(t, files["gateway"], workload...),
		"syslog.yaml":              documents(t, files["syslog"], "serviceaccount.yaml", "configmap.yaml", "service.yaml", "statefulset.yaml", "networkpolicy.yaml"),
		"prometheus-operator.yaml": documents(t, files["nozzle"], "monitor.yaml", "prometheusrule.yaml"),
		"sidecar.yaml":             documents(t, files["sidecar"], "configmap.yaml"),
		"sidecar-monitor.yaml":     documents(t, files["sidecar"], "monitor.yaml"),
		"sidecar-patch.yaml":       find(t, parse(t, render(t, "--values", files["sidecar"])), "ConfigMap", "-patch").text("data", "patch.yaml"),
	} {
		same(t, folder(t, "manifests", name), fmt.Appendf(nil, "# Rendered from the chart: change values/, then run make manifests.\n%s", text))
	}
}
