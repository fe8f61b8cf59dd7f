package api

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
	"loggregator_exporter/web/overview"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

// fixture is an API with a store that a test fills.
type fixture struct {
	*API

	store *store.Store
	rules tagger.Options
}

const userRules = `version: 1
rules:
  - id: user/dropped
    pattern: "dropped.{rest...}"
    drop: true
  # This one takes queues.
  - id: user/queue
    pattern: "queue.{queue}.depth"
    name: "queue.depth"
  - id: user/unused
    pattern: "nobody.sends.{this}"
    name: "nobody"
`

func testRules() tagger.Options {
	return tagger.Options{
		Catalogue: catalogue.Files(), Quarantine: true,
		UserRules: []tagger.Source{{File: "user.yaml", Data: []byte(userRules)}},
	}
}

// compiled returns the rules, which never change.
var compiled = sync.OnceValues(func() (*tagger.Tagger, error) {
	rules, _, err := tagger.New(testRules())
	return rules, err
})

func resolverOf(rules *tagger.Tagger) *resolver.Resolver {
	return resolver.New(resolver.Options{Tagger: rules, Naming: naming.Style{Namespace: "cf"}})
}

func newFixture(tb testing.TB, change ...func(*store.Options)) *fixture {
	tb.Helper()
	f := &fixture{rules: testRules()}
	rules, err := compiled()
	if err != nil {
		tb.Fatal(err)
	}
	o := store.Options{
		Resolver:   resolverOf(rules),
		Expiration: time.Hour, MaxSeries: 100_000,
	}
	for _, c := range change {
		c(&o)
	}
	if f.store, err = store.New(o); err != nil {
		tb.Fatal(err)
	}
	f.API = New(Options{
		Options: overview.Options{Store: f.store, Own: prometheus.NewRegistry()},
		Rules:   func() tagger.Options { return f.rules },
	})
	for _, g := range []*gate{f.usual, f.heavy} {
		g.tokens.SetLimit(rate.Inf) // however slow the machine is
	}
	return f
}

// gauge sends one sample of an origin.
func (f *fixture) gauge(origin, name string, tags ...string) {
	e := metric.Envelope{
		Kind: metric.KindGauge, Timestamp: time.Now().UnixNano(), Arrived: time.Now().UnixNano(),
		Points: []metric.Point{{Name: []byte(name), Value: 1}},
	}
	f.send(&e, origin, tags...)
}

func (f *fixture) counter(origin, name string) {
	f.send(&metric.Envelope{
		Kind: metric.KindCounter, Timestamp: time.Now().UnixNano(), Arrived: time.Now().UnixNano(), Name: []byte(name),
		Delta: 1, Total: 1,
	}, origin)
}

func (f *fixture) send(e *metric.Envelope, origin string, tags ...string) {
	if origin != "" {
		e.AddTag([]byte("origin"), []byte(origin))
	}
	for i := 0; i+1 < len(tags); i += 2 {
		e.AddTag([]byte(tags[i]), []byte(tags[i+1]))
	}
	var tally metric.Tally
	f.store.Writer().Write(e, &tally)
}

// fill sends some names of each state.
func (f *fixture) fill() {
	f.gauge("router__0", "memoryStats.numBytesAllocated")
	f.gauge("router__1", "memoryStats.numBytesAllocated")
	f.gauge("rep", "memoryStats.numBytesAllocated")
	f.gauge("rep", "rep.memoryStats.numBytesAllocated")
	f.gauge("rep", "dropped.a")
	f.gauge("rep", "queue.mail.depth")
	f.gauge("rep", "queue.chat.depth")
	f.counter("app", "Untagged Name")
	f.gauge("", "")
}
