// Package readme takes the commands out of a document, so that tests run what users are told to run.
package readme

import (
	"os"
	"strings"
	"testing"
)

// Blocks returns the fenced blocks of a language in a Markdown file, in order, each without its fences.
func Blocks(t *testing.T, file, language string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	open, ours := false, false
	for line := range strings.Lines(string(text)) {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && !open:
			open, ours = true, fence == language
			if ours {
				blocks = append(blocks, "")
			}
		case isFence:
			open, ours = false, false
		case ours:
			blocks[len(blocks)-1] += line
		}
	}
	if open {
		t.Fatalf("%s: a block has no end", file)
	}
	return blocks
}

// Commands returns the commands of the blocks of a language, one a line; lines that end in a backslash are joined
// with the next, comments are left out. Each must be in known, which says of each whether the tests run it, so that
// a new command cannot go unnoticed; what is in known must be in the file.
func Commands(t *testing.T, file, language string, known map[string]bool) []string {
	t.Helper()
	var run []string
	seen := map[string]bool{}
	for _, block := range Blocks(t, file, language) {
		for line := range strings.SplitSeq(strings.ReplaceAll(block, "\\\n", " "), "\n") {
			command := strings.Join(strings.Fields(line), " ")
			if command == "" || strings.HasPrefix(command, "#") {
				continue
			}
			here, ok := known[command]
			if !ok {
				t.Errorf("%s: no test says whether it runs %q", file, command)
			}
			if seen[command] = true; here {
				run = append(run, command)
			}
		}
	}
	for command := range known {
		if !seen[command] {
			t.Errorf("%s has no command %q any more", file, command)
		}
	}
	return run
}
