package prometheus

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

func folder(t *testing.T) string {
	t.Helper()
	return filepath.Join(peer.Root(t), "deploy", "prometheus")
}

// files returns those of a folder below deploy/prometheus, of which there must be some.
func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder(t), dir, "*.yml"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	return found
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rule is an alert or a recording rule; promtool finds what it does not know.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

// rules are all of all files.
func rules(t *testing.T) (alerts, records []rule) {
	t.Helper()
	for _, file := range files(t, "rules") {
		var content struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal(read(t, file), &content); err != nil {
			t.Fatal(file, err)
		}
		for _, g := range content.Groups {
			for _, r := range g.Rules {
				if r.Alert != "" {
					alerts = append(alerts, r)
				} else {
					records = append(records, r)
				}
			}
		}
	}
	return alerts, records
}

// TestReadme runs the commands of the README as they stand there, in a copy of the repository's folder: promtool
// accepts the rules, and its tests of them succeed, with links of one's own as well.
func TestReadme(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "deploy", "prometheus"), os.DirFS(folder(t))); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(peer.Promtool().File(t), filepath.Join(bin, "promtool")); err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, m := range regexp.MustCompile(`(?m)^    ((?:sed|promtool) .*)$`).FindAllStringSubmatch(string(read(t, filepath.Join(folder(t), "README.md"))), -1) {
		commands = append(commands, m[1])
	}
	if len(commands) != 3 {
		t.Fatalf("%d commands in the README: %q", len(commands), commands)
	}
	run := func(command string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", command)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	run("promtool check config --lint=all --lint-fatal deploy/prometheus/prometheus.yml")
	for _, command := range commands[1:] {
		run(command)
	}
	run(commands[0])
	run("sed -i 's|runbook_url: .docs/|runbook_url: '\\''https://git.example.com/loggregator_exporter/blob/main/docs/|' deploy/prometheus/tests/*.yml")
	for _, command := range commands[1:] {
		run(command)
	}
}

// unitTests is what matters here of a file of promtool's tests.
type unitTests struct {
	Tests []struct {
		Name        string
		InputSeries []struct{ Series string } `yaml:"input_series"`
		Alerts      []struct {
			Name     string      `yaml:"alertname"`
			Expected []yaml.Node `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
		Expressions []struct {
			Expr    string
			Samples []yaml.Node `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

// TestEveryRuleIsTested: for each alert there is a case in which it fires and one in which it does not although all
// metrics are there, and for each recording rule one that says its values.
func TestEveryRuleIsTested(t *testing.T) {
	fires, quiet, recorded := map[string][]string{}, map[string][]string{}, map[string]bool{}
	for _, file := range files(t, "tests") {
		var content unitTests
		if err := yaml.Unmarshal(read(t, file), &content); err != nil {
			t.Fatal(file, err)
		}
		for _, c := range content.Tests {
			var names []string
			for _, s := range c.InputSeries {
				name, _, _ := strings.Cut(s.Series, "{")
				names = append(names, name)
			}
			for _, a := range c.Alerts {
				if len(a.Expected) > 0 {
					fires[a.Name] = append([]string{}, names...)
				} else if len(names) > 0 {
					quiet[a.Name] = names
				}
			}
			for _, e := range c.Expressions {
				if len(e.Samples) > 0 {
					name, _, _ := strings.Cut(e.Expr, "{")
					recorded[name] = true
				}
			}
		}
	}
	alerts, records := rules(t)
	seen := map[string]bool{}
	for _, a := range alerts {
		if seen[a.Alert] {
			t.Errorf("%s stands twice", a.Alert)
		}
		seen[a.Alert] = true
		series, ok := fires[a.Alert]
		if !ok {
			t.Errorf("no case in which %s fires", a.Alert)
		}
		if quiet[a.Alert] == nil {
			t.Errorf("no case in which %s stays quiet", a.Alert)
		}
		for _, name := range series {
			if !slices.Contains(quiet[a.Alert], name) {
				t.Errorf("%s stays quiet because there is no %s", a.Alert, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fires)) {
		if !seen[name] {
			t.Errorf("a case of %s, which is no alert", name)
		}
	}
	for _, r := range records {
		if !recorded[r.Record] {
			t.Errorf("no case with values of %s", r.Record)
		}
	}
}

var severities = []string{"critical", "warning"}

// TestAlertsAreWhole: each has its severity, its texts, and its section in the runbook; the runbook has no section
// that no alert leads to.
func TestAlertsAreWhole(t *testing.T) {
	sections := map[string]string{} // text by heading
	var heading string
	for line := range strings.Lines(string(read(t, filepath.Join(peer.Root(t), "docs", "runbook.md")))) {
		if title, ok := strings.CutPrefix(line, "### "); ok {
			heading = strings.TrimSpace(title)
			sections[heading] = ""
		} else if strings.HasPrefix(line, "## ") {
			heading = ""
		} else if heading != "" {
			sections[heading] += line
		}
	}
	alerts, _ := rules(t)
	for _, a := range alerts {
		if !slices.Contains(severities, a.Labels["severity"]) || len(a.Labels) != 1 {
			t.Errorf("%s: labels %v, want a severity of %v", a.Alert, a.Labels, severities)
		}
		want := map[string]string{"runbook_url": "docs/runbook.md#" + strings.ToLower(a.Alert)}
		for _, key := range []string{"summary", "description"} {
			if want[key] = a.Annotations[key]; want[key] == "" {
				t.Errorf("%s has no %s", a.Alert, key)
			}
		}
		if !maps.Equal(a.Annotations, want) {
			t.Errorf("%s: annotations %v, want %v", a.Alert, a.Annotations, want)
		}
		text, ok := sections[a.Alert]
		if !ok {
			t.Errorf("%s has no section in the runbook", a.Alert)
		}
		for _, part := range []string{"**Meaning.**", "**Impact.**", "**Diagnosis.**", "**Mitigation.**"} {
			if ok && strings.Count(text, part) != 1 {
				t.Errorf("%s: the runbook has %d parts %s", a.Alert, strings.Count(text, part), part)
			}
		}
		delete(sections, a.Alert)
	}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		t.Errorf("the runbook has a section %s, which is no alert", name)
	}
}

// selectors are all that an expression asks for, by metric name; one that asks for several by a pattern stands under
// each.
func selectors(t *testing.T, text string) map[string][]*labels.Matcher {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out := map[string][]*labels.Matcher{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		var names []string
		var others []*labels.Matcher
		for _, m := range s.LabelMatchers {
			if m.Name == model.MetricNameLabel {
				names = strings.Split(m.Value, "|")
			} else {
				others = append(others, m)
			}
		}
		for _, name := range names {
			out[name] = append(out[name], others...)
		}
		return nil
	})
	return out
}
