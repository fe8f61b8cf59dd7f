package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"loggregator_exporter/compat"
	"loggregator_exporter/config"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// stores are where samples go: under the exporter's own names, under those that metrics.compatibility says, or both.
type stores struct {
	main *store.Store // the ledger accounts for what becomes of samples here

	// All are nil where metrics.compatibility is none.
	compatible *store.Store // is main where the other names stand alone
	received   *compat.Received
	started    *config.Config // its names stay, whatever a reload brings
}

func newStores(cfg *config.Config, rules *tagger.Tagger, reg prometheus.Registerer, log *slog.Logger) (*stores, error) {
	on, alone := cfg.Metrics.Compatible()
	var s stores
	var err error
	if on {
		s.started = cfg
		s.received = compat.NewReceived(cfg.Metrics.CompatibilityNamespace, cfg.Metrics.Environment)
		var o store.Options
		if o, err = s.compatibleOptions(cfg, log); err != nil {
			return nil, err
		}
		if s.compatible, err = store.New(o); err != nil {
			return nil, err
		}
	}
	if s.main = s.compatible; !alone {
		o := storeOptions(cfg, rules, log)
		if on {
			o.Reserved = []string{cfg.Metrics.CompatibilityNamespace + "_"}
		}
		if s.main, err = store.New(o); err != nil {
			return nil, err
		}
	}
	return &s, s.register(reg)
}

// nodeIndex tells the requests that instances of a shard count apart, as firehose_exporter's node_index does.
func nodeIndex(cfg *config.Config) string {
	if name := cfg.Nozzle.Stream.DeterministicName; name != "" {
		return name
	}
	return "0"
}

func (s *stores) register(reg prometheus.Registerer) error {
	err := reg.Register(s.main.Collector())
	if s.received != nil {
		err = errors.Join(err, reg.Register(s.received))
	}
	if s.compatible != nil && s.compatible != s.main {
		err = errors.Join(err, reg.Register(compat.NewCollector(s.compatible, s.received)))
	}
	if err != nil {
		return fmt.Errorf("registering the stores' metrics: %w", err)
	}
	return nil
}

// compatibleOptions are the store's part of the configuration that does not depend on names.
func (s *stores) compatibleOptions(cfg *config.Config, log *slog.Logger) (store.Options, error) {
	o := storeOptions(cfg, nil, log)
	dialect, err := newDialect(s.started, &o)
	if err != nil {
		return store.Options{}, err
	}
	return store.Options{
		Dialect: dialect, Expiration: o.Expiration, AdaptiveExpiration: o.AdaptiveExpiration, MaxSeries: o.MaxSeries, Limits: o.Limits, Log: log,
	}, nil
}

// newDialect makes the names of firehose_exporter, with the labels that all series get.
func newDialect(cfg *config.Config, o *store.Options) (*compat.Dialect, error) {
	dialect, err := compat.New(compat.Options{
		Namespace: cfg.Metrics.CompatibilityNamespace, NodeIndex: nodeIndex(cfg), Environment: o.Environment, Add: o.Labels.Add,
	})
	if err != nil {
		return nil, fmt.Errorf("metrics.compatibility_namespace: %w", err)
	}
	return dialect, nil
}

// sink returns a new way in, for one goroutine.
func (s *stores) sink() nozzle.Sink {
	switch s.compatible {
	case nil:
		return s.main.Writer()
	case s.main:
		return compat.NewSink(s.main.Writer(), s.received)
	default:
		return &tee{first: s.main.Writer(), second: compat.NewSink(s.compatible.Writer(), s.received)}
	}
}

// tee gives every envelope to two sinks, of which only the first one's outcomes are told.
type tee struct {
	first, second nozzle.Sink
	untold        metric.Tally
}

func (t *tee) Write(e *metric.Envelope, tally *metric.Tally) {
	t.first.Write(e, tally)
	t.second.Write(e, &t.untold)
}

// shown is what scrapes and remote write get.
func (s *stores) shown() store.Stores {
	if s.compatible == nil || s.compatible == s.main {
		return store.Stores{s.main}
	}
	return store.Stores{s.main, s.compatible}
}

// run expires silent series until ctx is done.
func (s *stores) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range s.shown() {
		group.Go(func() error { return one.Run(ctx) })
	}
	return group.Wait()
}

// reload puts rules, labels, expiration and limits in force. Which names there are stays as it was.
func (s *stores) reload(cfg *config.Config, rules *tagger.Tagger, log *slog.Logger) (store.Reloaded, error) {
	var done store.Reloaded
	for _, one := range s.shown() {
		o := storeOptions(cfg, rules, log)
		if one == s.compatible {
			var err error
			if o, err = s.compatibleOptions(cfg, log); err != nil {
				return done, err
			}
		}
		did, err := one.Reload(o)
		if err != nil {
			return done, err
		}
		done.Kept += did.Kept
		done.Retired += did.Retired
	}
	return done, nil
}
