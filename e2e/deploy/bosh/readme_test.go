package bosh

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/e2e/peer"
)

// commands are the command lines of a page's indented blocks that begin with one of some words, continued lines
// joined.
func commands(page string, words ...string) []string {
	var all []string
	joined := strings.ReplaceAll(page, "\\\n", " ")
	for line := range strings.SplitSeq(joined, "\n") {
		command := strings.TrimSpace(line)
		if strings.HasPrefix(line, "    ") &&
			slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(command, word) }) {
			all = append(all, command)
		}
	}
	return all
}

var (
	opsFile  = regexp.MustCompile(`-o deploy/bosh/operations/(\S+)`)
	variable = regexp.MustCompile(`-v '?(\w+)=`)
	ours     = regexp.MustCompile(`deploy/bosh/[-\w/.]+`)
	relative = regexp.MustCompile(`\]\(([^):#]+)[^):]*\)`)
)

// What the README tells to run works on the manifests that it names: its ops files apply in that order, and its
// variables are those that are needed.
func TestReadme(t *testing.T) {
	release := releaseDir(t)
	text, err := os.ReadFile(filepath.Join(release, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	deploys := 0
	for _, command := range commands(page, "bosh ") {
		if !strings.Contains(command, " deploy ") {
			continue
		}
		deploys++
		o := operation{manifest: "cf-deployment.yml"}
		if strings.Contains(command, "prometheus-boshrelease") {
			o.manifest = "prometheus.yml"
		}
		if strings.Contains(command, "/experimental/add-otel-collector.yml") {
			o.theirs = "add-otel-collector.yml"
		}
		for _, m := range opsFile.FindAllStringSubmatch(command, -1) {
			o.files = append(o.files, filepath.Join("operations", m[1]))
		}
		for _, m := range variable.FindAllStringSubmatch(command, -1) {
			o.given = append(o.given, m[1])
		}
		if _, err := o.check(release); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	if deploys < 9 {
		t.Errorf("found only %d deployments", deploys)
	}
	if got := commands(page, "deploy/bosh/scripts/"); !slices.Equal(got, []string{"deploy/bosh/scripts/create-release"}) {
		t.Errorf("scripts to run: %q; TestPackage runs another", got)
	}
	for _, path := range ours.FindAllString(page, -1) {
		if strings.Contains(path, "packages/golang-1-linux") { // made by create-release
			continue
		}
		if _, err := os.Stat(filepath.Join(peer.Root(t), strings.TrimRight(path, "."))); err != nil {
			t.Error(err)
		}
	}
	for _, m := range relative.FindAllStringSubmatch(page, -1) {
		if _, err := os.Stat(filepath.Join(release, m[1])); err != nil {
			t.Error(err)
		}
	}
	checkMentions(t, page)
}

// checkMentions asserts that no ops file is left out, and that each message that the README explains is one that is
// told.
func checkMentions(t *testing.T, page string) {
	t.Helper()
	for _, o := range operations() {
		for _, file := range o.files {
			if !strings.Contains(page, file) {
				t.Errorf("the README does not mention %s", file)
			}
		}
		for _, name := range o.given {
			short := strings.TrimPrefix(name, "loggregator_exporter_remote_write")
			if !strings.Contains(page, name) && !strings.Contains(page, "`..."+short+"`") {
				t.Errorf("the README does not mention the variable %s", name)
			}
		}
	}
	for _, s := range nozzleSets(newAuthority(t)) {
		if strings.Contains(s.wrong, "needs the link") && !strings.Contains(page, "`"+s.wrong+"`") {
			t.Errorf("the README does not explain %q", s.wrong)
		}
	}
}
