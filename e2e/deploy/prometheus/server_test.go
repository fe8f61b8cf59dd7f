package prometheus

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// startDemo runs the demo until every VM has told of itself, and returns the exporter's address.
func startDemo(t *testing.T, exporter string) string {
	t.Helper()
	said := regexp.MustCompile(`for Prometheus +static_configs: \[\{targets: \["([^"]+)"\]\}\]`)
	return peer.Start(t, said, exporter, "demo", "--web.listen_address", "127.0.0.1:0").Found
}

// TestServer: a real Prometheus with the configuration of the README reads the demo; all rules are evaluated without
// an error, all recording rules have data, and no alert fires or is about to: the demo simulates a foundation that
// is well.
func TestServer(t *testing.T) {
	address := startServer(t, startDemo(t, peer.Exporter(t)))
	_, records := rules(t)
	alerts, _ := rules(t)
	ctx := peer.Within(t, 10*time.Minute)
	waiting := map[string]bool{}
	for _, r := range records {
		waiting[r.Record] = true
	}
	peer.Until(ctx, t, "data of all recording rules", func() string {
		for name := range waiting {
			var answer struct{ Data struct{ Result []any } }
			ask(t, address, "/api/v1/query?"+url.Values{"query": {name}}.Encode(), &answer)
			if len(answer.Data.Result) > 0 {
				delete(waiting, name)
			}
		}
		return strings.Join(slices.Sorted(maps.Keys(waiting)), " ")
	})
	// On a busy machine a scrape may fail that has a second only; what that sets off ends by itself.
	peer.Until(ctx, t, "rules that are well", func() string { return unsettled(t, address, len(alerts)+len(records)) })
}

// unsettled says which rule is not evaluated or, as an alert, not inactive.
func unsettled(t *testing.T, address string, count int) string {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct {
					Name, Health, LastError, State, Type string
					Alerts                               []struct{ Annotations map[string]string }
				}
			}
		}
	}
	ask(t, address, "/api/v1/rules", &answer)
	evaluated := 0
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			evaluated++
			if r.Health != "ok" || r.LastError != "" {
				return fmt.Sprintf("%s: %s %s", r.Name, r.Health, r.LastError)
			}
			if r.Type == "alerting" && r.State != "inactive" {
				return fmt.Sprintf("%s is %s on a foundation that is well: %v", r.Name, r.State, r.Alerts)
			}
		}
	}
	if evaluated != count {
		return fmt.Sprintf("%d rules are loaded of %d", evaluated, count)
	}
	return ""
}

// startServer runs Prometheus with prometheus.yml and the rules as they stand, but for the address of the exporter
// and a faster pace.
func startServer(t *testing.T, exporter string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder(t))); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := string(read(t, config))
	for old, replacement := range map[string]string{
		"localhost:9286": exporter, "scrape_interval: 15s": "scrape_interval: 1s", "evaluation_interval: 30s": "evaluation_interval: 1s",
	} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%s is not once in prometheus.yml", old)
		}
		text = strings.Replace(text, old, replacement, 1)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := peer.Start(t, regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:\d+)`), peer.Prometheus().File(t),
		"--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0").Found
	peer.AwaitReady(peer.Within(t, peer.Patience), t, "http://"+address)
	return address
}

func ask(t *testing.T, address, path string, answer any) {
	t.Helper()
	if err := json.Unmarshal(peer.Get(t, "http://"+address+path).Body, answer); err != nil {
		t.Fatal(err)
	}
}
