package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestAlertExamples: Prometheus' own parser reads the expressions of the alerts that the documentation proposes.
func TestAlertExamples(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```yaml\n")
	block, _, ok := strings.Cut(block, "```")
	exprs := expressions(block)
	if !ok || len(exprs) != strings.Count(block, "- alert:") || len(exprs) == 0 {
		t.Fatalf("%d expressions in:\n%s", len(exprs), block)
	}
	p := parser.NewParser(parser.Options{})
	for _, e := range exprs {
		if _, err := p.ParseExpr(e); err != nil {
			t.Errorf("%s: %v", e, err)
		}
	}
}

// expressions takes the expressions out of rules, each on the line of its key or on deeper ones below it.
func expressions(rules string) []string {
	const key = "        expr: "
	var out []string
	open := false
	for line := range strings.Lines(rules) {
		switch {
		case strings.HasPrefix(line, key):
			out = append(out, strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(line, key), ">-")))
			open = true
		case open && strings.HasPrefix(line, key[:8]+"  "):
			out[len(out)-1] += " " + strings.TrimSpace(line)
		default:
			open = false
		}
	}
	return out
}
