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
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// stores are where samples go: under the exporter's own names, under those that metrics.compatibility says, or both.
type stores struct {
	main *store.Store // the ledger accounts for what becomes of samples here

	started *config.Config // what a reload does not change is taken from here

	// Both are nil where metrics.compatibility is none.
	compatible *store.Store // is main where the other names stand alone
	received   *compat.Received
}

func newStores(
	cfg *config.Config, rules *tagger.Tagger, reg prometheus.Registerer, log *slog.Logger,
) (*stores, error) {
	on, alone := cfg.Metrics.Compatible()
	s := stores{started: cfg}
	var err error
	if on {
		s.received = compat.NewReceived(cfg.Metrics.CompatibilityNamespace, cfg.Metrics.Environment)
		o := storeOptions(cfg, log)
		if o.Resolver, err = s.compatibleResolver(cfg); err != nil {
			return nil, err
		}
		if s.compatible, err = store.New(o); err != nil {
			return nil, err
		}
	}
	if s.main = s.compatible; !alone {
		o := storeOptions(cfg, log)
		o.Resolver = s.resolver(cfg, rules)
		if on {
			o.Reserved = []string{cfg.Metrics.CompatibilityNamespace + "_"}
		}
		if s.main, err = store.New(o); err != nil {
			return nil, err
		}
	}
	return &s, s.register(reg)
}

// resolver makes the resolver of the exporter's own names.
func (s *stores) resolver(cfg *config.Config, rules *tagger.Tagger) *resolver.Resolver {
	o := resolverOptions(&cfg.Metrics, rules)
	o.HTTP = httpOptions(&s.started.Metrics.HTTP)
	return resolver.New(o)
}

// compatibleResolver makes the resolver of the names of metrics.compatibility.
func (s *stores) compatibleResolver(cfg *config.Config) (*compat.Resolver, error) {
	return newCompatibleResolver(&s.started.Metrics, &cfg.Metrics, nodeIndex(s.started))
}

// newCompatibleResolver makes the names of firehose_exporter as started says, with the labels that all series get now.
func newCompatibleResolver(started, m *config.Metrics, nodeIndex string) (*compat.Resolver, error) {
	r, err := compat.New(compatibleOptions(started, m, nodeIndex))
	if err != nil {
		return nil, fmt.Errorf("metrics.compatibility_namespace: %w", err)
	}
	return r, nil
}

func compatibleOptions(started, m *config.Metrics, nodeIndex string) compat.Options {
	return compat.Options{
		Namespace: started.CompatibilityNamespace, NodeIndex: nodeIndex, Environment: m.Environment, Add: addedLabels(m),
	}
}

// nodeIndex tells the requests that instances of a shard count apart, as firehose_exporter's node_index does.
func nodeIndex(cfg *config.Config) string {
	if name := cfg.Nozzle.Stream.DeterministicName; name != "" {
		return name
	}
	return "0"
}

func (s *stores) register(reg prometheus.Registerer) error {
	own := withEnvironment(reg, &s.started.Metrics)
	err := own.Register(s.main.Collector())
	if s.received != nil {
		err = errors.Join(err, reg.Register(s.received))
	}
	if s.compatible != nil && s.compatible != s.main {
		err = errors.Join(err, own.Register(compat.NewCollector(s.compatible, s.received)))
	}
	if err != nil {
		return fmt.Errorf("registering the stores' metrics: %w", err)
	}
	return nil
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

// tee gives every envelope to two sinks, of which only the first one's outcomes are counted.
type tee struct {
	first, second nozzle.Sink
	secondTally   metric.Tally
}

func (t *tee) Add(e *metric.Envelope, tally *metric.Tally) {
	t.first.Add(e, tally)
	t.second.Add(e, &t.secondTally)
}

func (t *tee) Flush(tally *metric.Tally) {
	t.first.Flush(tally)
	t.second.Flush(&t.secondTally)
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
		o := storeOptions(cfg, log)
		var err error
		if one == s.compatible {
			o.Resolver, err = s.compatibleResolver(cfg)
		} else {
			o.Resolver = s.resolver(cfg, rules)
		}
		if err != nil {
			return done, err
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
