package store

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/metric"
)

// emitted is what one tag set says of one name: the parts that a scraper would make of it.
type emitted struct {
	name, tag string
	buckets   map[string]uint64
	quantiles map[string]float64
	sum       float64
	count     uint64
	hasSum    bool
	hasCount  bool
}

var (
	fuzzBounds    = []string{"0.5", "1", "2.5", "+Inf"}
	fuzzQuantiles = []string{"0", "0.5", "1"}
)

// emittedBy draws what is emitted from bits, of which each decides on one part.
func emittedBy(parts uint64) []emitted {
	bit := func() bool {
		b := parts & 1
		parts >>= 1
		return b == 1
	}
	var out []emitted
	for i, tag := range []string{"1", "2", "3"} {
		x := emitted{
			name:     "x_seconds",
			tag:      tag,
			buckets:  map[string]uint64{},
			sum:      float64(100 * i),
			count:    uint64(60 + i),
			hasSum:   bit(),
			hasCount: bit(),
		}
		for j, le := range fuzzBounds {
			if bit() {
				x.buckets[le] = uint64([]int{5, 30, 20, 50}[j] + i) // not even cumulative
			}
		}
		y := emitted{
			name:      "y",
			tag:       tag,
			quantiles: map[string]float64{},
			sum:       float64(i),
			count:     uint64(7 * i),
			hasSum:    bit(),
			hasCount:  bit(),
		}
		for j, q := range fuzzQuantiles {
			if bit() {
				y.quantiles[q] = float64(i + j)
			}
		}
		z := emitted{name: "z", tag: tag, sum: 1, count: 2, hasSum: bit(), hasCount: bit()}
		out = append(out, x, y, z)
	}
	return out
}

// envelopes are all samples of a round, the later one of which has higher totals.
func (e *emitted) envelopes(round uint64) []*metric.Envelope {
	var out []*metric.Envelope
	if e.hasSum {
		out = append(out, gauge(e.name+"_sum", e.sum+float64(round), "a", e.tag))
	}
	if e.hasCount {
		out = append(out, counter(e.name+"_count", 0, e.count+round, "a", e.tag))
	}
	for le, n := range e.buckets {
		out = append(out, counter(e.name+"_bucket", 0, n+round, "a", e.tag, "le", le))
	}
	for q, v := range e.quantiles {
		out = append(out, gauge(e.name, v+float64(round), "a", e.tag, "quantile", q))
	}
	now := time.Now().UnixNano()
	for _, o := range out {
		o.Arrived, o.Timestamp = now, now-int64(10-round)*1e6
	}
	slices.SortFunc(out, func(a, b *metric.Envelope) int { return strings.Compare(nameOf(a), nameOf(b)) })
	return out
}

// naive says in the simplest way what a scrape must show in the end.
func naive(all []emitted, round uint64) string {
	composed := map[string]bool{}
	for _, e := range all {
		composed[e.name] = composed[e.name] || len(e.buckets) > 0 || len(e.quantiles) > 0
	}
	var lines []string
	for _, e := range all {
		sum, count := math.NaN(), e.count+round
		if e.hasSum {
			sum = e.sum + float64(round)
		}
		switch {
		case !composed[e.name]:
			if e.hasSum {
				lines = append(lines, fmt.Sprintf("gauge cf_%s_sum{a=%q} %v", e.name, e.tag, sum))
			}
			if e.hasCount {
				lines = append(lines, fmt.Sprintf("counter cf_%s_count_total{a=%q} %d", e.name, e.tag, count))
			}
		case e.name == "y":
			if !e.hasCount {
				count = 0
			}
			var at, values []float64
			for i, q := range fuzzQuantiles {
				if v, ok := e.quantiles[q]; ok {
					at, values = append(at, float64(i)/2), append(values, v+float64(round))
				}
			}
			if e.hasSum || e.hasCount || len(at) > 0 {
				lines = append(lines, fmt.Sprintf("summary cf_y{a=%q} %v %v count=%d sum=%v", e.tag, at, values, count, sum))
			}
		default:
			lines = append(lines, naiveHistogram(&e, sum, count, round)...)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func naiveHistogram(e *emitted, sum float64, total, round uint64) []string {
	var bounds []float64
	var cumulative []uint64
	known := e.hasCount
	for i, bound := range []float64{0.5, 1, 2.5} {
		if n, ok := e.buckets[fuzzBounds[i]]; ok {
			bounds, cumulative = append(bounds, bound), append(cumulative, n+round)
			if !e.hasCount {
				total, known = n+round, true
			}
		}
	}
	if n, ok := e.buckets["+Inf"]; ok {
		total, known = n+round, true
	}
	if !known {
		return nil
	}
	cumulative = append(cumulative, total)
	for i := range cumulative {
		cumulative[i] = slices.Min(cumulative[i:])
	}
	counts := slices.Clone(cumulative)
	for i := 1; i < len(counts); i++ {
		counts[i] -= cumulative[i-1]
	}
	return []string{fmt.Sprintf("histogram cf_x_seconds{a=%q} %v %v count=%d sum=%v", e.tag, bounds, counts, total, sum)}
}

// checkCumulative checks every histogram of a scrape, and that no bucket has fallen since the one before.
func checkCumulative(t *testing.T, s *Store, before map[string]uint64) {
	t.Helper()
	var r Reader
	for _, f := range s.Families() {
		r.Reset(&f)
		for _, sample := range r.Next() {
			h := sample.Histogram
			if h == nil {
				continue
			}
			total := uint64(0)
			for i, n := range h.Counts {
				total += n
				if i == len(h.Bounds) {
					continue
				}
				key := fmt.Sprint(sample.Labels, h.Bounds[i])
				if n > h.Count || total < before[key] {
					t.Fatalf("%s: %d after %d", key, total, before[key])
				}
				before[key] = total
			}
			if total != h.Count || len(h.Counts) != len(h.Bounds)+1 || !slices.IsSorted(h.Bounds) {
				t.Fatalf("%+v", h)
			}
		}
	}
}

func shuffle(envelopes []*metric.Envelope, order []byte) {
	random := uint64(1)
	for i := len(envelopes) - 1; i > 0; i-- {
		if len(order) > 0 {
			random = random*31 + uint64(order[i%len(order)])
		}
		j := int(random % uint64(i+1))
		envelopes[i], envelopes[j] = envelopes[j], envelopes[i]
	}
}

// Whatever comes, in whatever order, is put together alike, and nothing is refused or left beside.
func FuzzComposites(f *testing.F) {
	f.Add(^uint64(0), []byte("the order of the prom scraper is not kept on the way"), false, true)
	f.Add(uint64(0b_0110_0000_0000_0011_11), []byte{0, 255, 3, 128, 9}, true, false)
	f.Add(uint64(0x1234_5678_9abc_def0), []byte{}, false, false)
	f.Add(uint64(0b11), []byte{1}, false, true)
	o := testSettings(f)
	f.Fuzz(func(t *testing.T, parts uint64, order []byte, constant, mixed bool) {
		playOrder(t, o, parts, order, constant, mixed)
	})
}

// playRest goes on with some of the parts only: when the others have expired, it is as if they had never been.
func playRest(t *testing.T, s *Store, parts uint64, order []byte) {
	t.Helper()
	for _, b := range order {
		parts &= ^uint64(0) >> (b % 8) << (b / 8)
	}
	rest := emittedBy(parts)
	const first, last = 3, 8
	for round := uint64(first); round <= last; round++ {
		var envelopes []*metric.Envelope
		for i := range rest {
			envelopes = append(envelopes, rest[i].envelopes(round)...)
		}
		shuffle(envelopes, order)
		after := time.Duration(round) * time.Minute
		if round == last {
			after = 11 * time.Minute
			s.sweep(time.Now().Add(after))
		}
		for _, e := range envelopes {
			write(s, at(after, e))
		}
		if err := s.checkComposites(); err != nil {
			t.Error(err)
		}
	}
	got := strings.Split(strings.TrimSuffix(dump(s), "\n"), "\n")
	slices.Sort(got)
	if got, want := strings.Join(got, "\n"), naive(rest, last); got != want {
		t.Errorf("of the rest is left\n%s\nwant\n%s", got, want)
	}
}

func playOrder(t *testing.T, o Settings, parts uint64, order []byte, constant, mixed bool) {
	t.Helper()
	all := emittedBy(parts)
	const rounds = 3
	var envelopes []*metric.Envelope
	complete := 0 // that many envelopes later all parts are there
	for round := range uint64(rounds) {
		for i := range all {
			envelopes = append(envelopes, all[i].envelopes(round)...)
		}
		if round == 0 && !mixed {
			shuffle(envelopes, order)
			complete = len(envelopes)
		}
	}
	shuffle(envelopes[complete:], order)
	for i := range all { // x_sum and x_count of others are parts one sample after the first bucket or quantile
		envelopes = append(envelopes, all[i].envelopes(rounds-1)...)
	}
	s, err := New(o.options())
	if err != nil {
		t.Fatal(err)
	}
	if constant {
		s.entries.mask = 0
	}
	var tally metric.Tally
	w := s.Writer()
	cumulative := map[string]uint64{}
	for i, e := range envelopes {
		w.Write(e, &tally)
		if mixed || i < complete {
			clear(cumulative)
		}
		if i%5 == 0 {
			checkCumulative(t, s, cumulative)
		}
	}
	checkCumulative(t, s, cumulative)
	if got := tally[metric.Stored] + tally[metric.Outdated]; got != uint64(len(envelopes)) {
		t.Errorf("%v of %d samples, refused %+v", tally, len(envelopes), s.Refusals())
	}
	got := strings.Split(strings.TrimSuffix(dump(s), "\n"), "\n")
	slices.Sort(got)
	if got, want := strings.Join(got, "\n"), naive(all, rounds-1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	playRest(t, s, parts, order)
	stats := s.Stats()
	if stats.Series+stats.Parts+stats.Refused != s.entries.pairs.live || stats.Refused != 0 {
		t.Errorf("%+v, %d entries", stats, s.entries.pairs.live)
	}
	s.sweep(time.Now().Add(time.Hour))
	if stats := s.Stats(); stats != (Stats{}) || s.entries.pairs.live != 0 || s.entries.tagsetIndex.live != 0 ||
		s.entries.nameIndex.live != 0 ||
		len(slices.Collect(maps.Keys(s.families.claims))) != 0 {
		t.Errorf(
			"after all has expired: %+v, %d entries, %d tag sets, %v",
			stats,
			s.entries.pairs.live,
			s.entries.tagsetIndex.live,
			s.families.claims,
		)
	}
}
