package bench

import (
	"log/slog"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/config"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// newStore makes a store as the service does, with the built-in rules and the default configuration but for labels
// that are dropped.
func newStore(b *testing.B, series int, dropped ...string) *store.Store {
	b.Helper()
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		b.Fatal(err)
	}
	cfg := config.Default().Metrics
	s, err := store.New(store.Options{
		Resolver: resolver.New(resolver.Options{
			Tagger: rules, Naming: naming.Style{Namespace: cfg.Namespace},
			Labels: resolver.LabelOptions{Drop: dropped},
			HTTP:   resolver.HTTPOptions{Buckets: cfg.HTTP.Buckets, SizeBuckets: cfg.HTTP.SizeBuckets, Labels: cfg.HTTP.Labels},
		}),
		Expiration: time.Hour, MaxSeries: 2 * series,
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func newLedger(b *testing.B) *nozzle.Ledger {
	b.Helper()
	l, err := nozzle.NewLedger(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// newEnv returns what a source gets that hands everything to sinks.
func newEnv(b *testing.B, newSink func() nozzle.Sink) *nozzle.Env {
	b.Helper()
	return &nozzle.Env{Ledger: newLedger(b), NewSink: newSink, Log: quiet()}
}

// newSource builds the only source that is enabled.
func newSource(b *testing.B, options nozzle.Options, env *nozzle.Env) nozzle.Source {
	b.Helper()
	sources, err := nozzle.New(&options, env)
	if err != nil {
		b.Fatal(err)
	}
	return sources[0]
}

// fill takes one cycle of a workload into a store.
func fill(b *testing.B, s *store.Store, series int) {
	b.Helper()
	in := nozzle.NewIntake(newLedger(b).Source("rlp"), s.Writer())
	for _, batch := range workload(b, series) {
		in.V2(batch, time.Now())
	}
	if got := s.Stats().Series; got != series {
		b.Fatalf("%d series of %d: %+v", got, series, s.Refusals())
	}
}

func liveHeap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// stacks is the memory of the stacks of goroutines.
func stacks() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.StackInuse)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
