package compose

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"loggregator_exporter/e2e/deploy/service"
	"loggregator_exporter/e2e/peer"
)

// layout copies what is mounted below a folder of a service to a folder of the test.
func layout(t *testing.T, s *types.ServiceConfig, below string) string {
	t.Helper()
	dir := t.TempDir()
	for _, v := range s.Volumes {
		name, ok := strings.CutPrefix(v.Target, below)
		if !ok || v.Type != types.VolumeTypeBind {
			continue
		}
		info, err := os.Stat(v.Source)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			err = os.CopyFS(filepath.Join(dir, name), os.DirFS(v.Source))
		} else {
			var text []byte
			if text, err = os.ReadFile(v.Source); err == nil {
				err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestScrape runs the exporter and Prometheus with the commands of the project, where only addresses and folders are
// others: the rules load, and the metric of all components arrives with its labels.
func TestScrape(t *testing.T) {
	project := load(t, nil, "compose.yaml")
	exporter, server := project.Services["exporter"], project.Services["prometheus"]
	dir := layout(t, &server, "/etc/prometheus")
	file := filepath.Join(dir, "prometheus.yml")
	if out, err := exec.CommandContext(t.Context(), peer.Promtool().File(t), "check", "config", "--lint=all", "--lint-fatal", file).
		CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	replace := strings.NewReplacer(
		"=:9286",
		"=127.0.0.1:0",
		"/etc/prometheus",
		dir,
		"=/prometheus",
		"="+filepath.Join(dir, "data"),
	)
	rewrite := func(command []string) []string {
		args := make([]string, len(command))
		for i, word := range command {
			args[i] = replace.Replace(word)
		}
		return args
	}
	ctx := context.WithoutCancel(t.Context())
	demo := service.Start(
		t,
		exec.CommandContext(ctx, peer.Exporter(t), rewrite(exporter.Command)...),
		`the exporter serves at (127\.0\.0\.1:\d+)`,
	)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(
		strings.NewReplacer("exporter:9286", demo.Found[0], "scrape_interval: 15s", "scrape_interval: 1s", "evaluation_interval: 30s", "evaluation_interval: 1s").
			Replace(string(text)),
	)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	prometheus := peer.Start(
		t,
		regexp.MustCompile(`Listening on" component=web address=(\S+)`),
		peer.Prometheus().File(t),
		append(rewrite(server.Command), "--web.listen-address=127.0.0.1:0")...)
	api := "http://" + prometheus.Found + "/api/v1/"
	service.Until(t, "the metric of all components", func() bool {
		_, body := service.Get(
			t,
			api+"query?query="+url.QueryEscape("count(count(cf_num_bytes_allocated)by(component)) > 20"),
		)
		return strings.Contains(body, `"value":`)
	})
	service.Until(t, "the rules, evaluated", func() bool {
		_, body := service.Get(t, api+"rules")
		return strings.Contains(body, `"health":"ok"`) && !strings.Contains(body, `"health":"unknown"`)
	})
	if _, body := service.Get(
		t,
		api+"rules",
	); strings.Contains(body, `"health":"err"`) ||
		strings.Count(body, `"type":"alerting"`) < 5 {
		t.Error(body)
	}
	check := rewrite(server.HealthCheck.Test)
	for i := range check {
		check[i] = strings.Replace(check[i], "localhost:9090", prometheus.Found, 1)
	}
	if check[0] != "CMD" || check[1] != "promtool" {
		t.Fatal(check)
	}
	if out, err := exec.CommandContext(t.Context(), peer.Promtool().File(t), check[2:]...).CombinedOutput(); err != nil {
		t.Errorf("health check: %v\n%s", err, out)
	}
}
