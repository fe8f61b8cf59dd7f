package bosh

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cppforlife/go-patch/patch"
	"go.yaml.in/yaml/v3"
)

// apply patches a manifest with ops files, as `bosh deploy -o` does: those of others, then those of the release.
func apply(release, manifest string, before []string, files ...string) (any, error) {
	text, err := os.ReadFile(manifest)
	if err != nil {
		return nil, err
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	doc = loose(doc)
	files = slices.Clone(files)
	for i := range files {
		files[i] = filepath.Join(release, files[i])
	}
	for _, file := range slices.Concat(before, files) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var raw []struct {
			Type  string `yaml:"type"`
			Path  string `yaml:"path"`
			Value any    `yaml:"value"`
		}
		if err := strictly(text, &raw); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		var definitions []patch.OpDefinition
		for _, op := range raw {
			d := patch.OpDefinition{Type: op.Type, Path: &op.Path}
			if op.Type != "remove" {
				value := loose(op.Value)
				d.Value = &value
			}
			definitions = append(definitions, d)
		}
		ops, err := patch.NewOpsFromDefinitions(definitions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if doc, err = ops.Apply(doc); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return doc, nil
}

// loose turns maps into the kind that the patch library knows, and tight undoes it.
func loose(value any) any {
	switch v := value.(type) {
	case map[string]any:
		m := map[any]any{}
		for key, value := range v {
			m[key] = loose(value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = loose(v[i])
		}
		return list
	default:
		return value
	}
}

func tight(value any) any {
	switch v := value.(type) {
	case map[any]any:
		m := map[string]any{}
		for key, value := range v {
			m[fmt.Sprint(key)] = tight(value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = tight(v[i])
		}
		return list
	default:
		return value
	}
}

// find follows a path of the same language.
func find(doc any, path string) (any, error) {
	pointer, err := patch.NewPointerFromString(path)
	if err != nil {
		return nil, err
	}
	value, err := patch.FindOp{Path: pointer}.Apply(doc)
	return tight(value), err
}

var reference = regexp.MustCompile(`\(\(!?([-/\w]+)(\.\w+)?\)\)`)

// checkVariables asserts that each variable that a manifest refers to is declared in it or given with -v, that none
// of ours is declared without use, and that certificates are signed by a CA that is declared.
func checkVariables(doc any, given ...string) error {
	text, err := yaml.Marshal(tight(doc))
	if err != nil {
		return err
	}
	var manifest struct {
		Variables []struct {
			Name    string         `yaml:"name"`
			Type    string         `yaml:"type"`
			Options map[string]any `yaml:"options"`
		} `yaml:"variables"`
	}
	if err := yaml.Unmarshal(text, &manifest); err != nil {
		return err
	}
	kinds, used := map[string]string{}, map[string]bool{}
	for _, v := range manifest.Variables {
		if kinds[v.Name] != "" {
			return fmt.Errorf("variable %s is declared twice", v.Name)
		}
		kinds[v.Name] = v.Type
	}
	var errs []error
	for _, m := range reference.FindAllStringSubmatch(string(text), -1) {
		name, field := m[1], m[2]
		used[name] = true
		if slices.Contains(given, name) {
			continue
		}
		switch kinds[name] {
		case "":
			errs = append(errs, fmt.Errorf("variable %s is not declared", name))
		case "certificate":
			if !slices.Contains([]string{".ca", ".certificate", ".private_key"}, field) {
				errs = append(errs, fmt.Errorf("variable %s is a certificate and has no %q", name, field))
			}
		case "password":
			if field != "" {
				errs = append(errs, fmt.Errorf("variable %s is a password and has no %q", name, field))
			}
		}
	}
	for _, v := range manifest.Variables {
		ca, _ := v.Options["ca"].(string)
		if ca != "" && kinds[ca] != "certificate" && !reference.MatchString(ca) {
			errs = append(errs, fmt.Errorf("variable %s: its CA %s is not declared", v.Name, ca))
		}
		if strings.Contains(v.Name, "loggregator_exporter") && !used[v.Name] {
			errs = append(errs, fmt.Errorf("variable %s is declared, but not used", v.Name))
		}
	}
	for _, name := range given {
		if !used[name] {
			errs = append(errs, fmt.Errorf("variable %s is given, but not used", name))
		}
	}
	return errors.Join(errs...)
}
