package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// migrateBlock matches a block of a page that is run: a file with its name, or a console.
var migrateBlock = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

// TestMigrateDocumentation runs the examples of docs/migrate.md and docs/firehose-exporter.md in their order. A file that
// a command has written must be as the page shows it; any other is written. A command may read a file as standard input.
func TestMigrateDocumentation(t *testing.T) {
	for _, page := range []string{"migrate.md", "firehose-exporter.md"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(page, func(t *testing.T) { runPage(t, string(text)) })
	}
}

func runPage(t *testing.T, text string) {
	t.Helper()
	t.Chdir(t.TempDir())
	commands := 0
	for _, b := range migrateBlock.FindAllStringSubmatch(text, -1) {
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
			var err error
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
	if strings.HasPrefix(name, "migrated/") {
		t.Fatalf("no command has written %s", name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
