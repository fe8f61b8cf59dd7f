package nozzle

import (
	"log/slog"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/filter"
)

func newTestFilter(tb testing.TB, rules ...filter.Filter) *filter.List {
	tb.Helper()
	f, err := filter.New(rules)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// TestFilterInIntake: what is refused is counted, and losses that Loggregator reports are seen all the same.
func TestFilterInIntake(t *testing.T) {
	l, _ := newTestLedger(t)
	env := testEnv(l, nil, slog.New(slog.DiscardHandler))
	env.filters = newTestFilter(t, filter.Filter{Drop: &filter.Match{Name: []string{"b"}}})
	sink := &nullSink{}
	lost := &loggregator_v2.Envelope{
		Tags: map[string]string{"origin": "loggregator.rlp", "direction": "egress"},
		Message: &loggregator_v2.Envelope_Counter{
			Counter: &loggregator_v2.Counter{Name: "dropped", Delta: 7},
		},
	}
	batch := wiretest.BatchOf(t, lost, &loggregator_v2.Envelope{Message: wiretest.GaugeV2("a", "b")},
		&loggregator_v2.Envelope{Message: wiretest.GaugeV2("b")})
	env.NewSink = func() Sink { return sink }
	env.intake(l.Source("rlp"), intakeOptions{kinds: []string{"gauge"}}).V2(batch, time.Unix(1, 0))
	env.intake(l.Source("udp"), intakeOptions{}).V2(batch, time.Unix(1, 0))
	for source, want := range map[string]map[string]uint64{
		"rlp": {"converted": 1, "filtered": 2, "samples stored": 1, "samples filtered": 1},
		"udp": {"converted": 2, "filtered": 1, "samples stored": 2, "samples filtered": 1},
	} {
		wiretest.RequireEqual(t, source, l.Source(source).nonZero(), want)
	}
	if n := l.upstream.snapshot()[upstreamKey{"loggregator.rlp", "egress"}]; n != 14 {
		t.Errorf("%d lost", n)
	}
}

// TestFilterCosts: nothing where nothing is configured, no garbage where something is.
func TestFilterCosts(t *testing.T) {
	l, _ := newTestLedger(t)
	if in := NewIntake(l.Source("rlp"), &nullSink{}); in.filter != nil {
		t.Error("a filter without any rule is at work")
	}
	in := filteredIntake(l, benchFilter(t))
	batch := wiretest.BenchBatch(t)
	if n := testing.AllocsPerRun(1000, func() { in.V2(batch, time.Unix(1, 0)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func filteredIntake(l *Ledger, f *filter.List) *Intake {
	env := testEnv(l, func() Sink { return &nullSink{} }, slog.New(slog.DiscardHandler))
	env.filters = f
	return env.intake(l.Source("rlp"), intakeOptions{kinds: filter.Kinds})
}

func benchFilter(tb testing.TB) *filter.List {
	tb.Helper()
	return newTestFilter(tb,
		filter.Filter{Drop: &filter.Match{Kind: []string{"timer"}, AppName: []string{"load-*"}}},
		filter.Filter{Drop: &filter.Match{Origin: []string{"rep*", "bbs"}}},
		filter.Filter{Drop: &filter.Match{Name: []string{"*debug*", "secret"}}},
		filter.Filter{Keep: &filter.Match{Deployment: []string{"cf"}}},
	)
}

func BenchmarkFilter(b *testing.B) {
	for _, name := range []string{"none", "four rules"} {
		b.Run(name, func(b *testing.B) {
			l, _ := newTestLedger(b)
			var f *filter.List
			if name != "none" {
				f = benchFilter(b)
			}
			in := filteredIntake(l, f)
			batch := wiretest.BenchBatch(b)
			b.ReportAllocs()
			for b.Loop() {
				in.V2(batch, time.Unix(1, 0))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/envelope")
		})
	}
}
