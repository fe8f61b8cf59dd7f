package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/config"
	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// settle is how long rule files must be left alone before they are read: editors and deployments write in several
// steps.
const settle = 500 * time.Millisecond

// checksum stands for the contents of files.
type checksum [sha256.Size]byte

// reloader brings changed rules and limits into a running store.
type reloader struct {
	// load reads the whole configuration anew.
	load    func() (*config.Config, error)
	running *config.Config // what the process was started with
	stores  *stores
	log     *slog.Logger

	// What readers see, who must not wait for a reload.
	inForce atomic.Pointer[inForce]
	last    atomic.Pointer[attempt]

	mu          sync.Mutex // one reload at a time
	files       []string   // the rule files in force
	read        checksum   // what they held when they were last read
	changed     chan struct{}
	successful  prometheus.Gauge
	successTime prometheus.Gauge
}

// inForce is what was loaded last without a mistake.
type inForce struct {
	config *config.Config
	rules  tagger.Options
}

// attempt is the last one to load the configuration anew, and when the one in force was loaded.
type attempt struct {
	at, success time.Time
	err         error
}

// newReloader makes a reloader of a service whose rule files held read, or what came after it, when they were read.
func newReloader(
	cfg *config.Config, read checksum, load func() (*config.Config, error), s *stores, log *slog.Logger,
) *reloader {
	r := &reloader{
		load: load, running: cfg, stores: s, log: log, files: cfg.Tagger.RulesFiles, read: read,
		changed: make(chan struct{}, 1),
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: program + "_config_last_reload_successful",
			Help: "Whether the last attempt to load the configuration succeeded (1) or not (0).",
		}),
		successTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: program + "_config_last_reload_success_timestamp_seconds",
			Help: "Unix time at which the configuration was last loaded.",
		}),
	}
	r.successful.Set(1)
	r.successTime.SetToCurrentTime()
	r.last.Store(&attempt{success: time.Now()})
	return r
}

// reload reads the configuration and puts its rules, names, labels and limits in force. On any mistake everything
// stays as it was.
func (r *reloader) reload(why string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	done, err := r.swap()
	if err != nil {
		r.successful.Set(0)
		r.last.Store(&attempt{at: time.Now(), success: r.last.Load().success, err: err})
		r.log.Error("reload failed, the old rules stay in force", "reason", why, "error", err)
		return err
	}
	r.successful.Set(1)
	r.successTime.SetToCurrentTime()
	r.last.Store(&attempt{at: time.Now(), success: time.Now()})
	r.log.Info("reloaded rules and limits", "reason", why, "kept", done.Kept, "retired", done.Retired)
	return nil
}

// swap takes the checksum before it reads the rules: a file that changes in between is then read once too often,
// and never missed.
func (r *reloader) swap() (store.Reloaded, error) {
	r.read = checksumOf(r.files)
	cfg, err := r.load()
	if err != nil {
		return store.Reloaded{}, withRuleMistakes(cfg, err)
	}
	r.read = checksumOf(cfg.Tagger.RulesFiles)
	options, err := taggerOptions(&cfg.Tagger)
	if err != nil {
		return store.Reloaded{}, err
	}
	rules, warnings, err := tagger.New(options)
	if err != nil {
		return store.Reloaded{}, err
	}
	for _, w := range warnings {
		r.log.Warn("rules hardly work as intended", "warning", w.String())
	}
	done, err := r.stores.reload(cfg, rules, r.log)
	if err != nil {
		return store.Reloaded{}, err
	}
	r.files = cfg.Tagger.RulesFiles
	r.inForce.Store(&inForce{config: cfg, rules: options})
	if keys := config.AwaitRestart(r.running, cfg); len(keys) > 0 {
		r.log.Warn("these settings have changed, and stay as they were until the exporter is restarted", "settings",
			strings.Join(keys, ","))
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return done, nil
}

// Run reloads on SIGHUP and when a rule file changes, until ctx is done.
func (r *reloader) Run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching rule files: %w", err)
	}
	defer func() { _ = watcher.Close() }()
	quiet := time.NewTimer(settle) // what changed before it was watched has no event
	r.watch(watcher)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			_ = r.reload("SIGHUP") // it has logged what is wrong
		case <-watcher.Events:
			quiet.Reset(settle)
		case err := <-watcher.Errors:
			r.log.Warn("watching rule files", "error", err)
			quiet.Reset(settle)
		case <-quiet.C:
			if r.outdated() {
				_ = r.reload("a rule file changed") // it has logged what is wrong
			}
		case <-r.changed:
			r.watch(watcher)
			quiet.Reset(settle)
		}
	}
}

// watch looks at the folders of the rule files in force, since editors, and Kubernetes, replace files instead of
// writing them.
func (r *reloader) watch(w *fsnotify.Watcher) {
	for _, dir := range w.WatchList() {
		_ = w.Remove(dir)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, file := range r.files {
		if err := w.Add(filepath.Dir(file)); err != nil {
			r.log.Warn("cannot watch a rule file: reload by SIGHUP after a change", "file", file, "error", err)
		}
	}
}

// outdated says whether the rule files hold something else than what was last read of them.
func (r *reloader) outdated() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return checksumOf(r.files) != r.read
}

func checksumOf(files []string) (sum checksum) {
	h := sha256.New()
	for _, name := range files {
		_, _ = fmt.Fprintf(h, "%q:", name)
		text, err := boundedfile.Read(name, tagger.MaxFileBytes)
		if err != nil {
			_, _ = fmt.Fprint(h, err)
		}
		_, _ = h.Write(text)
	}
	h.Sum(sum[:0])
	return sum
}
