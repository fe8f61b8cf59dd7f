package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// migrateBlock matches a block of docs/migrate.md: a file with its name, or a console.
var migrateBlock = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

// TestMigrateDocumentation runs the examples of docs/migrate.md in their order. A file that a command has written must be
// as the page shows it; any other is written. A command may read a file as standard input.
func TestMigrateDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/migrate.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	commands := 0
	for _, b := range migrateBlock.FindAllStringSubmatch(string(text), -1) {
		language, name, content := b[1], b[2], b[3]
		if language != "console" {
			showFile(t, name, content)
			continue
		}
		commands++
		line, want, _ := strings.Cut(content, "\n")
		arguments, input, _ := strings.Cut(strings.TrimPrefix(line, "$ exporter "), " < ")
		var stdin []byte
		if input != "" {
			if stdin, err = os.ReadFile(input); err != nil {
				t.Fatal(err)
			}
		}
		var out, errs bytes.Buffer
		execute(strings.Fields(arguments), bytes.NewReader(stdin), &out, &errs)
		if out.String() != want {
			t.Errorf("%s\n%s%s\nwant\n%s", line, out.String(), errs.String(), want)
		}
	}
	if commands == 0 {
		t.Error("the page has no commands")
	}
}

func showFile(t *testing.T, name, content string) {
	t.Helper()
	if got, err := os.ReadFile(name); err == nil {
		if string(got) != content {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, content)
		}
		return
	}
	if filepath.Dir(name) != "." {
		t.Fatalf("no command has written %s", name)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
