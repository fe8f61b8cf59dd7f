package overview

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

// fixture is a Monitor of a store and of sources that a test fills.
type fixture struct {
	*Monitor

	store    *store.Store
	sources  []Source
	losses   []Loss
	reload   Reload
	registry *prometheus.Registry
	counts   map[Column]float64
}

// compiled returns the rules, which never change.
var compiled = sync.OnceValues(func() (*tagger.Tagger, error) {
	rules, _, err := tagger.New(tagger.Options{
		Catalogue: catalogue.Files(), Quarantine: true,
		UserRules: []tagger.Source{{File: "user.yaml", Data: []byte(`version: 1
rules:
  - id: user/queue
    pattern: "queue.{queue}.depth"
    name: "queue.depth"
`)}},
	})
	return rules, err
})

// newFixture makes a Monitor of a store that has room for ten series.
func newFixture(tb testing.TB) *fixture {
	tb.Helper()
	f := &fixture{reload: Reload{Successful: true}, registry: prometheus.NewRegistry(), counts: map[Column]float64{}}
	rules, err := compiled()
	if err != nil {
		tb.Fatal(err)
	}
	if f.store, err = store.New(store.Options{
		Resolver:   resolver.New(resolver.Options{Tagger: rules, Naming: naming.Style{Namespace: "cf"}}),
		Expiration: time.Hour, MaxSeries: 10,
	}); err != nil {
		tb.Fatal(err)
	}
	f.Monitor = New(Options{
		Store: f.store, Own: f.registry, Reload: func() Reload { return f.reload },
		Sources: func() []Source { return f.sources }, Losses: func() []Loss { return f.losses },
		Counts: func(yield func(Column, float64)) {
			for c, value := range f.counts {
				yield(c, value)
			}
		},
	})
	return f
}

// gauge sends one sample of origin rep.
func (f *fixture) gauge(name string) {
	e := metric.Envelope{
		Kind: metric.KindGauge, Timestamp: time.Now().UnixNano(), Arrived: time.Now().UnixNano(),
		Points: []metric.Point{{Name: []byte(name), Value: 1}},
	}
	e.AddTag([]byte("origin"), []byte("rep"))
	var tally metric.Tally
	f.store.Writer().Write(&e, &tally)
}
