package store

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

func TestBucketsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		for i := range maxParts {
			if got := write(s, counter("x_bucket", 0, 5, "le", fmt.Sprint(i))); got != "stored" {
				t.Fatal(i, got)
			}
		}
		for range 2 {
			if got := write(s, counter("x_bucket", 0, 5, "le", "1e6")); got != "over_limit" {
				t.Error(got)
			}
		}
		if got := s.Refusals(); len(got) != 1 || got[0].Count != 2 || got[0].Metric != "cf_x" ||
			got[0].RawName != "x_bucket" {
			t.Errorf("%+v", got)
		}
	})
}

func TestCompositesAndLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.MaxSeries = 2 })
		for _, step := range []struct {
			envelope *metric.Envelope
			want     string
		}{
			{gauge("a", 1), "stored"},
			{counter("x_bucket", 0, 5, "le", "1"), "stored"},
			{counter("y_bucket", 0, 5, "le", "1"), "over_limit"}, // no room for the series
			{counter("x_bucket", 0, 5, "le", "2"), "stored"},
			{counter("x_bucket", 0, 5, "le", "3"), "over_limit"}, // no room for the part
			{gauge("x_sum", 5), "over_limit"},
			{gauge("y_sum", 5), "over_limit"},
		} {
			for range 2 {
				if got := write(s, step.envelope); got != step.want {
					t.Errorf("%s: %s, want %s", nameOf(step.envelope), got, step.want)
				}
			}
		}
		if got := s.Stats(); got.Series != 2 || got.Parts != 2 || got.Refused != 0 {
			t.Errorf("%+v", got)
		}
		s = testStore(t, func(o *Settings) { o.Limits.PerMetric = 1 })
		writeAll(t, s, []*metric.Envelope{counter("x_bucket", 0, 5, "le", "1", "a", "1"), gauge("x_sum", 5, "a", "1")})
		for _, e := range []*metric.Envelope{counter("x_bucket", 0, 5, "le", "1", "a", "2"), gauge("x_sum", 5, "a", "2")} {
			for range 2 {
				if got := write(s, e); got != "over_limit" && got != "conflict" {
					t.Errorf("%s: %s", nameOf(e), got)
				}
			}
		}
		if got := dump(s); got != `histogram cf_x{a="1"} [1] [5 0] count=5 sum=5`+"\n" {
			t.Error(got)
		}
	})
}

// A bucket beyond the bound takes the place of one that has left.
func TestCrowdedBucketsGetRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.MaxSeries = 2000 })
		round := func(i, from int) {
			write(s, at(time.Duration(i)*15*time.Second, counter("x_bucket", 0, 5, "le", "+Inf")))
			for le := from; le < from+maxParts-1; le++ {
				write(s, at(time.Duration(i)*15*time.Second, counter("x_bucket", 0, 5, "le", fmt.Sprint(le))))
			}
			s.sweep(timeOf(start + int64(i)*15e9))
		}
		for i := range 10 {
			round(i, 0)
		}
		for i := range 10 {
			round(10+i, 1000)
		}
		if got := s.Stats(); got.Parts != maxParts || got.Refused != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A newcomer that a limit keeps out takes nothing from those that are there.
func TestRefusedCompositesEvictNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Limits = LimitOptions{PerOwner: 1, Owner: OwnerSpace} })
		writeAll(t, s, []*metric.Envelope{
			gauge(
				"x_sum",
				5,
				"space_name",
				"a",
			),
			counter("x_count", 7, 0, "space_name", "b"),
			gauge("other", 1, "space_name", "c"),
		})
		before := dump(s)
		for range 2 {
			if got := write(s, counter("x_bucket", 0, 5, "le", "1", "space_name", "c")); got != "over_limit" {
				t.Error(got)
			}
			if got := dump(s); got != before {
				t.Errorf("got\n%swant\n%s", got, before)
			}
		}
		// It is stored as soon as there is room, and the others end then.
		s.sweep(timeOf(start + int64(time.Hour)))
		for range 2 {
			for _, e := range []*metric.Envelope{gauge("x_sum", 5, "space_name", "a"), counter("x_bucket", 0, 5, "le", "1", "space_name", "c")} {
				if got := write(s, e); got != "stored" {
					t.Error(got)
				}
			}
		}
	})
}

// Families that would end must have room for their series in the new family.
func TestFullFamiliesMakeNoWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Limits.PerMetric = 2 })
		send := func(after time.Duration, a string) {
			writeAll(
				t,
				s,
				[]*metric.Envelope{at(after, gauge("x_sum", 5, "a", a)), at(after, counter("x_count", 2, 0, "a", a))},
			)
		}
		send(0, "1")
		send(5*time.Minute, "2")
		before := dump(s)
		for range 2 {
			if got := write(s, at(5*time.Minute, counter("x_bucket", 0, 5, "le", "1", "a", "3"))); got != "over_limit" {
				t.Error(got)
			}
			if got := dump(s); got != before {
				t.Errorf("got\n%swant\n%s", got, before)
			}
		}
		s.sweep(timeOf(start + int64(11*time.Minute)))
		if got := write(s, at(11*time.Minute, counter("x_bucket", 0, 5, "le", "1", "a", "3"))); got != "stored" {
			t.Error(got)
		}
		send(11*time.Minute, "2")
		if got := dump(
			s,
		); got != `histogram cf_x{a="2"} [] [4] count=4 sum=5`+"\n"+`histogram cf_x{a="3"} [1] [5 0] count=5 sum=NaN`+"\n" {
			t.Error(got)
		}
	})
}

// A histogram with the name of the gorouter's timers gives way to them, in any order.
func TestTimersGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		writeAll(t, s, scrapedHistogram("http_request_duration_seconds", 5, 3, map[string]uint64{"1": 2, "+Inf": 3}))
		if got := write(s, timer("http", time.Second, "origin", "gorouter", "peer_type", "Server")); got != "stored" {
			t.Error(got)
		}
		if got := write(s, counter("http_request_duration_seconds_bucket", 0, 9, "le", "1")); got != "conflict" {
			t.Error(got)
		}
		if got := dump(
			s,
		); got != `histogram cf_http_request_duration_seconds{component="gorouter"} [0.1 1] [0 1 0] count=1 sum=1`+"\n" {
			t.Error(got)
		}
		if got := s.Stats(); got.Series != 1 || got.Parts != 4 || got.Refused != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestRefusedTimersEvictNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Limits = LimitOptions{PerOwner: 1, Owner: OwnerApp} })
		writeAll(t, s, []*metric.Envelope{
			gauge("other", 1, "app_id", "b"), counter("http_request_duration_seconds_bucket", 0, 5, "le", "1", "app_id", "a"),
		})
		before := dump(s)
		for range 2 {
			if got := write(s, timer("http", time.Second, "app_id", "b")); got != "over_limit" {
				t.Error(got)
			}
		}
		if got := dump(s); got != before {
			t.Errorf("got\n%swant\n%s", got, before)
		}
		for range 2 {
			if got := write(s, timer("http", time.Second, "app_id", "c")); got != "stored" {
				t.Error(got)
			}
		}
	})
}

// However many series end for a composite, they follow with their next sample, and lose nothing.
func TestManyMakeWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 800
		s := testStore(t, func(o *Settings) { o.MaxSeries = 10 * n })
		for i := range n {
			writeAll(t, s, []*metric.Envelope{counter("x_count", 5, 0, "a", fmt.Sprint(i))})
		}
		writeAll(t, s, []*metric.Envelope{counter("x_bucket", 0, 5, "le", "+Inf")})
		if got := s.Stats(); got.Series != 1 || got.Parts != n+1 || got.Refused != 0 {
			t.Errorf("%+v", got)
		}
		for i := range n {
			writeAll(t, s, []*metric.Envelope{counter("x_count", 2, 0, "a", fmt.Sprint(i))})
		}
		if got := s.Stats(); got.Series != n+1 || got.Parts != n+1 || got.Refused != 0 {
			t.Errorf("%+v", got)
		}
		if got := strings.Count(dump(s), " [] [7] count=7 sum=NaN\n"); got != n {
			t.Errorf("%d of %d", got, n)
		}
	})
}

// The sum and count of a histogram that is refused are refused with it, whichever came first: by themselves they
// would be in another unit.
func TestPartsOfRefusedHistograms(t *testing.T) {
	for _, bucketFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := testStore(t, func(o *Settings) { o.Tagger = rules(t, "metrics: [{name: x, unit: ms}]") })
			write(s, gauge("x", 4.5, "origin", "other"))
			parts := scrapedHistogram("x", 50, 10, map[string]uint64{"+Inf": 10})
			if bucketFirst {
				parts[0], parts[2] = parts[2], parts[0]
			}
			for range 2 {
				for _, e := range parts {
					write(s, e)
				}
			}
			for _, e := range parts {
				if got := write(s, e); got != "conflict" {
					t.Errorf("%s: %s", nameOf(e), got)
				}
			}
			if got := dump(s); got != `gauge cf_x_seconds{component="other",origin="other"} 0.0045`+"\n" {
				t.Error(got)
			}
			// Without the gauge all of it is shown.
			s.sweep(timeOf(start + int64(time.Hour)))
			for range 2 {
				writeAll(t, s, scrapedHistogram("x", 50, 10, map[string]uint64{"+Inf": 10}))
			}
			if got := dump(s); got != "histogram cf_x_seconds{} [] [10] count=10 sum=0.05\n" {
				t.Error(got)
			}
			if err := checkEmpty(s); err != nil {
				t.Error(err)
			}
		})
	}
}
