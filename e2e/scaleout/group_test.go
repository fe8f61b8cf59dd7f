package scaleout

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
)

const (
	most = 4 // exporters
	// What is to be on one exporter only: everything but the requests, of which each has a part. The name becomes a
	// label, since aggregation takes it away.
	single = `label_replace({__name__=~"cf_.+",__name__!~"cf_http_re.+",job="exporters"}, "metric", "$1", "__name__", "(.+)")`
	copies = `count without (instance) (` + single + `) > 1`
	// Everything that was counted, by those that are gone as well. Requests and the exporters' own counters do not
	// expire meanwhile.
	counted  = `sum(last_over_time(cf_http_request_duration_seconds_count[30m]))`
	received = `sum(last_over_time(loggregator_exporter_envelopes_received_total[30m]))`
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

// newGroup is a group without members, and room for so many.
func newGroup(t *testing.T, room int) *group {
	t.Helper()
	g := &group{site: newSite(t, foundation.Options{
		Seed: 5, Interval: interval, RequestsPerSecond: 100, Apps: 60,
		Agents: foundation.AgentOptions{KeepIdle: true},
	})}
	for range room {
		g.addresses = append(g.addresses, peer.FreeAddress(t))
	}
	g.prometheus = startPrometheus(t, scrapeEvery, g.addresses...)
	g.background(t, g.foundation.Serve)
	return g
}

// begin lets the foundation emit, until the members have all of it and know the intervals.
func (g *group) begin(ctx context.Context, t *testing.T) {
	t.Helper()
	g.emit(t)
	g.awaitRounds(ctx, t, 8)
	g.exceptions = newExceptions(t, g.foundation)
	g.prometheus.await(ctx, t, "all series", `count(`+single+`)`, func(n float64) bool { return n > 4000 })
	g.checkSums(ctx, t)
}

// TestJoinsAndLeaves runs one exporter, then two, three and four, then three and two again, on one foundation and
// one Prometheus. After each change no series is on two of them for longer than it may be, and what they have
// together is what was sent.
func TestJoinsAndLeaves(t *testing.T) { undisturbed(t, joinsAndLeaves) }

func joinsAndLeaves(t *testing.T) *group {
	t.Helper()
	g := newGroup(t, most)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	g.join(ctx, t)
	g.begin(ctx, t)

	for len(g.members) < most {
		g.change(ctx, t, fmt.Sprintf("exporter %d comes", len(g.members)), func() { g.join(ctx, t) })
	}
	g.checkSums(ctx, t)

	// At rest, so that its last scrape has all of it: nothing at all may be missing then.
	g.change(ctx, t, "exporter 3 leaves", func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.awaitSums(ctx, t)
		g.leave().Stop(t)
	})
	g.checkSums(ctx, t)
	if lost := g.foundation.Lost(); lost.Left+lost.Full+lost.Nobody != 0 && !g.disturbed(t) {
		t.Errorf("lost: %+v", lost)
	}

	sent := 0.0
	g.change(ctx, t, "exporter 2 leaves amid a round", func() { sent = g.leaveAmid(ctx, t, func(e *exporter) { e.Stop(t) }) })
	g.checkRest(ctx, t, sent)
	return g
}

// undisturbed runs a scenario, and once more where it was disturbed: on a machine that is so busy that rounds come
// at no steady pace, exporters may take a pause for a doppler that is gone, and open a new stream. For a moment
// there is one reader more then, and what that loses or moves is not what is looked at here. A scenario ends as soon
// as it sees that.
func undisturbed(t *testing.T, scenario func(t *testing.T) *group) {
	t.Helper()
	for attempt := range 3 {
		disturbed := false
		t.Run(strconv.Itoa(attempt), func(t *testing.T) { disturbed = scenario(t).disturbed(t) })
		if t.Failed() || !disturbed {
			return
		}
	}
	t.Error("each time an exporter opened a new stream: this machine is too busy, or streams are replaced for nothing")
}

// disturbed says whether an exporter has opened a new stream.
func (g *group) disturbed(t *testing.T) bool {
	t.Helper()
	opened, _ := g.prometheus.value(t, `sum(last_over_time(loggregator_exporter_source_reconnects_total[30m]))`)
	return opened > 0
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

// leave takes the exporter that came last out of the group.
func (g *group) leave() *exporter {
	last := g.members[len(g.members)-1]
	g.members = g.members[:len(g.members)-1]
	return last
}

// leaveAmid ends it while a round is emitted, and returns how many requests there were when the RLP had noticed.
func (g *group) leaveAmid(ctx context.Context, t *testing.T, end func(*exporter)) (requests float64) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	emitted := make(chan error, 1)
	go func() { emitted <- g.round(ctx) }()
	end(g.leave())
	for err := <-emitted; ; err = g.round(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if last := g.rounds[len(g.rounds)-1]; last.readers == len(g.members) {
			return last.requests
		}
	}
}

// change changes the group, waits until every series is on one exporter again, and holds what Prometheus has of the
// time between against what is promised.
func (g *group) change(ctx context.Context, t *testing.T, what string, do func()) {
	t.Helper()
	p := g.prometheus
	if g.disturbed(t) {
		return
	}
	owners, began := g.owners(t), time.Now()
	churn, _ := p.value(t, created)
	before := g.foundation.Lost()
	do()
	// Some names move to another of those that stay, whatever changes.
	var crowd int
	var longest time.Duration
	var slowest string
	peer.Until(ctx, t, what+": series move", func() string {
		if crowd, longest, slowest = g.twice(t, began); crowd == 0 {
			return "none was on two exporters so far"
		}
		standing := g.copies(t)
		if len(standing) == 0 || g.disturbed(t) {
			return ""
		}
		return fmt.Sprintf("%d series are on two exporters, such as %v", len(standing), standing[:min(len(standing), 5)])
	})
	g.awaitRounds(ctx, t, 3)
	var now map[string]string
	peer.Until(ctx, t, what+": all series are there", func() string {
		if now = g.owners(t); g.disturbed(t) {
			return ""
		}
		return g.differ(owners, now)
	})
	if g.disturbed(t) {
		t.Logf("%s: an exporter opened a new stream", what)
		return
	}

	crowd, longest, slowest = g.twice(t, began)
	gap := g.longestGap()
	pause, slow := p.scrapes(t, began)
	// What a scrape saw is there until the next one. As long as a scrape takes on a busy machine, an envelope may take
	// there.
	if bound := 3*(gap+slow) + 15*time.Second + pause; longest > bound {
		t.Errorf("%s: %s was on two exporters for %v, want at most %v: three of the longest intervals of %v, and %v for a scrape, 15 s and %v from one scrape to the next",
			what, slowest, longest, bound, gap, slow, pause)
	}
	moved := 0
	for key, owner := range owners {
		if now[key] != owner {
			moved++
		}
	}
	churned, _ := p.value(t, created)
	left := g.foundation.Lost()
	t.Logf("%s: %d of %d series moved, %d at most on two exporters, for %v at most (interval up to %v); %.0f new series in Prometheus; lost at the RLP: %d; series by exporter %v",
		what, moved, len(now), crowd, longest, gap.Round(10*time.Millisecond), churned-churn, left.Left+left.Full+left.Nobody-before.Left-before.Full-before.Nobody, shares(now))
}

// twice says how many series at most were on two exporters at once, for how long one was at most, and which.
func (g *group) twice(t *testing.T, since time.Time) (crowd int, longest time.Duration, slowest string) {
	t.Helper()
	at := map[time.Time]int{}
	for _, s := range g.prometheus.queryRange(t, copies, since) {
		if g.exceptions.has(s.Metric) {
			continue
		}
		_, first := number(t, s.Values[0])
		for _, pair := range s.Values {
			_, last := number(t, pair)
			at[last]++
			if d := last.Sub(first); d >= longest {
				longest, slowest = d, keyOf(s.Metric)
			}
			crowd = max(crowd, at[last])
		}
	}
	return crowd, longest, slowest
}

// differ says which series are on no exporter any more, or on one for the first time.
func (g *group) differ(before, now map[string]string) string {
	for key := range before {
		if now[key] == "" && !g.exceptions.changes[key] {
			return key + " is gone"
		}
	}
	for key, owner := range now {
		if before[key] == "" && !g.exceptions.changes[key] {
			return key + " is new, on exporter " + owner
		}
	}
	return ""
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

// awaitSums waits until Prometheus has all requests and envelopes that were sent, while nothing more is: mu is held.
func (g *group) awaitSums(ctx context.Context, t *testing.T) {
	t.Helper()
	for expression, want := range map[string]float64{counted: g.requests(), received: float64(g.foundation.Envelopes(foundation.RLP))} {
		peer.Until(ctx, t, "all that was sent", func() string {
			got, ok := g.prometheus.value(t, expression)
			if ok && got == want || g.disturbed(t) {
				return ""
			}
			return fmt.Sprintf("%s is %v (%v), want %v", expression, got, ok, want)
		})
	}
}

// checkSums holds the sum of the exporters' histograms against the requests that were sent, by status, by the
// highest bucket and by their time.
func (g *group) checkSums(ctx context.Context, t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.awaitSums(ctx, t); g.disturbed(t) {
		return
	}
	sent := g.requestsByStatus()
	for what, of := range map[string]string{"requests": "_count", "bucket +Inf": `_bucket{le="+Inf"}`} {
		name, selector, _ := strings.Cut(of, "{")
		if selector != "" {
			selector = "{" + selector
		}
		got := g.prometheus.by(t, "status", `sum by (status) (last_over_time(cf_http_request_duration_seconds`+name+selector+`[30m]))`)
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
	if got, _ := g.prometheus.value(t, `sum(last_over_time(cf_http_request_duration_seconds_sum[30m]))`); math.Abs(got-seconds) > 1e-9*seconds {
		t.Errorf("%v seconds of requests, sent %v", got, seconds)
	}
	t.Logf("%d exporters: %.0f requests, %d envelopes, all there; by exporter %v", len(g.members), g.requests(), g.foundation.Envelopes(foundation.RLP),
		g.prometheus.by(t, "instance", `sum by (instance) (last_over_time(loggregator_exporter_envelopes_received_total[30m]))`))
	t.Logf("series of requests %v", g.prometheus.by(t, "instance", `count by (instance) ({__name__=~"cf_http_re.+"})`))
	t.Logf("resident MiB %v", g.prometheus.by(t, "instance", `floor(process_resident_memory_bytes{job="exporters"} / 2^20)`))
	for name, n := range g.prometheus.by(t, "instance", `sum by (instance) (loggregator_exporter_source_reconnects_total) > 0`) {
		t.Logf("exporter %s opened %v new streams", name, n)
	}
}

// checkRest: the exporter after the last of the members has left at work, when there had been so many requests. What
// is missing is at most its share of what came since its last scrapes, and what the RLP held for it.
func (g *group) checkRest(ctx context.Context, t *testing.T, sent float64) {
	t.Helper()
	if g.disturbed(t) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	gone := strconv.Itoa(len(g.members))
	var scraped []time.Time
	for _, s := range g.prometheus.query(t, `up{job="exporters",instance="`+gone+`"}[30m]`) {
		for _, pair := range s.Values {
			if up, at := number(t, pair); up == 1 {
				scraped = append(scraped, at)
			}
		}
	}
	// What left the RLP a moment before a scrape may come a moment after it: the one before counts.
	unscraped, complete := sent, scraped[max(0, len(scraped)-2)]
	for _, r := range g.rounds {
		if r.ended.Before(complete) {
			unscraped = sent - r.requests
		}
	}
	missing, all := 0.0, g.requests()
	peer.Until(ctx, t, "the last envelopes", func() string {
		got, _ := g.prometheus.value(t, counted)
		if missing = all - got; missing < 0 {
			t.Fatalf("%v requests, %v were sent", got, all)
		}
		if missing <= unscraped || g.disturbed(t) {
			return ""
		}
		return fmt.Sprintf("%v requests are missing; %v were sent between its last scrapes and its end", missing, unscraped)
	})
	t.Logf("%v requests are missing, of %v that were sent between its last two scrapes and its end; %+v", missing, unscraped, g.foundation.Lost())
}
