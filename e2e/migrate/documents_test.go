package migrate

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana-tools/sdk"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/dashboardv2beta1"

	"loggregator_exporter/e2e/peer"
)

// inArchive matches the line before a file of an archive of txtar.
var inArchive = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

// TestMigratedDocuments: the documents that the tests of migrate/rewrite migrate are valid before and after, as strictly
// as Grafana's own schema and promtool say.
func TestMigratedDocuments(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for name, check := range map[string]func(*testing.T, []byte){
		"grafana12_2025": checkDashboard,
		"grafana4_2017":  checkOlderDashboard,
		"grafana6_2019":  checkOlderDashboard,
		"second_schema":  checkSecondSchema,
		"rules":          checkRules,
	} {
		t.Run(name, func(t *testing.T) {
			archive, err := os.ReadFile(filepath.Join(peer.Root(t), "migrate", "rewrite", "testdata", name+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			files := inArchive.FindAllSubmatchIndex(archive, -1)
			if len(files) != 3 {
				t.Fatalf("%d files, want the document before and after, and the report", len(files))
			}
			for i, f := range files[:2] {
				t.Run(string(archive[f[2]:f[3]]), func(t *testing.T) { check(t, archive[f[1]:files[i+1][0]]) })
			}
		})
	}
}

func checkDashboard(t *testing.T, text []byte) {
	t.Helper()
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict(text); err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

// checkOlderDashboard reads a dashboard as a client of Grafana 4 to 8 does, whose queries must be there before and after.
func checkOlderDashboard(t *testing.T, text []byte) {
	t.Helper()
	var exported struct{ Dashboard json.RawMessage }
	if err := json.Unmarshal(text, &exported); err == nil && exported.Dashboard != nil {
		text = exported.Dashboard
	}
	var board sdk.Board
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	panels := board.Panels
	for _, row := range board.Rows {
		for i := range row.Panels {
			panels = append(panels, &row.Panels[i])
		}
	}
	for _, p := range board.Panels {
		if p.RowPanel != nil {
			for i := range p.Panels {
				panels = append(panels, &p.Panels[i])
			}
		}
	}
	queries := 0
	for _, p := range panels {
		if targets := p.GetTargets(); targets != nil {
			for i := range *targets {
				checkQuery(t, (*targets)[i].Expr)
				queries++
			}
		}
	}
	if queries < 4 || len(board.Templating.List) < 3 {
		t.Errorf("%d queries, %d variables", queries, len(board.Templating.List))
	}
	for i := range board.Annotations.List {
		checkQuery(t, board.Annotations.List[i].Expr)
	}
}

// checkQuery says that the one query of the documents that stays is the only one with an old name once they are migrated.
func checkQuery(t *testing.T, expr string) {
	t.Helper()
	if expr == "" {
		t.Error("an empty query")
	}
	old := strings.Contains(expr, "firehose_") && !strings.Contains(expr, "firehose_value_metric_shop_basket_size")
	if strings.HasSuffix(t.Name(), "/out.json") && old {
		t.Errorf("it stays: %s", expr)
	}
}

func checkSecondSchema(t *testing.T, text []byte) {
	t.Helper()
	var resource struct{ Spec json.RawMessage }
	if err := json.Unmarshal(text, &resource); err != nil {
		t.Fatal(err)
	}
	var d dashboardv2beta1.Dashboard
	if err := d.UnmarshalJSONStrict(resource.Spec); err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

func checkRules(t *testing.T, text []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), peer.Promtool().File(t), "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
