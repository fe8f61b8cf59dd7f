package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloudfoundry/dropsonde/emitter"
	"github.com/cloudfoundry/dropsonde/metric_sender"

	"loggregator_exporter/config"
)

// reloadable is a service with a rule file that the test changes.
type reloadable struct {
	t     *testing.T
	rules string
	url   string
	send  *metric_sender.MetricSender
}

func startReloadable(t *testing.T) (*reloadable, func()) {
	t.Helper()
	s := &reloadable{t: t, rules: filepath.Join(t.TempDir(), "rules.yaml")}
	cfg := func() *config.Config {
		cfg := testConfig()
		cfg.Web.EnableLifecycle = true
		cfg.Tagger.RulesFiles = []string{s.rules}
		return cfg
	}
	s.write(`rules: [{pattern: mine, name: one}]`)
	r, stop := startReloading(t, cfg(), func() (*config.Config, error) { return cfg(), nil },
		slog.New(slog.DiscardHandler))
	s.url = "http://" + r.Web.String()
	udp, err := emitter.NewUdpEmitter(r.Listening["udp"].String())
	if err != nil {
		t.Fatal(err)
	}
	events := emitter.NewEventEmitter(udp, "o")
	s.send = metric_sender.NewMetricSender(events)
	return s, func() {
		events.Close()
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// write replaces the rule file as editors and deployments do: by another file of its name.
func (s *reloadable) write(rules string) {
	s.t.Helper()
	next := s.rules + ".next"
	if err := os.WriteFile(next, []byte(rules), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, s.rules); err != nil {
		s.t.Fatal(err)
	}
}

// await sends the metric until a scrape shows it as wanted; the test's own timeout ends it.
func (s *reloadable) await(want string) {
	s.t.Helper()
	for {
		if err := s.send.SendValue("mine", 1, ""); err != nil {
			s.t.Fatal(err)
		}
		if _, page := fetch(s.t, s.url+"/metrics"); strings.Contains(page, want) {
			return
		}
	}
}

func (s *reloadable) post() (int, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/-/reload", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body := make([]byte, 1000)
	n, _ := response.Body.Read(body)
	return response.StatusCode, string(body[:n])
}

// Rules are reloaded by request, by SIGHUP and when their file changes; broken ones leave everything as it is.
func TestReload(t *testing.T) {
	s, stop := startReloadable(t)
	defer stop()
	s.await("\ncf_one{")

	s.write(`rules: [{pattern: mine, name: two}]`)
	if status, body := s.post(); status != 200 || body != "OK\n" {
		t.Errorf("%d %s", status, body)
	}
	s.await("\ncf_two{")
	if _, page := fetch(t, s.url+"/metrics"); strings.Contains(page, "cf_one{") {
		t.Error("the series of the old rule is still there")
	}

	s.write(`rules: [{pattern: mine, title: three}]`)
	status, body := s.post()
	if status != 500 || !strings.HasPrefix(body, "reload failed, the old rules stay in force: ") ||
		!strings.Contains(body, "rules.yaml:1:25: ") {
		t.Errorf("%d %s", status, body)
	}
	s.await("\nloggregator_exporter_config_last_reload_successful 0\n")
	s.await("\ncf_two{")

	s.write(`rules: [{pattern: mine, name: three}]`)
	s.await("\ncf_three{") // the file is watched
	s.await("\nloggregator_exporter_config_last_reload_successful 1\n")

	_, before := fetch(t, s.url+"/metrics")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	stamp := func(page string) string {
		_, rest, _ := strings.Cut(page, "\nloggregator_exporter_config_last_reload_success_timestamp_seconds ")
		line, _, _ := strings.Cut(rest, "\n")
		return line
	}
	for page := before; stamp(page) == stamp(before); {
		_, page = fetch(t, s.url+"/metrics")
	}
	s.await("\ncf_three{")
}

// messages calls a function with each message that is logged, before the logger goes on.
type messages struct {
	slog.Handler
	each func(message string)
}

func (m messages) Handle(_ context.Context, r slog.Record) error {
	m.each(r.Message)
	return nil
}

func (messages) Enabled(context.Context, slog.Level) bool { return true }

// A rule file that changes after it was read and before it is watched, at the start or at a reload, is read again.
func TestReloadMissesNoChange(t *testing.T) {
	s := reloadable{t: t, rules: filepath.Join(t.TempDir(), "rules.yaml")}
	s.write(`rules: [{pattern: mine, name: one}]`)
	cfg := testConfig()
	cfg.Tagger.RulesFiles = []string{s.rules}
	var first sync.Once
	reloads := make(chan struct{}, 2)
	log := slog.New(messages{slog.DiscardHandler, func(message string) {
		if message != "reloaded rules and limits" {
			t.Error(message)
		}
		first.Do(func() { s.write(`rules: [{pattern: mine, name: three}]`) })
		reloads <- struct{}{}
	}})
	service, err := assemble(cfg, func() (*config.Config, error) { return cfg, nil }, log)
	if err != nil {
		t.Fatal(err)
	}
	s.write(`rules: [{pattern: mine, name: two}]`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.reloader.Run(ctx) }()
	for range 2 {
		await1(t, reloads, done) // a change that is missed is waited for until the test's own timeout
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A reload names the mistakes of the configuration and those of all rule files at once, and so does what it would do.
func TestReloadNamesAllMistakes(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, filepath.Join(dir, "bad.yaml"), "rules: [{patern: a}]\n")
	worse := write(t, filepath.Join(dir, "worse.yaml"), "rules: [{pattern: \"{\"}]\n")
	missing := filepath.Join(dir, "missing.yaml")
	load := func() (*config.Config, error) { return testConfig(), nil }
	service, err := assemble(testConfig(), func() (*config.Config, error) { return load() }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := service.reloader
	if p := r.config().Pending; p == nil || p.Error != "" {
		t.Errorf("%+v", p)
	}
	load = func() (*config.Config, error) {
		cfg := testConfig()
		cfg.Tagger.RulesFiles = []string{bad, missing, worse}
		cfg.Web.EnablePprof = true
		return cfg, errors.New("tagger.rules_files[1]: no such file")
	}
	if p := r.config().Pending; len(p.Restart) != 1 || p.Restart[0].Key != "web.enable_pprof" {
		t.Errorf("%+v", p.Restart)
	}
	for what, err := range map[string]string{"reload": fmt.Sprint(r.reload("test")), "pending": r.config().Pending.Error} {
		for _, want := range []string{"rules_files[1]", bad + ":1:10: ", worse + ":1:20: "} {
			if strings.Count(err, want) != 1 {
				t.Errorf("%s: no %s in\n%s", what, want, err)
			}
		}
	}
}

// What a reload cannot put in force is named in the log, for as long as it is not: who changed it expects that it
// works.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	changed := func() *config.Config {
		cfg := testConfig()
		cfg.Metrics.MaxSeries = 7
		cfg.Nozzle.Stream.IdleTimeout = time.Minute
		cfg.Web.EnablePprof = true
		return cfg
	}
	const done = "level=INFO msg=\"reloaded rules and limits\" reason=test kept=0 retired=0\n"
	const awaits = "level=WARN msg=\"these settings have changed, and stay as they were until the exporter is " +
		"restarted\" " +
		"settings=nozzle.idle_timeout,web.enable_pprof\n" + done
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	load := testConfig
	service, err := assemble(testConfig(), func() (*config.Config, error) { return load(), nil }, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		load func() *config.Config
		want string
	}{{testConfig, done}, {changed, awaits}, {changed, awaits}, {testConfig, done}} {
		load = step.load
		b.Reset()
		if err := service.reloader.reload("test"); err != nil {
			t.Fatal(err)
		}
		if b.String() != step.want {
			t.Errorf("%s, want %s", b.String(), step.want)
		}
	}
}
