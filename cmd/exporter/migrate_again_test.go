package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestMigrateOwnDocuments: the dashboards and rules of deploy, which have the new names, stay as they are.
func TestMigrateOwnDocuments(t *testing.T) {
	status, out, errs := command(t, "migrate", "../../deploy/grafana/dashboards", "../../deploy/prometheus/rules")
	if status != 0 || errs != "" {
		t.Errorf("status %d: %s", status, errs)
	}
	files := 0
	for line := range strings.Lines(out) {
		files++
		if !strings.Contains(line, ": 0 of ") || !strings.HasSuffix(line, " queries rewritten\n") {
			t.Error(line)
		}
	}
	if files < 10 {
		t.Errorf("%d files", files)
	}
}

// TestMigrateTwice: what was migrated is not changed again.
func TestMigrateTwice(t *testing.T) {
	cases, err := filepath.Glob("../../migrate/rewrite/testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal(cases, err)
	}
	dir := t.TempDir()
	names := make([]string, 0, len(cases))
	for _, c := range cases {
		archive, err := txtar.ParseFile(c)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(c), ".txtar") + filepath.Ext(archive.Files[0].Name)
		if err := os.WriteFile(filepath.Join(dir, name), archive.Files[0].Data, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	once, twice := filepath.Join(dir, "once"), filepath.Join(dir, "twice")
	_, first, errs := command(t, "migrate", "--output", once, dir)
	_, second, _ := command(t, "migrate", "--output", twice, once)
	for _, name := range names {
		before, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		migrated, err := os.ReadFile(filepath.Join(once, name))
		if err != nil {
			t.Fatalf("%v: %s", err, errs)
		}
		again, err := os.ReadFile(filepath.Join(twice, name))
		if err != nil || !bytes.Equal(migrated, again) || bytes.Equal(before, migrated) {
			t.Errorf("%s: %v\n%s\n%s", name, err, first, second)
		}
	}
}

// TestMigrateListHasNoControlCharacters: titles and queries reach a terminal as visible text.
func TestMigrateListHasNoControlCharacters(t *testing.T) {
	file := filepath.Join(t.TempDir(), "d.json")
	text := `{"panels": [{"id": 1, "title": "T", "targets": [{"refId": "\u001b[2J", "expr": "firehose_\u001bx"}]}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, out, _ := command(t, "migrate", file)
	for _, want := range []string{`query \x1b[2J`, `firehose_\x1bx`} {
		if !strings.Contains(out, want) || strings.Contains(out, "\x1b") {
			t.Errorf("%q, want %q in it, and no control characters", out, want)
		}
	}
}
