package cloudfoundry

import (
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns" // for dns_sd_configs

	"loggregator_exporter/e2e/deploy/service"
	"loggregator_exporter/e2e/peer"
)

// TestScrapeConfigs: Prometheus' own reader, which is strict, takes the files that the README names.
func TestScrapeConfigs(t *testing.T) {
	for file, jobs := range map[string]int{"prometheus-internal.yml": 1, "prometheus-route.yml": 2} {
		c, err := config.Load(read(t, filepath.Join(folder(t), file)), slog.New(slog.DiscardHandler))
		if err != nil || len(c.ScrapeConfigs) != jobs {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestRoute: Prometheus scrapes each instance through the router, with the README's file, in which only the
// addresses are others.
func TestRoute(t *testing.T) {
	f, r := platform(t)
	droplet, command := stage(t)
	const guid = "1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9"
	for n, index := range []string{"0", "1"} {
		i := start(t, droplet, command, n, credentials(t, f), r)
		to, err := url.Parse(i.url)
		if err != nil {
			t.Fatal(err)
		}
		r.register(guid+":"+index, to)
	}
	dir := t.TempDir()
	text := strings.NewReplacer("<guid>", guid, appRoute, strings.TrimPrefix(r.apps.URL, "http://"), "scheme: https", "scheme: http, scrape_interval: 1s, scrape_timeout: 1s").
		Replace(read(t, filepath.Join(folder(t), "prometheus-route.yml")))
	text = regexp.MustCompile(`(?m)^( +)scheme: http, scrape_interval: 1s, scrape_timeout: 1s$`).
		ReplaceAllString(text, "${1}scheme: http\n${1}scrape_interval: 1s\n${1}scrape_timeout: 1s")
	for name, content := range map[string]string{"prometheus.yml": text, "exporter_password": "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	prometheus := peer.Start(
		t,
		regexp.MustCompile(`Listening on" component=web address=(\S+)`),
		peer.Prometheus().File(t),
		"--config.file="+filepath.Join(
			dir,
			"prometheus.yml",
		),
		"--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0",
	)
	for _, index := range []string{"0", "1"} {
		query := `up{job="loggregator_exporter",instance="loggregator-exporter/` + index + `"} == 1 and on(instance) count by (instance) ({__name__=~"cf_.+"}) > 500`
		service.Until(t, "instance "+index+" in Prometheus", func() bool {
			status, body := service.Get(t, "http://"+prometheus.Found+"/api/v1/query?query="+url.QueryEscape(query))
			return status == 200 && strings.Contains(body, `"value":`)
		})
	}
}
