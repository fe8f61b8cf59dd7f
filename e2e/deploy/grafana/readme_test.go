package grafana

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/e2e/peer"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(peer.Root(t), "deploy", "grafana", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The import by Grafana's API, as the README has it, sends every dashboard with the token.
func TestImport(t *testing.T) {
	var mu sync.Mutex
	var uids []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Overwrite bool
			Dashboard struct{ UID string }
		}
		err := json.NewDecoder(r.Body).Decode(&body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/api/dashboards/db" || r.Header.Get("Authorization") != "Bearer secret" || !body.Overwrite {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		uids = append(uids, body.Dashboard.UID)
	}))
	defer server.Close()
	_, script, _ := strings.Cut(readme(t), "\n    for ")
	script, _, ok := strings.Cut(script, "\n    done\n")
	if !ok {
		t.Fatal("no loop in the README")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", "for "+script+"\ndone")
	cmd.Dir = filepath.Dir(folder(t))
	cmd.Env = append(os.Environ(), "GRAFANA_TOKEN=secret", "GRAFANA_URL="+server.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var want []string
	for _, name := range wanted {
		want = append(want, "cf-"+name)
	}
	if !slices.Equal(uids, want) {
		t.Errorf("imported %q, want %q", uids, want)
	}
}

// The provisioning that the README proposes has the keys that Grafana knows.
func TestProvisioning(t *testing.T) {
	_, text, _ := strings.Cut(readme(t), "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type string
			AllowUIUpdates     bool `yaml:"allowUiUpdates"`
			Options            struct{ Path string }
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil || file.APIVersion != 1 || len(file.Providers) != 1 || file.Providers[0].Type != "file" || file.Providers[0].Options.Path == "" {
		t.Errorf("%v: %+v", err, file)
	}
}

// The README names every dashboard.
func TestReadmeNamesDashboards(t *testing.T) {
	text := readme(t)
	for _, name := range wanted {
		if !strings.Contains(text, "| `"+name+".json` |") {
			t.Errorf("no row for %s", name)
		}
	}
}
