package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/metric"
)

func TestLimits(t *testing.T) {
	app := func(name, guid, space string) step {
		e := gauge(name, 1, "app_id", guid, "space_name", space, "space_id", space+"-id")
		e.SourceID = []byte("source of " + guid)
		return step{envelope: e}
	}
	with := func(s step, outcome string) step { s.outcome = outcome; return s }
	for name, c := range map[string]struct {
		limits LimitOptions
		steps  []step
		series int
	}{
		"per metric": {
			LimitOptions{PerMetric: 2},
			[]step{
				with(app("m", "1", "a"), "stored"), with(app("m", "2", "a"), "stored"), with(app("m", "3", "a"), "over_limit"),
				with(app("m", "1", "a"), "stored"), with(app("m", "3", "a"), "over_limit"), with(app("n", "3", "a"), "stored"),
			},
			3,
		},
		"per source id": {
			LimitOptions{PerOwner: 1, Owner: OwnerSourceID},
			[]step{
				with(app("m", "1", "a"), "stored"), with(app("n", "1", "a"), "over_limit"), with(app("n", "2", "a"), "stored"),
				with(app("n", "1", "a"), "over_limit"),
				{gauge("o", 1), "stored"},
				{gauge("p", 1), "stored"},
			},
			4,
		},
		"per app": {
			LimitOptions{PerOwner: 1, Owner: OwnerApp},
			[]step{with(app("m", "1", "a"), "stored"), with(app("m", "2", "a"), "stored"), with(app("n", "2", "a"), "over_limit")},
			2,
		},
		"per space": {
			LimitOptions{PerOwner: 2, Owner: OwnerSpace},
			[]step{
				with(app("m", "1", "a"), "stored"), with(app("m", "2", "a"), "stored"), with(app("m", "3", "a"), "over_limit"),
				with(app("m", "4", "b"), "stored"),
			},
			3,
		},
		"whoever expires makes room": {
			LimitOptions{PerMetric: 1, PerOwner: 1, Owner: OwnerSpace},
			[]step{
				with(app("m", "1", "a"), "stored"), with(app("m", "2", "b"), "over_limit"),
				{at(6*time.Minute, app("m", "2", "b").envelope), "over_limit"},
				{at(11*time.Minute, app("m", "2", "b").envelope), "stored"},
				{at(11*time.Minute, app("m", "1", "a").envelope), "over_limit"},
				{at(11*time.Minute, app("n", "2", "b").envelope), "over_limit"},
				{at(11*time.Minute, app("n", "1", "a").envelope), "stored"},
			},
			2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t, func(o *Settings) { o.Limits = c.limits })
				for i, step := range c.steps {
					<-time.After(time.Until(timeOf(step.envelope.Arrived)))
					s.sweep(time.Now())
					if got := write(s, step.envelope); got != step.outcome {
						t.Errorf("step %d: %q, want %q", i, got, step.outcome)
					}
				}
				if got := strings.Count(dump(s), "\n"); got != c.series || s.Stats().Series != c.series {
					t.Errorf("%d series, %+v, want %d:\n%s", got, s.Stats(), c.series, dump(s))
				}
				s.sweep(time.Now().Add(time.Hour))
				if s.Stats() != (Stats{}) || len(s.limits.byName) != 0 {
					t.Errorf("left at the end: %+v, owners %v", s.Stats(), s.limits.byName)
				}
			})
		})
	}
}

// A refused entry whose owner is gone while the store is full must leave nothing behind that another may take for
// its own.
func TestRevivedWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.MaxSeries = 2 })
		write(s, gauge("memoryStats.numFrees", 1, "origin", "rep"))
		flat := at(9*time.Minute, gauge("rep.memoryStats.numFrees", 2, "origin", "rep"))
		if got := write(s, flat); got != "conflict" {
			t.Fatal(got)
		}
		<-time.After(11 * time.Minute)
		s.sweep(time.Now())
		write(s, at(11*time.Minute, gauge("other", 1, "origin", "else")))
		write(s, at(11*time.Minute, gauge("more", 1, "origin", "else")))
		// The entry is tried again and finds no room; what follows in the same envelope must not build on what it left.
		flat = at(2*time.Minute, flat)
		flat.Points = append(flat.Points, gauge("another", 3).Points...)
		if got := strings.Fields(write(s, flat)); !slices.Equal(got, []string{"over_limit", "over_limit"}) {
			t.Error(got)
		}
		want := "gauge cf_more{component=\"else\",origin=\"else\"} 1\ngauge cf_other{component=\"else\",origin=\"else\"} 1\n"
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if n := s.entries.tagsetIndex.live; n != 1 {
			t.Errorf("%d tag sets", n)
		}
	})
}

func TestOffenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Limits = LimitOptions{PerOwner: 100, Owner: OwnerSpace} })
		if got := s.Offenders(); len(got.Metrics)+len(got.Owners) != 0 {
			t.Errorf("at the start: %+v", got)
		}
		for i := range 30 {
			write(s, gauge("big", 1, "id", fmt.Sprint(i), "half", fmt.Sprint(i/2), "space_id", fmt.Sprint(i%2)))
		}
		for i := range 20 {
			write(s, gauge(fmt.Sprintf("small%02d", i), 1))
		}
		s.findOffenders()
		got := s.Offenders()
		if len(got.Metrics) != maxOffenders ||
			got.Metrics[0] != (Offender{Metric: "cf_big", Label: "id", Values: 30, Series: 30}) {
			t.Errorf("%+v", got.Metrics)
		}
		if want := []Offender{{Owner: "0", Series: 15}, {Owner: "1", Series: 15}}; !reflect.DeepEqual(got.Owners, want) {
			t.Errorf("%+v", got.Owners)
		}
	})
}

// Owners are counted anew where a reload says who they are.
func TestReloadOfLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Settings
		s := testStore(t, func(options *Settings) { o = *options })
		for i := range 3 {
			write(s, gauge("m", 1, "app_id", fmt.Sprint(i), "space_id", "s"))
		}
		o.Limits = LimitOptions{PerOwner: 3, Owner: OwnerSpace}
		if _, err := s.Reload(o.options()); err != nil {
			t.Fatal(err)
		}
		if got := write(s, gauge("m", 1, "app_id", "4", "space_id", "s")); got != "over_limit" {
			t.Error(got)
		}
		o.Limits = LimitOptions{PerOwner: 1, Owner: OwnerApp}
		if _, err := s.Reload(o.options()); err != nil {
			t.Fatal(err)
		}
		if got := write(s, gauge("m", 1, "app_id", "4", "space_id", "s")); got != "stored" {
			t.Error(got)
		}
		if got := write(s, gauge("n", 1, "app_id", "4", "space_id", "s")); got != "over_limit" {
			t.Error(got)
		}
		for _, bad := range []LimitOptions{{PerMetric: -1}, {PerOwner: 1, Owner: "nobody"}} {
			o.Limits = bad
			if _, err := s.Reload(o.options()); err == nil {
				t.Errorf("%+v was accepted", bad)
			}
		}
	})
}

// Whatever names are sent, the metrics that tell of them are there, none of them twice.
func TestMetricsOfHostileNames(t *testing.T) {
	s := testStore(t, func(o *Settings) { o.Naming.Verbatim = true })
	write(s, gauge("", 1))
	for i := range maxRefusals + 5 {
		write(s, gauge(fmt.Sprint(strings.Repeat("x", metric.MaxNameBytes), i), 1))
		write(s, gauge(fmt.Sprint(i, strings.Repeat("x", metric.MaxNameBytes)), 1))
	}
	for _, verbatim := range []string{"\xff", "\xfe", strings.Repeat("é", 500), "a\x00b"} {
		write(s, gauge(verbatim, 1))
		write(s, counter(verbatim, 0, 1))
		write(s, gauge(verbatim, 1, "quantile", "1"))
	}
	s.findOffenders()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(s.Collector())
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
}
