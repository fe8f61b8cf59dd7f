package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"loggregator_exporter/config"
	"loggregator_exporter/exposition"
	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/remotewrite"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
	"loggregator_exporter/web"
	"loggregator_exporter/web/api"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the exporter",
		Long: "Runs the exporter until SIGINT or SIGTERM. With no configuration at all it receives dropsonde\n" +
			"datagrams at 127.0.0.1:3457, as components on a VM send them, and serves their metrics at port 9286.",
		Args: noArgs,
		RunE: runExporter,
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

func runExporter(cmd *cobra.Command, _ []string) error {
	cfg, warnings, err := config.Load(cmd.Flags())
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, cmd.ErrOrStderr())
	log.Info("starting "+program, "version", version.Version, "revision", version.GetRevision(), "config_file", cfg.File)
	for _, w := range warnings {
		log.Warn("configuration", "warning", w)
	}
	tuneGC()
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	go tuneProcessors(ctx)
	return serve(ctx, cfg, log, hooks{load: func() (*config.Config, error) {
		cfg, _, err := config.Load(cmd.Flags())
		return cfg, err
	}})
}

// stopTimeout leaves half a second of the five within which the process must end after a signal.
const stopTimeout = 4500 * time.Millisecond

// running is what there is to see of a service that runs.
type running struct {
	Web net.Addr
	// Listening holds the addresses of the sources that others send to, by the source's name.
	Listening map[string]netip.AddrPort
	Ledger    *nozzle.Ledger
	Store     *store.Store
}

// hooks let a caller of serve follow what happens.
type hooks struct {
	// started is called once, from a goroutine of the service, when all ports are open.
	started func(running)
	// load reads the configuration anew, for reloads; nil where there are none.
	load func() (*config.Config, error)
}

// serve runs the exporter until ctx is done, and returns nil then. It is the whole of it: sources, store and web
// server.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger, h hooks) error {
	s, err := assemble(cfg, h.load, log)
	if err != nil {
		return err
	}
	if stream := &cfg.Nozzle.Stream; stream.NameFrom != "" && stream.Deterministic() {
		log.Info("the name among the exporters of the shard was derived", "shard_id", stream.ShardID,
			"deterministic_name", stream.DeterministicName, "from", stream.NameFrom)
	}
	for _, w := range s.warnings {
		log.Warn("rules hardly work as intended", "warning", w.String())
	}
	addr, err := s.server.Listen(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, addr, h) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping")
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("did not stop within %s", stopTimeout)
	}
}

// service is everything wired, nothing started.
type service struct {
	ledger   *nozzle.Ledger
	stores   *stores
	sources  []nozzle.Source
	server   *web.Server
	pusher   *remotewrite.Pusher // nil where remote write is off
	reloader *reloader           // nil where the configuration cannot be read anew
	api      *api.API            // nil where web.enable_console is off
	ports    atomic.Pointer[map[string]string]
	warnings []tagger.Warning
}

// assemble wires a service. It opens and starts nothing, so that it serves `exporter check` as well.
func assemble(cfg *config.Config, load func() (*config.Config, error), log *slog.Logger) (*service, error) {
	reg, err := newRegistry()
	if err != nil {
		return nil, err
	}
	var s service
	own := withEnvironment(reg, &cfg.Metrics)
	if s.ledger, err = nozzle.NewLedger(own); err != nil {
		return nil, err
	}
	read := checksumOf(cfg.Tagger.RulesFiles)
	options, err := taggerOptions(&cfg.Tagger)
	if err != nil {
		return nil, err
	}
	rules, warnings, err := tagger.New(options)
	if err != nil {
		return nil, err
	}
	s.warnings = warnings
	if s.stores, err = newStores(cfg, rules, reg, log); err != nil {
		return nil, err
	}
	if err := own.Register(newCertificates(cfg)); err != nil {
		return nil, fmt.Errorf("registering the metrics of certificates: %w", err)
	}
	s.sources, err = nozzle.New(&cfg.Nozzle.Options, &nozzle.Env{
		Ledger: s.ledger, NewSink: s.stores.sink, Log: log, UAA: cfg.UAA,
	})
	if err != nil {
		return nil, err
	}
	if cfg.RemoteWrite.Enabled {
		if s.pusher, err = newPusher(cfg, s.stores.shown(), reg, log); err != nil {
			return nil, err
		}
	}
	r := newReloader(cfg, read, load, s.stores, log)
	r.inForce.Store(&inForce{config: cfg, rules: options})
	if err := errors.Join(own.Register(r.successful), own.Register(r.successTime)); err != nil {
		return nil, fmt.Errorf("registering the metrics of reloads: %w", err)
	}
	var lifecycle func() error
	if load != nil {
		s.reloader = r
		if cfg.Web.EnableLifecycle {
			lifecycle = func() error { return r.reload("POST to " + web.ReloadPath) }
		}
	}
	if cfg.Web.EnableConsole {
		s.api = newAPI(&s, r, reg)
	}
	pages, err := web.NewHandler(web.Pages{
		Metrics: exposition.NewHandler(s.stores.shown(), reg, exposition.Options{
			CreatedLines: cfg.Web.OpenMetricsCreatedLines, Logger: log, Registerer: own,
			Observe: observeScrapes(s.api),
		}),
		TelemetryPath: cfg.Web.TelemetryPath,
		Ready:         s.ready,
		Reload:        lifecycle,
		Cardinality:   s.stores.main.Offenders,
		API:           s.api,
		Demo:          cfg.Web.Demo,
		Log:           log,
		Pprof:         cfg.Web.EnablePprof,
		Version:       version.Version,
	})
	if err != nil {
		return nil, err
	}
	s.server = web.New(pages, web.Options{
		Address: cfg.Web.ListenAddress, ConfigFile: cfg.Web.ConfigFile, Log: log,
		Probes: web.NewProbeHandler(s.ready), ProbeAddress: cfg.Web.ProbeAddress, ProbeWithoutAuth: cfg.Web.ProbeWithoutAuth,
	})
	return &s, nil
}

func newTagger(c *config.Tagger) (*tagger.Tagger, error) {
	options, err := taggerOptions(c)
	if err != nil {
		return nil, err
	}
	rules, _, err := tagger.New(options)
	return rules, err
}

// taggerOptions reads the rule files of the configuration.
func taggerOptions(c *config.Tagger) (tagger.Options, error) {
	options := tagger.Options{Quarantine: c.Quarantine}
	if c.Catalogue {
		options.Catalogue = catalogue.Files()
	}
	for _, file := range c.RulesFiles {
		data, err := boundedfile.Read(file, tagger.MaxFileBytes)
		if err != nil {
			return options, fmt.Errorf("tagger.rules_files: %w", err)
		}
		options.UserRules = append(options.UserRules, tagger.Source{File: file, Data: data})
	}
	return options, nil
}

func newPusher(
	cfg *config.Config, s remotewrite.Source, reg *prometheus.Registry, log *slog.Logger,
) (*remotewrite.Pusher, error) {
	o := cfg.RemoteWrite
	instance := cfg.Nozzle.Stream.DeterministicName
	if instance == "" {
		var err error
		if instance, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("remote_write.external_labels: instance is not among them, and the host has no name: %w",
				err)
		}
	}
	o.SetDefaultLabels(instance)
	return remotewrite.New(o, s, reg, withEnvironment(reg, &cfg.Metrics), log)
}

// resolverOptions are the resolver's part of the configuration.
func resolverOptions(m *config.Metrics, rules *tagger.Tagger) resolver.Options {
	o := resolver.Options{
		Tagger:      rules,
		Naming:      naming.Style{Namespace: m.Namespace, Verbatim: m.Naming == "verbatim", KeepUnits: m.Units == "keep"},
		Environment: m.Environment,
		Labels:      resolver.LabelOptions{Add: addedLabels(m), Drop: m.Labels.Drop},
		HTTP:        httpOptions(&m.HTTP),
	}
	for _, r := range m.Labels.Rename {
		o.Labels.Rename = append(o.Labels.Rename, resolver.Rename{From: r.From, To: r.To})
	}
	return o
}

func addedLabels(m *config.Metrics) (added []metric.Label) {
	for _, l := range m.Labels.Add {
		added = append(added, metric.Label{Name: l.Name, Value: l.Value})
	}
	return added
}

func httpOptions(c *config.HTTP) resolver.HTTPOptions {
	o := resolver.HTTPOptions{Labels: c.Labels}
	if c.Classic {
		o.Buckets, o.SizeBuckets = c.Buckets, c.SizeBuckets
	}
	return o
}

// storeOptions are the part of the configuration that is the same for every store.
func storeOptions(cfg *config.Config, log *slog.Logger) store.Options {
	m := &cfg.Metrics
	return store.Options{
		Expiration: m.Expiration,
		// A series is on another exporter as soon as one comes or goes.
		AdaptiveExpiration: m.AdaptiveExpiration || cfg.Nozzle.Stream.Deterministic() &&
			(cfg.Nozzle.RLP.Enabled || cfg.Nozzle.Gateway.Enabled),
		MaxSeries: m.MaxSeries,
		Limits: store.LimitOptions{
			PerMetric: m.MaxSeriesPerMetric, PerOwner: m.MaxSeriesPerOwner, Owner: store.Owner(m.SeriesOwner),
		},
		NativeHistograms: m.HTTP.Native,
		Log:              log,
	}
}

// run runs all parts. The end of one, which is always an error, ends the others.
func (s *service) run(ctx context.Context, addr net.Addr, h hooks) error {
	group, ctx := errgroup.WithContext(ctx)
	// Sources end first: what they would still get, siblings of their shard have from then on. Scrapes go on until then.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group.Go(func() error { return s.server.Run(serving) })
	group.Go(func() error { return s.stores.run(serving) })
	if s.pusher != nil {
		group.Go(func() error { return s.pusher.Run(serving) })
	}
	if s.api != nil {
		group.Go(func() error { return s.api.Run(serving) })
	}
	if s.reloader != nil {
		group.Go(func() error { return s.reloader.Run(ctx) })
	}
	var reading sync.WaitGroup
	for _, source := range s.sources {
		reading.Add(1)
		group.Go(func() error {
			defer reading.Done()
			err := source.Run(ctx)
			if err == nil && ctx.Err() == nil {
				err = errors.New("ended without being told to")
			}
			if err != nil {
				return fmt.Errorf("source %s: %w", source.Name(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		reading.Wait()
		stop()
		return nil
	})
	group.Go(func() error {
		listening, err := addresses(ctx, s.sources)
		if err != nil {
			return nil //nolint:nilerr // the source's Run returns it
		}
		s.ports.Store(portsOf(addr, listening))
		if h.started != nil {
			h.started(running{Web: addr, Listening: listening, Ledger: s.ledger, Store: s.stores.main})
		}
		return nil
	})
	return group.Wait()
}

// addresses waits until all sources that others send to listen.
func addresses(ctx context.Context, sources []nozzle.Source) (map[string]netip.AddrPort, error) {
	listening := make(map[string]netip.AddrPort)
	for _, source := range sources {
		if l, ok := source.(nozzle.Listener); ok {
			address, err := l.Addr(ctx)
			if err != nil {
				return nil, err
			}
			listening[source.Name()] = address
		}
	}
	return listening, nil
}

// ready says whether at least one source is connected, and if none is, which there are.
func (s *service) ready() (ok bool, why string) {
	if s.ledger.Ready() {
		return true, ""
	}
	names := make([]string, len(s.sources))
	for i, source := range s.sources {
		names[i] = source.Name()
	}
	return false, "no source is connected: " + strings.Join(names, ", ")
}
