package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	markdownLink    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	markdownCode    = regexp.MustCompile("`[^`]*`")
	markdownHeading = regexp.MustCompile(`^#{1,6} +(.*)$`)
	notInAnchor     = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// markdownPage is what links of a Markdown file lead to, and what can be linked to in it.
type markdownPage struct {
	links   map[string]int // target: line
	anchors map[string]bool
}

// TestLinks follows every link of every page to a file of the repository, and to a heading in it.
func TestLinks(t *testing.T) {
	pages := map[string]markdownPage{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		// A CI may keep its caches of others' sources in a hidden folder.
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != root || entry.Name() == "testdata" || entry.Name() == "bin"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			pages[path] = readMarkdown(string(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for path, p := range pages {
		for link, line := range p.links {
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			followed++
			file, anchor, _ := strings.Cut(link, "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s:%d: %s leads nowhere: %v", path, line, link, err)
			} else if anchor != "" && !pages[target].anchors[anchor] {
				t.Errorf("%s:%d: %s leads to no heading", path, line, link)
			}
		}
	}
	if followed < 100 {
		t.Errorf("%d links were found, which cannot be all", followed)
	}
}

// readMarkdown leaves out blocks of code. Anchors are made as GitHub and GitLab make them of headings.
func readMarkdown(text string) markdownPage {
	p := markdownPage{links: map[string]int{}, anchors: map[string]bool{}}
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		if m := markdownHeading.FindStringSubmatch(line); m != nil {
			anchor := strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
			unique := anchor
			for n := 1; p.anchors[unique]; n++ {
				unique = anchor + "-" + strconv.Itoa(n)
			}
			p.anchors[unique] = true
		}
		// The text of a link may be code, its target is not.
		for _, m := range markdownLink.FindAllStringSubmatch(markdownCode.ReplaceAllString(line, ""), -1) {
			p.links[m[1]] = i + 1
		}
	}
	return p
}
