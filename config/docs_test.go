package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	docsPath   = "../docs/configuration.md"
	docsMarker = "<!-- settings -->\n"
)

// TestDocs compares the reference in the documentation with the table of settings; -update writes it.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	prose, got, ok := strings.Cut(string(text), docsMarker)
	if !ok {
		t.Fatalf("%s lacks %q, after which the reference stands", docsPath, docsMarker)
	}
	want := reference()
	if *update {
		writeFile(t, docsPath, prose+docsMarker+want)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run go test ./config -update (-want +got):\n%s", diff)
	}
}

// TestDocsFile loads the file of all defaults that the documentation shows: it must be the default configuration.
func TestDocsFile(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "c.yml", allDefaults())
	cfg, _, err := load(t, "-c", "c.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.File = "c.yml"
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error(diff)
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString("\n## All settings\n")
	section := ""
	for _, s := range Settings() {
		if top, _, _ := strings.Cut(s.Key, "."); top != section {
			section = top
			fmt.Fprintf(&b, "\n### %s\n\n| key | type | default | description |\n|---|---|---|---|\n", section)
		}
		kind := s.Kind.String()
		if s.Values != nil {
			kind += ": `" + strings.Join(s.Values, "`, `") + "`"
		}
		def := "`" + strings.ReplaceAll(plain(s.Default), ",", ", ") + "`"
		if def == "``" {
			def = "(empty)"
		}
		if s.DefaultText != "" {
			def = s.DefaultText
		}
		help := s.Help
		if !s.Kind.inFlags() {
			help += " Only in the file, for example `" + s.Example + "`."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key, kind, def, help)
	}
	b.WriteString("\n### Variables and flags\n\n| variable | flag |\n|---|---|\n")
	fmt.Fprintf(&b, "| `%s` | `--%s` |\n", configEnv, configFlag)
	for _, s := range Settings() {
		if s.Kind.inFlags() {
			fmt.Fprintf(&b, "| `%s` | `--%s` |\n", s.Env(), s.Flag())
		}
	}
	b.WriteString("\n## A file with all defaults\n\n```yaml\n" + allDefaults() + "```\n")
	return b.String()
}

// allDefaults is a configuration file that says what holds anyway. What depends on other settings is left out.
func allDefaults() string {
	var b strings.Builder
	var open []string
	for _, s := range Settings() {
		words := strings.Split(s.Key, ".")
		parents := words[:len(words)-1]
		for i, p := range parents {
			if i >= len(open) || strings.Join(open[:i+1], ".") != strings.Join(parents[:i+1], ".") {
				fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", i), p)
			}
		}
		open = parents
		comment := ""
		if s.DefaultText != "" {
			comment = "# "
		}
		fmt.Fprintf(&b, "%s%s%s: %s\n", strings.Repeat("  ", len(parents)), comment, words[len(words)-1],
			yamlText(s.Default))
	}
	return b.String()
}

func yamlText(value any) string {
	switch v := value.(type) {
	case string:
		if v == "" || strings.Contains(v, ":") || v[0] >= '0' && v[0] <= '9' {
			return fmt.Sprintf("%q", v)
		}
		return v
	case []string, []float64, []any:
		return "[" + strings.ReplaceAll(plain(v), ",", ", ") + "]"
	case time.Duration:
		return plain(v)
	default:
		return fmt.Sprint(v)
	}
}
