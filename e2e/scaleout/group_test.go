package scaleout

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/config"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/foundation"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
)

const (
	most = 4 // exporters
	// What is to be on one exporter only: everything but the requests, of which each has a part. The name becomes a label, since
	// aggregation takes it away.
	single = `label_replace({__name__=~"cf_.+",__name__!~"cf_http_re.+",job="exporters"}, "metric", "$1", "__name__", "(.+)")`
	copies = `count without (instance) (` + single + `) > 1`
	// Everything that was counted, by those that are gone as well. Requests and the exporters' own counters do not expire meanwhile.
	counted  = `sum(last_over_time(cf_http_request_duration_seconds_count[15m]))`
	received = `sum(last_over_time(loggregator_exporter_envelopes_received_total[15m]))`
	created  = `prometheus_tsdb_head_series_created_total`
)

// group is exporters that share a foundation, and the Prometheus that scrapes them.
type group struct {
	*site
	addresses  []string
	prometheus *prometheus
	members    []*exporter
	exceptions *exceptions
}

// TestJoinsAndLeaves runs one exporter, then two, three and four, then three and two again, on one foundation and one Prometheus. After each change
// no series is on two of them for longer than it may be, and what they have together is what was sent.
func TestJoinsAndLeaves(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	g := &group{site: newSite(t, foundation.Options{Seed: 5, Interval: interval, RequestsPerSecond: 100, Apps: 60})}
	for range most {
		g.addresses = append(g.addresses, peer.FreeAddress(t))
	}
	g.prometheus = startPrometheus(t, g.addresses...)
	g.background(t, g.foundation.Serve)
	g.join(ctx, t)
	g.emit(t)
	g.awaitRounds(ctx, t, 8)
	g.exceptions = newExceptions(t, g.foundation)
	g.prometheus.await(ctx, t, "all series", `count(`+single+`)`, func(n float64) bool { return n > 4000 })
	g.checkSums(ctx, t)

	for len(g.members) < most {
		g.change(ctx, t, fmt.Sprintf("exporter %d comes", len(g.members)), func() { g.join(ctx, t) })
	}
	g.checkSums(ctx, t)

	// At rest, so that its last scrape has all of it: nothing at all may be missing then.
	g.change(ctx, t, "exporter 3 leaves", func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.awaitSums(ctx, t)
		g.leave(t)
	})
	g.checkSums(ctx, t)
	if lost := g.foundation.Lost(); lost.Left+lost.Full+lost.Nobody != 0 {
		t.Errorf("lost: %+v", lost)
	}

	sent := 0.0
	g.change(ctx, t, "exporter 2 leaves amid a round", func() { sent = g.leaveAmid(ctx, t) })
	g.checkRest(ctx, t, sent)
}

// join starts one exporter more.
func (g *group) join(ctx context.Context, t *testing.T) {
	t.Helper()
	name := strconv.Itoa(len(g.members))
	g.members = append(g.members, g.start(t, name, g.addresses[len(g.members)], named(name)))
	if err := g.foundation.AwaitReaders(ctx, len(g.members)); err != nil {
		t.Fatal(err)
	}
}

// leave stops the exporter that came last.
func (g *group) leave(t *testing.T) {
	t.Helper()
	last := g.members[len(g.members)-1]
	g.members = g.members[:len(g.members)-1]
	last.Stop(t)
}

// leaveAmid stops it while a round is emitted, and returns how many requests there were after it.
func (g *group) leaveAmid(ctx context.Context, t *testing.T) (requests float64) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	emitted := make(chan error, 1)
	go func() { emitted <- g.round(ctx) }()
	g.leave(t)
	if err := <-emitted; err != nil {
		t.Fatal(err)
	}
	return g.requests()
}

// change changes the group, waits until every series is on one exporter again, and holds what Prometheus has of the time between
// against what is promised.
func (g *group) change(ctx context.Context, t *testing.T, what string, do func()) {
	t.Helper()
	p := g.prometheus
	owners, began := g.owners(t), time.Now()
	churn, _ := p.value(t, created)
	before := g.foundation.Lost()
	do()
	// Some names move to another of those that stay, whatever changes.
	for moving := true; ; {
		standing := g.copies(t)
		if moving && len(standing) > 0 {
			moving = false
		}
		if !moving && len(standing) == 0 {
			break
		}
		pause(ctx, t, fmt.Sprintf("%s: %d series are on two exporters, such as %v", what, len(standing), standing[:min(len(standing), 5)]), scrapeEvery/2)
	}
	g.awaitRounds(ctx, t, 3)

	first, last, at := map[string]time.Time{}, map[string]time.Time{}, map[time.Time]int{}
	for _, s := range p.queryRange(t, copies, began) {
		if g.exceptions.has(s.Metric) {
			continue
		}
		key := keyOf(s.Metric)
		_, first[key] = number(t, s.Values[0])
		for _, pair := range s.Values {
			_, last[key] = number(t, pair)
			at[last[key]]++
		}
	}
	longest, slowest := time.Duration(0), ""
	for key, until := range last {
		if d := until.Sub(first[key]); d >= longest {
			longest, slowest = d, key
		}
	}
	gap := g.longestGap()
	// What a scrape saw is there until the next one.
	if bound := 3*gap + 15*time.Second + scrapeEvery; longest > bound {
		t.Errorf("%s: %s was on two exporters for %v, want at most %v, three of the longest intervals of %v, 15 s and a scrape", what, slowest, longest, bound, gap)
	}
	now := g.owners(t)
	moved := 0
	for key, owner := range owners {
		if now[key] != owner {
			moved++
		}
	}
	for key := range owners {
		if now[key] == "" && !g.exceptions.changes[key] {
			t.Errorf("%s: %s is gone", what, key)
		}
	}
	for key, owner := range now {
		if owners[key] == "" && !g.exceptions.changes[key] {
			t.Errorf("%s: %s is new, on exporter %s", what, key, owner)
		}
	}
	churned, _ := p.value(t, created)
	left := g.foundation.Lost()
	crowd := 0
	for _, n := range at {
		crowd = max(crowd, n)
	}
	t.Logf("%s: %d of %d series moved, %d at most on two exporters, for %v at most (interval up to %v); %.0f new series in Prometheus; lost at the RLP: %d; series by exporter %v",
		what, moved, len(now), crowd, longest, gap.Round(10*time.Millisecond), churned-churn, left.Left+left.Full+left.Nobody-before.Left-before.Full-before.Nobody, shares(now))
}

// copies are the series that are on two exporters now.
func (g *group) copies(t *testing.T) (standing []string) {
	t.Helper()
	for _, s := range g.prometheus.query(t, copies) {
		if !g.exceptions.has(s.Metric) {
			standing = append(standing, keyOf(s.Metric))
		}
	}
	return standing
}

// owners says which exporter has a series.
func (g *group) owners(t *testing.T) map[string]string {
	t.Helper()
	owners := map[string]string{}
	for _, s := range g.prometheus.query(t, single) {
		if !g.exceptions.has(s.Metric) {
			owners[keyOf(s.Metric)] = s.Metric["instance"]
		}
	}
	return owners
}

func shares(owners map[string]string) map[string]int {
	n := map[string]int{}
	for _, owner := range owners {
		n[owner]++
	}
	return n
}

// keyOf tells series apart, but for who has them.
func keyOf(set map[string]string) string {
	set = maps.Clone(set)
	for _, name := range []string{"__name__", "instance", "job"} {
		delete(set, name)
	}
	return labels.FromMap(set).String()
}

// exceptions are what docs/sharding.md and docs/histograms.md say of some series.
type exceptions struct {
	// twofold may be on two exporters for good: they are those that two raw names make together, such as rep's memoryStats.x and
	// rep.memoryStats.x; exporters are chosen by raw names.
	twofold map[string]bool
	// changes come and go: the count of what the prom scraper took apart has one name on the exporter that has the buckets or quantiles,
	// and another elsewhere.
	changes map[string]bool
}

func (x *exceptions) has(set map[string]string) bool { return x.twofold[keyOf(set)] }

func newExceptions(t *testing.T, f *foundation.Foundation) *exceptions {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	m := config.Default().Metrics
	r := store.NewResolver(store.Options{Tagger: rules, Naming: tagger.Naming{Namespace: m.Namespace}, Expiration: m.Expiration, MaxSeries: m.MaxSeries})
	x := &exceptions{twofold: map[string]bool{}, changes: map[string]bool{}}
	whole, parts := foundation.Parts(f.Sent())
	names := map[string]string{}
	for _, sent := range whole {
		set := resolve(r, sent)
		key := keyOf(set)
		if before, known := names[key]; known && before != sent.Name {
			x.twofold[key] = true
		}
		names[key] = sent.Name
	}
	for _, sent := range parts {
		if !strings.HasSuffix(sent.Name, "_count") {
			continue
		}
		set := resolve(r, sent)
		x.changes[keyOf(set)] = true
		set["metric"] = strings.TrimSuffix(set["metric"], "_total")
		x.changes[keyOf(set)] = true
	}
	return x
}

// resolve returns the labels of what was sent, its name among them.
func resolve(r *store.Resolver, sent foundation.Sent) map[string]string {
	id := store.Identity{Kind: sent.Kind, Name: sent.Name, Unit: sent.Unit, SourceID: sent.SourceID, InstanceID: sent.InstanceID}
	for _, tag := range slices.Sorted(maps.Keys(sent.Tags)) {
		id.Tags = append(id.Tags, metric.Label{Name: tag, Value: sent.Tags[tag]})
	}
	resolved := r.Resolve(&id, nil)
	set := map[string]string{"metric": resolved.Metric}
	maps.Insert(set, metric.RenderLabels(resolved.Labels).All())
	return set
}

// awaitSums waits until Prometheus has all requests and envelopes that were sent, while nothing more is: mu is held.
func (g *group) awaitSums(ctx context.Context, t *testing.T) {
	t.Helper()
	g.prometheus.await(ctx, t, "all requests", counted, equals(g.requests()))
	g.prometheus.await(ctx, t, "all envelopes", received, equals(float64(g.foundation.Envelopes(foundation.RLP))))
}

// checkSums holds the sum of the exporters' histograms against the requests that were sent, by status, by the highest bucket and by their time.
func (g *group) checkSums(ctx context.Context, t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.awaitSums(ctx, t)
	sent := g.requestsByStatus()
	for what, of := range map[string]string{"requests": "_count", "bucket +Inf": `_bucket{le="+Inf"}`} {
		name, selector, _ := strings.Cut(of, "{")
		if selector != "" {
			selector = "{" + selector
		}
		got := g.prometheus.by(t, "status", `sum by (status) (last_over_time(cf_http_request_duration_seconds`+name+selector+`[15m]))`)
		if !maps.Equal(got, sent) {
			t.Errorf("%s by status: %v, sent %v", what, got, sent)
		}
	}
	seconds := 0.0
	for _, s := range g.foundation.Sent() {
		if s.Kind == metric.KindTimer && s.Tags["peer_type"] == "Server" {
			seconds += s.Seconds
		}
	}
	if got, _ := g.prometheus.value(t, `sum(last_over_time(cf_http_request_duration_seconds_sum[15m]))`); math.Abs(got-seconds) > 1e-9*seconds {
		t.Errorf("%v seconds of requests, sent %v", got, seconds)
	}
	t.Logf("%d exporters: %.0f requests, %d envelopes, all there; by exporter %v", len(g.members), g.requests(), g.foundation.Envelopes(foundation.RLP),
		g.prometheus.by(t, "instance", `sum by (instance) (last_over_time(loggregator_exporter_envelopes_received_total[15m]))`))
	t.Logf("series of requests %v", g.prometheus.by(t, "instance", `count by (instance) ({__name__=~"cf_http_re.+"})`))
	t.Logf("resident MiB %v", g.prometheus.by(t, "instance", `floor(process_resident_memory_bytes{job="exporters"} / 2^20)`))
	for name, n := range g.prometheus.by(t, "instance", `sum by (instance) (loggregator_exporter_source_reconnects_total) > 0`) {
		t.Logf("exporter %s opened %v new streams", name, n)
	}
}

// checkRest: an exporter has left at work, when there had been so many requests. What is missing is its share of what came since its last
// scrape, and what the RLP held for it.
func (g *group) checkRest(ctx context.Context, t *testing.T, sent float64) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	// The others have all that they will get when it does not change between two scrapes.
	for before := -1.0; ; {
		now, _ := g.prometheus.value(t, received)
		if now == before {
			break
		}
		before = now
		pause(ctx, t, "the last envelopes", 2*scrapeEvery)
	}
	gone := strconv.Itoa(len(g.members))
	scraped := time.Time{}
	for _, s := range g.prometheus.query(t, `up{job="exporters",instance="`+gone+`"}[15m]`) {
		for _, pair := range s.Values {
			if up, at := number(t, pair); up == 1 {
				scraped = at
			}
		}
	}
	unscraped := sent
	for _, r := range g.rounds {
		if r.ended.Before(scraped) {
			unscraped = sent - r.requests
		}
	}
	got, _ := g.prometheus.value(t, counted)
	if missing := g.requests() - got; missing < 0 || missing > unscraped {
		t.Errorf("%v requests are missing; %v were sent between its last scrape and its end", missing, unscraped)
	} else {
		t.Logf("%v requests are missing, of %v that were sent between its last scrape and its end; %+v", missing, unscraped, g.foundation.Lost())
	}
}
