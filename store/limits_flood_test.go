package store

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/metric"
)

// A sender that is over its limit and goes on with new series takes no room from the new series of others, whatever
// they are.
func TestRefusedFloodLeavesRoom(t *testing.T) {
	const most = 40
	from := func(source string, e *metric.Envelope) *metric.Envelope {
		e.SourceID = []byte(source)
		return e
	}
	for name, c := range map[string]struct {
		limits LimitOptions
		flood  func(i int) *metric.Envelope
		want   string
	}{
		"over the owner's limit": {
			LimitOptions{PerOwner: 2, Owner: OwnerSourceID},
			func(i int) *metric.Envelope { return gauge(fmt.Sprintf("flood%dx", i), 1) }, "over_limit",
		},
		"over the metric's limit": {
			LimitOptions{PerMetric: 2},
			func(i int) *metric.Envelope { return gauge("flood", 1, "id", fmt.Sprint(i)) }, "over_limit",
		},
		"histograms over the metric's limit": {
			LimitOptions{PerMetric: 2},
			func(i int) *metric.Envelope { return counter("flood_bucket", 0, 1, "id", fmt.Sprint(i), "le", "1") }, "over_limit",
		},
		"buckets of a histogram": {
			LimitOptions{},
			func(i int) *metric.Envelope {
				return counter("flood_bucket", 0, 1, "le", fmt.Sprintf("1.%s0", "0000"[:i%5]), "x-y", "a")
			}, "conflict",
		},
		"conflicts": {
			LimitOptions{},
			func(i int) *metric.Envelope { return gauge("flood", 1, "__x", fmt.Sprint(i)) }, "conflict",
		},
		"dropped by a rule": {
			LimitOptions{},
			func(i int) *metric.Envelope { return gauge(fmt.Sprintf("dropped.%dx", i), 1) }, "dropped_by_rule",
		},
		"timers that are one series": {
			LimitOptions{},
			func(i int) *metric.Envelope {
				return timer("http", 1, "component", "a", "origin", fmt.Sprint(i))
			}, "stored",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := testStore(t, func(o *Settings) {
				o.MaxSeries, o.Limits, o.Tagger = most, c.limits, rules(t, "rules: [{pattern: 'dropped.{_}', drop: true}]")
			})
			last := ""
			for i := range 5 * most {
				last = write(s, from("flood", c.flood(i)))
			}
			if last != c.want {
				t.Errorf("the flood is %s, want %s", last, c.want)
			}
			if stats := s.Stats(); 2*stats.Refused > most {
				t.Errorf("%+v", stats)
			}
			// One envelope holds what is refused and what is not: none may be taken for the other.
			both := from("flood", c.flood(5*most))
			if both.Kind == metric.KindGauge {
				both.Points = append(both.Points, both.Points[0], both.Points[0])
				if got, want := write(s, both), c.want+" "+c.want+" "+c.want; got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
			for _, e := range []*metric.Envelope{
				from("other", gauge("g", 1)), from("other", counter("c", 1, 0)), from("other", timer("t", 1)),
				from("other", counter("h_bucket", 0, 1, "le", "1")), from("other", counter("h_count", 0, 1)), from("other", gauge("s", 1, "quantile", "0.5")),
			} {
				if c.limits.PerOwner > 0 {
					e.SourceID = append(e.SourceID, e.Name...)
				}
				if got := write(s, e); got != "stored" {
					t.Errorf("%s %s of another sender: %s", e.Kind, e.Name, got)
				}
			}
		})
	}
}

// Owners that look alike where they are cut are told apart by nothing but their numbers, which must not cost the
// page others of its metrics.
func TestOwnersThatLookAlike(t *testing.T) {
	s := testStore(t, func(o *Settings) { o.Limits = LimitOptions{PerOwner: 10, Owner: OwnerSourceID} })
	for i, end := range []string{"", "a", "b", "\xff", "\xfe"} {
		for n := range i + 1 {
			e := gauge(fmt.Sprintf("m%dx%d", i, n), 1)
			e.SourceID = fmt.Appendf(nil, "%0*d%s", maxPrintable, 0, end)
			if i > 2 {
				e.SourceID = []byte(end)
			}
			if got := write(s, e); got != "stored" {
				t.Fatal(got)
			}
		}
	}
	s.findOffenders()
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.Collector())
	mfs, err := reg.Gather()
	if err != nil {
		t.Error(err)
	}
	got := map[string]float64{}
	for _, mf := range mfs {
		if mf.GetName() == "loggregator_exporter_top_owner_series" {
			for _, m := range mf.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if want := map[string]float64{
		fmt.Sprintf("%0*d", maxPrintable, 0): 3,
		"\uFFFD":                             5,
	}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Labels that were asked for twice are counted with the metric's name, and the names are bounded.
func TestOverridesByMetric(t *testing.T) {
	s := testStore(t, func(o *Settings) { o.Environment = "prod" })
	for i := range maxOverrides + 20 {
		for id := range 2 {
			write(s, gauge(fmt.Sprintf("m.x%dx", i), 1, "environment", "test", "id", fmt.Sprint(id)))
		}
	}
	if n := s.overrides[overrideKey{"environment", "cf_m_x7x"}]; n != 2 {
		t.Errorf("%d of one metric: %v", n, s.overrides)
	}
	if n := s.overrides[overrideKey{}]; n != 40 || len(s.overrides) != maxOverrides+1 {
		t.Errorf("%d beyond the bound, %d entries", n, len(s.overrides))
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(s.Collector())
	if n, err := testutil.GatherAndCount(
		reg,
		"loggregator_exporter_label_overrides_total",
	); n != maxOverrides+1 ||
		err != nil {
		t.Errorf("%d shown, %v", n, err)
	}
}
