package nozzle

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// shardExporter is what matters of an exporter to its siblings: a source and a store.
type shardExporter struct {
	name    string
	store   *store.Store
	account *SourceLedger
	leave   func()
	gone    bool
	counted uint64 // requests in its histograms when it left
}

const shardExpiration = 2 * time.Minute

func (s *simulated) exporter(name string) *shardExporter {
	s.t.Helper()
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		s.t.Fatal(err)
	}
	e := &shardExporter{name: name}
	r := resolver.New(resolver.Options{
		Tagger: rules, Naming: naming.Style{Namespace: "cf"},
		HTTP: resolver.HTTPOptions{Buckets: []float64{0.1, 1}, SizeBuckets: []float64{1000}, Labels: []string{"method"}},
	})
	if e.store, err = store.New(store.Options{
		Resolver: r, Expiration: shardExpiration, AdaptiveExpiration: true, MaxSeries: 100_000,
	}); err != nil {
		s.t.Fatal(err)
	}
	run(s.t, e.store.Run)
	account, stop := s.read(nameRLP, sharded(name), func() Sink { return e.store.Writer() })
	e.account = account
	e.leave = func() {
		stop()
		e.gone, e.counted = true, e.shown(map[string]int{})
	}
	return e
}

// requests is how many requests were reported so far.
func (s *simulated) requests() (n uint64) {
	for _, m := range s.f.Sent() {
		if m.Kind == metric.KindTimer && m.Tags["peer_type"] == "Server" {
			n += m.Count
		}
	}
	return n
}

// shown adds the gauges and counters that a scrape would show to those of others, by how many exporters show them,
// and returns how many requests its histogram holds.
func (e *shardExporter) shown(by map[string]int) (requests uint64) {
	var r store.Reader
	for _, f := range e.store.Families() {
		r.Reset(&f)
		for samples := r.Next(); len(samples) > 0; samples = r.Next() {
			for _, sample := range samples {
				switch {
				case f.Type == metric.TypeSummary:
					// The prom scraper gives its quantiles, sum and count names of their own, and so readers of their own.
				case f.Type != metric.TypeHistogram:
					by[f.Name+"{"+string(sample.Labels)+"}"]++
				case f.Name == "cf_http_request_duration_seconds":
					requests += sample.Histogram.Count
				}
			}
		}
	}
	return requests
}

// copies tells for how long series are on more than one exporter.
type copies struct {
	since   map[string]time.Time
	except  map[string]bool
	longest time.Duration
	most    int
}

func (c *copies) look(exporters []*shardExporter) {
	by := map[string]int{}
	for _, e := range exporters {
		if !e.gone {
			e.shown(by)
		}
	}
	now, n := time.Now(), 0
	for series, count := range by {
		if count < 2 || c.except[series] {
			delete(c.since, series)
			continue
		}
		n++
		if _, known := c.since[series]; !known {
			c.since[series] = now
		}
		c.longest = max(c.longest, now.Sub(c.since[series]))
	}
	c.most = max(c.most, n)
	for series := range c.since {
		if by[series] < 2 {
			delete(c.since, series)
		}
	}
}

// twofold are the series that two raw names make together, such as rep's memoryStats.x and rep.memoryStats.x. Names
// are what readers are chosen by, so that two exporters may have such a series for good. On one exporter the first
// name owns it.
func twofold(f *foundation.Foundation, names store.Resolver) map[string]bool {
	name, twice := map[string]string{}, map[string]bool{}
	for _, sent := range f.Sent() {
		id := store.Identity{
			Kind: sent.Kind, Name: sent.Name, Unit: sent.Unit, SourceID: sent.SourceID,
			InstanceID: sent.InstanceID,
		}
		for _, tag := range slices.Sorted(maps.Keys(sent.Tags)) {
			id.Tags = append(id.Tags, metric.Label{Name: tag, Value: sent.Tags[tag]})
		}
		r := names.Resolve(&id)
		series := r.Metric + "{" + string(metric.RenderLabels(r.Labels)) + "}"
		if before, known := name[series]; known && before != sent.Name {
			twice[series] = true
		}
		name[series] = sent.Name
	}
	return twice
}

// follow looks every three seconds for some time, then wants every series on exactly one exporter.
func follow(t *testing.T, what string, f *foundation.Foundation, d time.Duration, exporters []*shardExporter) {
	t.Helper()
	c := copies{since: map[string]time.Time{}, except: twofold(f, exporters[0].store.Resolver())}
	if len(c.except) > 60 {
		t.Errorf("%d series come by two names", len(c.except))
	}
	before := f.Lost()
	const each = 3 * time.Second
	for range int(d / each) {
		pass(each)
		c.look(exporters)
	}
	by := map[string]int{}
	var share []string
	for _, e := range exporters {
		if had := len(by); !e.gone {
			e.shown(by)
			share = append(share, fmt.Sprintf("%s: %d", e.name, len(by)-had))
		}
	}
	twice := 0
	for series, n := range by {
		if n != 1 && !c.except[series] {
			twice++
		}
	}
	if twice > 0 || len(by) < 2000 {
		t.Errorf("%s: %d of %d series stand on more than one exporter after %v, besides those of two names", what, twice,
			len(by), d)
	}
	// Every component emits each 15 s.
	if bound := 3*15*time.Second + 15*time.Second; c.longest > bound {
		t.Errorf("%s: a series stood on two exporters for %v, want at most %v", what, c.longest, bound)
	}
	after := f.Lost()
	t.Logf("%s: %d series on %v; at most %d on two exporters, for %v at most; %d come by two names; lost at the RLP: %d",
		what, len(by), share, c.most, c.longest, len(c.except), after.Left-before.Left)
}

// TestShard: two and three exporters share a foundation by deterministic names. Every series of a gauge or counter is
// on exactly one of them, histograms add up; when one comes or goes, no series stays on two for longer than three of
// its intervals and 15 s.
func TestShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, foundation.Options{Dopplers: 2, RequestsPerSecond: 20})
		unheard := s.requests() // of the round before there was a reader
		first, second := s.exporter("0"), s.exporter("1")
		exporters := []*shardExporter{first, second}
		// The first exporter had everything for a moment.
		pass(shardExpiration + time.Minute)
		follow(t, "two exporters", s.f, 30*time.Second, exporters)

		third := s.exporter("2")
		exporters = append(exporters, third)
		follow(t, "a third one came", s.f, 75*time.Second, exporters)

		third.leave()
		follow(t, "the third one left", s.f, 75*time.Second, exporters)

		third = s.exporter("2")
		exporters = append(exporters, third)
		follow(t, "it is back", s.f, 75*time.Second, exporters)

		first.leave()
		second.leave()
		follow(t, "it is alone", s.f, 75*time.Second, exporters)
		third.leave()

		var requests, received uint64
		for _, e := range exporters {
			requests += e.counted
			received += e.account.received.Load()
		}
		sent := s.requests() - unheard
		lost := s.f.Lost()
		if missing := sent - requests; requests > sent || missing > lost.Left+lost.Nobody+lost.Sent-received {
			t.Errorf("the histograms hold %d requests of %d, %+v, %d received", requests, sent, lost, received)
		}
		t.Logf("%d requests of %d in histograms; %+v, %d received", requests, sent, lost, received)
	})
}
