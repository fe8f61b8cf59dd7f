package migrate

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

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
