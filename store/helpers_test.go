package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// start is the arrival time of the tests' first samples: the beginning of the fake clock of testing/synctest.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// Settings are the options of a test's store and of its resolver.
type Settings struct {
	Options // Resolver is made from what follows unless it is set

	Tagger       *tagger.Tagger
	Naming       naming.Style
	Environment  string
	AddLabels    []metric.Label
	DropLabels   []string
	RenameLabels [][2]string // from, to
	Buckets      []float64
	SizeBuckets  []float64
	TimerLabels  []string
}

// NewTestResolver makes a resolver of package resolver; an external test file sets it.
var NewTestResolver func(*Settings) Resolver

// options returns the options of a store with these settings.
func (s Settings) options() Options {
	if s.Resolver == nil {
		s.Resolver = NewTestResolver(&s)
	}
	return s.Options
}

func testSettings(tb testing.TB) Settings {
	tb.Helper()
	rules, warnings, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil || len(warnings) > 0 {
		tb.Fatalf("built-in rules: %v, %v", err, warnings)
	}
	return Settings{
		Options: Options{Expiration: 10 * time.Minute, MaxSeries: 1000},
		Tagger:  rules, Naming: naming.Style{Namespace: "cf"},
		Buckets: []float64{0.1, 1}, SizeBuckets: []float64{1000},
		TimerLabels: []string{"bosh_deployment", "component", "app_id", "method", "status"},
	}
}

func testStore(tb testing.TB, change ...func(*Settings)) *Store {
	tb.Helper()
	o := testSettings(tb)
	for _, c := range change {
		c(&o)
	}
	s, err := New(o.options())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func tags(pairs ...string) []metric.Tag {
	var out []metric.Tag
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, metric.Tag{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return out
}

func gauge(name string, value float64, pairs ...string) *metric.Envelope {
	return &metric.Envelope{
		Kind: metric.KindGauge, Timestamp: start, Arrived: start, Tags: tags(pairs...),
		Points: []metric.Point{{Name: []byte(name), Value: value}},
	}
}

func counter(name string, delta, total uint64, pairs ...string) *metric.Envelope {
	return &metric.Envelope{
		Kind: metric.KindCounter, Timestamp: start, Arrived: start, Tags: tags(pairs...),
		Name: []byte(name), Delta: delta, Total: total,
	}
}

func timer(name string, took time.Duration, pairs ...string) *metric.Envelope {
	return &metric.Envelope{
		Kind: metric.KindTimer, Timestamp: start, Arrived: start, Tags: tags(pairs...),
		Name: []byte(name), Start: start, Stop: start + int64(took),
	}
}

func at(after time.Duration, e *metric.Envelope) *metric.Envelope {
	e.Timestamp += int64(after)
	e.Arrived += int64(after)
	return e
}

// write returns the outcomes of an envelope's samples, in words.
func write(s *Store, e *metric.Envelope) string {
	var tally metric.Tally
	s.Writer().Write(e, &tally)
	var out []string
	for o, n := range tally {
		for range n {
			out = append(out, metric.Outcome(o).String())
		}
	}
	return strings.Join(out, " ")
}

// dump returns what a scrape would show, a line a series.
func dump(s *Store) string {
	var b strings.Builder
	var r Reader
	for _, f := range s.Families() {
		r.Reset(&f)
		for samples := r.Next(); len(samples) > 0; samples = r.Next() {
			for _, sample := range samples {
				fmt.Fprintf(&b, "%s %s{%s}", f.Type, f.Name, sample.Labels)
				if h := sample.Histogram; h != nil {
					fmt.Fprintf(&b, " %v %v count=%d sum=%v\n", h.Bounds, h.Counts, h.Count, h.Sum)
					continue
				}
				if q := sample.Summary; q != nil {
					fmt.Fprintf(&b, " %v %v count=%d sum=%v\n", q.Quantiles, q.Values, q.Count, q.Sum)
					continue
				}
				fmt.Fprintf(&b, " %v\n", sample.Value)
			}
		}
	}
	return b.String()
}

func timeOf(ns int64) time.Time { return time.Unix(0, ns) }
