package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"

	"pgregory.net/rapid"
)

// drawEnvelope makes envelopes whose names, tags and origins meet in the same series often.
func drawEnvelope(t *rapid.T) *metric.Envelope {
	name := rapid.SampledFrom([]string{
		"a",
		"rep.a",
		"router__0.a",
		"A",
		"a_total",
		"a_seconds",
		"a_seconds_bucket",
		"a.count",
		"http",
		"memoryStats.a",
		"",
		"go_a",
		"a_bucket",
		"a_sum",
		"a_count",
		"rep.a_sum",
		"rep.a_bucket",
		"http_request_duration_seconds_bucket",
	})
	origin := rapid.SampledFrom([]string{"rep", "router__0", "gorouter", ""})
	e := &metric.Envelope{
		Kind: rapid.SampledFrom([]metric.Kind{
			metric.KindGauge, metric.KindCounter, metric.KindTimer, metric.KindLog, metric.KindHistogram, metric.KindSummary,
		}).Draw(t, "kind"),
		Timestamp: rapid.Int64Range(-200e9, 100e9).Draw(t, "clock"),
		SourceID:  []byte(rapid.SampledFrom([]string{"", "rep", "f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11"}).Draw(t, "source")),
		Name:      []byte(name.Draw(t, "name")),
		Delta:     rapid.Uint64Range(0, 2).Draw(t, "delta"),
		Total:     rapid.Uint64Range(0, 2).Draw(t, "total"),
		Start:     1,
		Stop:      rapid.Int64Range(0, 3e9).Draw(t, "stop"),
	}
	if o := origin.Draw(t, "origin"); o != "" {
		e.Tags = append(e.Tags, tags("origin", o)...)
	}
	for range rapid.IntRange(0, 3).Draw(t, "tags") {
		e.Tags = append(e.Tags, tags(
			rapid.SampledFrom([]string{"a-b", "a_b", "le", "quantile", "component", "status_code", "peer_type", "content_length", "deployment"}).
				Draw(t, "key"),
			rapid.SampledFrom([]string{"", "1", "200", "Client", "\"\n"}).Draw(t, "value"),
		)...)
	}
	if e.Kind == metric.KindGauge {
		for range rapid.IntRange(0, 4).Draw(t, "points") {
			e.Points = append(e.Points, metric.Point{
				Name: []byte(name.Draw(t, "name")), Unit: []byte(rapid.SampledFrom([]string{"", "ms", "bytes"}).Draw(t, "unit")),
				Value: rapid.Float64().Draw(t, "value"),
			})
		}
	}
	if e.Kind == metric.KindHistogram || e.Kind == metric.KindSummary {
		e.Distribution = drawDistribution(t)
	}
	if e.Kind != metric.KindGauge {
		e.Unit = []byte(rapid.SampledFrom([]string{"", "", "ms"}).Draw(t, "unit"))
		e.Began = rapid.Int64Range(-1, 1).Draw(t, "began") * 946684800e9 // before the fake clock's start
	}
	return e
}

// drawDistribution makes histograms and summaries, some of which contradict themselves.
func drawDistribution(t *rapid.T) *metric.Distribution {
	counts := rapid.SliceOfN(rapid.Uint64Range(0, 3), 0, 3)
	values := rapid.SliceOfN(rapid.SampledFrom([]float64{-1, 0, 0.5, 1, 2}), 0, 2)
	d := &metric.Distribution{
		Count: rapid.Uint64Range(0, 9).Draw(t, "count"), Sum: 1, HasSum: rapid.Bool().Draw(t, "sum"),
		IsDelta: rapid.Bool().Draw(t, "delta"), HasNative: rapid.Bool().Draw(t, "native"),
		Schema: rapid.Int32Range(-5, 9).Draw(t, "schema"), ZeroThreshold: 0.5,
		Positive: metric.NativeBuckets{First: rapid.Int32().Draw(t, "first"), Counts: counts.Draw(t, "positive")},
	}
	if rapid.Bool().Draw(t, "classic") {
		d.Bounds, d.Counts = values.Draw(t, "bounds"), counts.Draw(t, "counts")
		slices.Sort(d.Bounds)
	}
	for _, share := range values.Draw(t, "quantiles") {
		d.Quantiles = append(d.Quantiles, metric.Quantile{Share: share, Value: share})
	}
	for _, v := range values.Draw(t, "exemplars") {
		d.Exemplars = append(d.Exemplars, metric.Exemplar{TraceID: slices.Repeat([]byte{1}, 16), Value: v})
	}
	return d
}

// action is an envelope that comes after a pause, and perhaps a sweep or a reload. Its clock is relative to its
// arrival.
type action struct {
	pause    time.Duration
	sweep    bool
	reload   int // which of the configurations, or beyond them for none
	envelope *metric.Envelope
}

// configurations are those that the store is made of and reloaded with.
func configurations(t *testing.T) []Settings {
	t.Helper()
	all := make([]Settings, 5)
	for i := range all {
		all[i] = testSettings(t)
		all[i].Expiration, all[i].MaxSeries = time.Minute, 20
	}
	all[1].Limits = LimitOptions{PerOwner: 2, Owner: OwnerSourceID}
	all[2].Tagger, all[2].MaxSeries = rules(
		t,
		"rules: [{pattern: a, when: {origin: rep}, drop: true}, {pattern: a, name: b}]",
	), 5
	all[3].Tagger, all[3].Limits = rules(
		t,
		"rules: [{pattern: a_bucket, drop: true}]",
	), LimitOptions{
		PerMetric: 2,
		PerOwner:  3,
		Owner:     OwnerApp,
	}
	all[4].Tagger, all[4].AdaptiveExpiration = rules(t, "rules: [{pattern: a, when: {origin: rep}, name: b}]"), true
	return all
}

func TestNoScrapeHoldsASeriesTwice(t *testing.T) {
	all := configurations(t)
	actions := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action {
		return action{
			time.Duration(rapid.Int64Range(0, 30e9).Draw(t, "pause")),
			rapid.Bool().Draw(t, "sweep"),
			rapid.IntRange(0, 6*len(all)).Draw(t, "reload"),
			drawEnvelope(t),
		}
	}), 1, 60)
	rapid.Check(t, func(rt *rapid.T) {
		first, plan, constant := rapid.IntRange(0, len(all)-1).
			Draw(rt, "first"),
			actions.Draw(
				rt,
				"plan",
			), rapid.Bool().
				Draw(rt, "constant hash")
		var err error
		// Nothing may be drawn, and no test stopped, inside the bubble.
		synctest.Test(t, func(*testing.T) { err = play(all, first, plan, constant) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func play(all []Settings, first int, plan []action, constant bool) error {
	s, err := New(all[first].options())
	if err != nil {
		return err
	}
	if constant {
		s.entries.mask = 0
	}
	samples, outcomes := 0, uint64(0)
	for _, a := range plan {
		<-time.After(a.pause)
		if a.sweep {
			s.sweep(time.Now())
		}
		if a.reload < len(all) {
			if _, err := s.Reload(all[a.reload].options()); err != nil {
				return err
			}
		}
		e := *a.envelope
		e.Arrived = time.Now().UnixNano()
		e.Timestamp += e.Arrived
		var tally metric.Tally
		s.Writer().Write(&e, &tally)
		samples += e.Samples()
		for _, n := range tally {
			outcomes += n
		}
	}
	if uint64(samples) != outcomes {
		return fmt.Errorf("%d samples, %d outcomes", samples, outcomes)
	}
	if err := checkScrape(s); err != nil {
		return err
	}
	return checkEmpty(s)
}

// checkEmpty checks that nothing is left of what has expired but room for the next.
func checkEmpty(s *Store) error {
	s.sweep(time.Now().Add(time.Hour))
	for what, n := range map[string]int{
		"live": s.limits.live, "others": s.limits.others, "parts": s.limits.parts, "pairs": s.entries.pairs.live, "tag sets": s.entries.tagsetIndex.live,
		"names": s.entries.nameIndex.live, "untagged": s.entries.untagged, "owners": len(s.limits.byName), "families": s.families.count(),
		"claims": len(s.families.claims), "exposed": s.families.series.live, "label sets": s.families.labels.index.live, "shared totals": s.counters.totals.inUse(),
		"histograms": s.distributions.inUse(), "composites": s.composites.inUse(),
		"counters": s.counters.states.inUse(), "entries": s.entries.inUse(),
	} {
		if n != 0 {
			return fmt.Errorf("%d of %s when all has expired", n, what)
		}
	}
	return nil
}

// checkScrape checks what must hold of every scrape and of the store behind it.
func checkScrape(s *Store) error {
	s.sweep(time.Now())
	seen := map[string]bool{}
	owner := map[string]string{}
	var last string
	for line := range strings.SplitSeq(strings.TrimSuffix(dump(s), "\n"), "\n") {
		if line == "" {
			continue
		}
		typ, rest, _ := strings.Cut(line, " ")
		key := rest[:strings.LastIndex(rest, "}")+1]
		if seen[key] {
			return fmt.Errorf("twice: %s", key)
		}
		family, labels, _ := strings.Cut(strings.TrimSuffix(key, "}"), "{")
		order := family + "\x00" + labels
		if order < last {
			return fmt.Errorf("out of order:\n%s", dump(s))
		}
		last = order
		seen[key] = true
		for _, n := range sampleNames(family, typeOf(typ)) {
			if o, ok := owner[n]; ok && o != family {
				return fmt.Errorf("%s is written by %s and %s", n, o, family)
			}
			owner[n] = family
		}
	}
	hidden := 0 // of which nothing but a sum is known
	for pos := entryPos(1); pos <= s.entries.last; pos++ {
		if e := s.entries.at(pos); e.state == stateLive && s.families.at(e.family).makeup == ofParts {
			c := s.composites.at(e.composite())
			if s.families.at(e.family).typ == metric.TypeHistogram && len(c.points) == 0 && c.count == 0 {
				hidden++
			}
		}
	}
	if err := s.checkComposites(); err != nil {
		return err
	}
	if got := s.Stats(); got.Series != len(seen)+hidden || got.Series+got.Refused+got.Parts != s.entries.pairs.live ||
		got.Series > 20 {
		return fmt.Errorf("%d series in the scrape, %+v, %d entries", len(seen), got, s.entries.pairs.live)
	}
	return nil
}

// checkComposites checks all composites, and that their families know how many buckets and quantiles they have, and
// have some.
func (s *Store) checkComposites() error {
	parts := map[familyPos]int{}
	for pos := entryPos(1); pos <= s.entries.last; pos++ {
		if e := s.entries.at(pos); e.state == stateLive && s.families.at(e.family).makeup == ofParts {
			if err := s.checkComposite(pos, e); err != nil {
				return err
			}
			parts[e.family] += len(s.composites.at(e.composite()).points)
		}
	}
	for family, n := range parts {
		if f := s.families.at(family); n == 0 || f.points != n {
			return fmt.Errorf("%s has %d buckets and quantiles, and counts %d", f.name, n, f.points)
		}
	}
	return nil
}

// checkComposite checks that a composite and its parts know each other.
func (s *Store) checkComposite(pos entryPos, e *entry) error {
	all := slices.Collect(s.composites.at(e.composite()).all())
	if len(all) == 0 {
		return fmt.Errorf("%d has no parts", pos)
	}
	for _, p := range all {
		if part := s.entries.at(p); part.state != statePart || part.dependsOn() != (ref{pos, e.gen}) || part.expiry != e.expiry {
			return fmt.Errorf("%d is no part of %d: %+v", p, pos, part)
		}
	}
	return nil
}

func typeOf(word string) metric.Type {
	for t := metric.TypeGauge; t <= metric.TypeSummary; t++ {
		if t.String() == word {
			return t
		}
	}
	panic("no type " + word)
}

// Writers, scrapers, the sweep and reloads at once: the race detector watches, and nothing may be shown twice.
func TestConcurrentUse(t *testing.T) {
	s := testStore(t, func(o *Settings) { o.Expiration = time.Nanosecond })
	ctx, cancel := context.WithCancel(t.Context())
	var background, writers sync.WaitGroup
	for range 2 {
		background.Go(func() {
			for ctx.Err() == nil {
				seen := map[string]bool{}
				for line := range strings.SplitSeq(dump(s), "\n") {
					key := line[:strings.LastIndex(line, "}")+1]
					if key != "" && seen[key] {
						t.Errorf("twice: %s", key)
					}
					seen[key] = true
				}
				s.Collector()
				s.Stats()
				s.Refusals()
			}
		})
	}
	background.Go(func() {
		for ctx.Err() == nil {
			s.sweep(time.Now())
		}
	})
	o := testSettings(t)
	o.Expiration, o.Naming.Namespace = time.Nanosecond, "pcf"
	other := o.options()
	o.Naming.Namespace = "cf"
	both := [...]Options{other, o.options()}
	background.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := s.Reload(both[i%len(both)]); err != nil {
				t.Error(err)
			}
		}
	})
	for w := range 3 {
		writers.Go(func() {
			for i := range 2000 {
				e := gauge(fmt.Sprintf("m%d", i%7), float64(i), "origin", fmt.Sprint("o", (i+w)%5))
				e.Arrived = time.Now().Add(time.Duration(i%3) * time.Millisecond).UnixNano()
				write(s, e)
				write(s, timer("http", time.Second, "origin", fmt.Sprint("o", i%5)))
				for _, e := range scrapedHistogram(fmt.Sprint("h", i%3), 1, 2, map[string]uint64{fmt.Sprint(i % 4): 1, "+Inf": 2}, "origin", fmt.Sprint("o", (i+w)%5)) {
					e.Arrived = time.Now().UnixNano()
					write(s, e)
				}
			}
		})
	}
	writers.Wait()
	cancel()
	background.Wait()
}
