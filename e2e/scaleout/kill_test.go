package scaleout

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"
)

// TestKilled ends one of three exporters by SIGKILL amid a round: it closes no stream and sends nothing more. The
// others have its series within the time that docs/sharding.md gives them; Prometheus sees it down, and ends its
// series with the first scrape that fails; no counter falls, and histograms lack at most what it had counted since
// its last scrape.
func TestKilled(t *testing.T) { undisturbed(t, killed) }

func killed(t *testing.T) *group {
	t.Helper()
	g := newGroup(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	for range 3 {
		g.join(ctx, t)
	}
	g.begin(ctx, t)

	const gone = "2"
	if g.disturbed(t) {
		return g
	}
	began, owners := time.Now(), g.owners(t)
	var sent float64
	var died time.Time
	g.change(ctx, t, "exporter "+gone+" is killed amid a round", func() {
		sent = g.leaveAmid(ctx, t, func(e *exporter) {
			e.Kill(t)
			died = time.Now()
		})
	})
	if g.checkRest(ctx, t, sent); g.disturbed(t) {
		return g
	}
	g.checkHistograms(t)
	g.checkDown(t, gone, died)
	g.checkTakenOver(t, gone, owners, died)
	g.checkTotals(t, gone, began)
	if len(shares(g.owners(t))) != 2 {
		t.Errorf("series by exporter %v", shares(g.owners(t)))
	}
	return g
}

// checkDown: each scrape since has failed, and the first of them ended all series of the target at once.
func (g *group) checkDown(t *testing.T, gone string, died time.Time) {
	t.Helper()
	selector := `job="exporters",instance="` + gone + `"`
	var failed time.Time
	for _, s := range g.prometheus.query(t, `up{`+selector+`}[30m]`) {
		for _, pair := range s.Values {
			switch up, at := number(t, pair); {
			case up == 1 && at.After(died):
				t.Errorf("up %v after it was killed", at.Sub(died))
			case up == 0 && failed.IsZero():
				failed = at
			}
		}
	}
	if failed.IsZero() {
		t.Fatal("it was never down")
	}
	series := `count({` + selector + `,__name__!~"up|scrape_.+"})`
	before, after := g.prometheus.queryAt(t, series, failed.Add(-time.Millisecond)), g.prometheus.queryAt(t, series, failed)
	if len(before) != 1 || len(after) != 0 {
		t.Fatalf("series before the scrape that failed: %v, at it: %v", before, after)
	}
	n, _ := number(t, before[0].Value)
	t.Logf("%v series ended with the scrape that failed, %v after the kill", n, failed.Sub(died).Round(10*time.Millisecond))
}

// checkTakenOver: what it had is on another exporter in time.
func (g *group) checkTakenOver(t *testing.T, gone string, owners map[string]string, died time.Time) {
	t.Helper()
	first := map[string]time.Time{}
	for _, s := range g.prometheus.queryRange(t, single, died) {
		key, instance := keyOf(s.Metric), s.Metric["instance"]
		for _, pair := range s.Values {
			_, at := number(t, pair)
			if known, ok := first[key]; instance != gone && at.After(died) && (!ok || at.Before(known)) {
				first[key] = at
			}
		}
	}
	longest, taken := time.Duration(0), 0
	for key, owner := range owners {
		if owner != gone || g.exceptions.changes[key] {
			continue
		}
		if first[key].IsZero() {
			t.Errorf("on no other exporter: %s", key)
			continue
		}
		taken++
		longest = max(longest, first[key].Sub(died))
	}
	gap := g.longestGap()
	pause, slow := g.prometheus.scrapes(t, died)
	if bound := 3*(gap+slow) + 15*time.Second + pause; longest > bound || taken == 0 {
		t.Errorf("%d series are on others within %v, want them within %v", taken, longest, bound)
	}
	t.Logf("%d series are on others, within %v (interval up to %v, %v from scrape to scrape)", taken, longest, gap.Round(10*time.Millisecond), pause)
}

// checkTotals: no counter falls, neither on an exporter nor when it goes on at another one than that which is gone.
func (g *group) checkTotals(t *testing.T, gone string, since time.Time) {
	t.Helper()
	totals := fmt.Sprintf(`{__name__=~"cf_.+_total",job="exporters"}[%ds]`, int(time.Since(since)/time.Second)+10)
	last, seen := map[string]float64{}, 0
	check := func(of func(instance string) bool) {
		for _, s := range g.prometheus.query(t, totals) {
			s.Metric["metric"] = s.Metric["__name__"]
			if key := keyOf(s.Metric); of(s.Metric["instance"]) && !g.exceptions.has(s.Metric) {
				before := last[key]
				for _, pair := range s.Values {
					v, _ := number(t, pair)
					if v < before {
						t.Errorf("%s fell from %v to %v on exporter %s", key, before, v, s.Metric["instance"])
						break
					}
					before = v
				}
				seen++
				if s.Metric["instance"] == gone {
					last[key] = before
				}
			}
		}
	}
	check(func(instance string) bool { return instance == gone })
	had := maps.Clone(last)
	check(func(instance string) bool { return instance != gone })
	if seen == 0 || len(had) == 0 {
		t.Errorf("%d counters, %d of them on exporter %s", seen, len(had), gone)
	}
}

// checkHistograms: on each exporter, that which is gone included, the highest bucket has all that were counted, and
// none has more.
func (g *group) checkHistograms(t *testing.T) {
	t.Helper()
	counts, highest := map[string]float64{}, map[string]float64{}
	for _, s := range g.prometheus.query(t, `last_over_time(cf_http_request_duration_seconds_count[30m])`) {
		counts[s.Metric["instance"]+keyOf(s.Metric)], _ = number(t, s.Value)
	}
	for _, s := range g.prometheus.query(t, `last_over_time(cf_http_request_duration_seconds_bucket[30m])`) {
		v, _ := number(t, s.Value)
		all := s.Metric["le"] == "+Inf"
		delete(s.Metric, "le")
		key := s.Metric["instance"] + keyOf(s.Metric)
		if v > counts[key] || all && v != counts[key] {
			t.Errorf("%s: %v in a bucket, count %v", key, v, counts[key])
		}
		highest[key] = max(highest[key], v)
	}
	if len(counts) == 0 || !maps.Equal(highest, counts) {
		t.Errorf("%d histograms with buckets, %d counts", len(highest), len(counts))
	}
}
