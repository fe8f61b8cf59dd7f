package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/metric"
)

// periodic writes an envelope n times at an interval, the first time after some time, and returns when the last one
// came.
func periodic(s *Store, sample func() *metric.Envelope, first, interval time.Duration, n int) time.Duration {
	for i := range n {
		write(s, at(first+time.Duration(i)*interval, sample()))
	}
	return first + time.Duration(n-1)*interval
}

// shown says whether a scrape at some time would show a series of a family.
func shown(s *Store, family string, after time.Duration) bool {
	for _, f := range s.Families() {
		if f.Name != family {
			continue
		}
		f.now = start + int64(after)
		var r Reader
		r.Reset(&f)
		return len(r.Next()) > 0
	}
	return false
}

// lasts is how long after a sample a series is still shown, to the second.
func lasts(s *Store, family string, last time.Duration) time.Duration {
	for silent := time.Second; ; silent += time.Second {
		if !shown(s, family, last+silent) {
			return silent
		}
	}
}

func adaptiveStore(t *testing.T) *Store {
	t.Helper()
	return testStore(t, func(o *Settings) { o.AdaptiveExpiration = true })
}

// TestAdaptiveExpiration: a known series outlives two missed intervals, and not three and 15 s.
func TestAdaptiveExpiration(t *testing.T) {
	for _, interval := range []time.Duration{
		100 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 3 * time.Minute,
	} {
		for name, envelope := range map[string]func() *metric.Envelope{
			"cf_x":       func() *metric.Envelope { return gauge("x", 1, "origin", "a") },
			"cf_y_total": func() *metric.Envelope { return counter("y", 1, 1, "origin", "a") },
		} {
			s := adaptiveStore(t)
			n := max(10, int(20*time.Second/interval))
			last := periodic(s, envelope, 0, interval, n)
			got := lasts(s, name, last)
			if most := min(
				3*interval+16*time.Second,
				10*time.Minute+time.Second,
			); got > most ||
				got <= 3*interval && got < 10*time.Minute {
				t.Errorf("%s each %v lasts %v", name, interval, got)
			}
		}
	}
}

// TestAdaptiveExpirationGuards: what is not known to be periodic keeps the configuration's expiration.
func TestAdaptiveExpirationGuards(t *testing.T) {
	const all = 10 * time.Minute
	rare := func() *metric.Envelope { return counter("y", 1, 1, "origin", "a") }
	rng := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		store  *Store
		family string
		write  func(s *Store) time.Duration // returns when the last sample came
		want   time.Duration
	}{
		"off": {testStore(t), "cf_y_total", func(s *Store) time.Duration { return periodic(s, rare, 0, 15*time.Second, 20) }, all},
		"a counter seen four times": {adaptiveStore(t), "cf_y_total", func(s *Store) time.Duration {
			return periodic(s, rare, 0, 15*time.Second, 4)
		}, all},
		"a gauge seen once, while nothing is typical": {adaptiveStore(t), "cf_x", func(s *Store) time.Duration {
			write(s, gauge("x", 1, "origin", "a"))
			return 0
		}, all},
		"bursts a minute apart": {adaptiveStore(t), "cf_y_total", func(s *Store) time.Duration {
			last := time.Duration(0)
			for i := range 5 {
				last = periodic(s, rare, time.Duration(i)*time.Minute, 10*time.Millisecond, 30)
			}
			return last
		}, 192 * time.Second},
		"chance, four a minute": {adaptiveStore(t), "cf_y_total", func(s *Store) time.Duration {
			last, gone := time.Duration(0), 0
			for i := range 5000 {
				last += time.Duration(rng.ExpFloat64() * 15 * float64(time.Second))
				if i > 0 && !shown(s, "cf_y_total", last) {
					gone++
				}
				write(s, at(last, rare()))
			}
			if gone > 20 {
				t.Errorf("one that comes by chance had vanished %d of 5000 times", gone)
			}
			return last
		}, 0},
		"a histogram": {adaptiveStore(t), "cf_http_request_duration_seconds", func(s *Store) time.Duration {
			return periodic(s, func() *metric.Envelope {
				return timer("http", time.Second, "origin", "gorouter", "peer_type", "Server")
			}, 0, time.Second, 20)
		}, all},
	} {
		last := c.write(c.store)
		if got := lasts(c.store, c.family, last); c.want > 0 && got.Round(5*time.Second) != c.want.Round(5*time.Second) {
			t.Errorf("%s: lasts %v, want %v", name, got, c.want)
		}
	}
}

// TestAdaptiveExpirationAfterAnAbsence: a series that came back after it was at another exporter has not become slow.
func TestAdaptiveExpirationAfterAnAbsence(t *testing.T) {
	const interval = 15 * time.Second
	s := adaptiveStore(t)
	envelope := func() *metric.Envelope { return gauge("x", 1, "origin", "a") }
	last := periodic(s, envelope, 0, interval, 10)
	last = periodic(s, envelope, last+55*time.Second, interval, 8)
	if got := lasts(s, "cf_x", last); got > 3*interval+16*time.Second {
		t.Errorf("lasts %v", got)
	}
	// One lost sample doubles a gap; it is forgotten as well.
	last = periodic(s, envelope, last+2*interval, interval, 8)
	if got := lasts(s, "cf_x", last); got > 3*interval+16*time.Second {
		t.Errorf("lasts %v after a lost sample", got)
	}
}

// TestAdaptiveExpirationOfNewcomers: a gauge that came to this exporter only for a moment goes as typical gauges do;
// one that is merely slow comes back and then stays.
func TestAdaptiveExpirationOfNewcomers(t *testing.T) {
	const interval = 15 * time.Second
	s := adaptiveStore(t)
	last := time.Duration(0)
	rounds := func(n int) {
		for range n {
			last += interval
			for i := range typicalOf {
				write(s, at(last, gauge("known", 1, "origin", fmt.Sprint("o", i))))
			}
			s.sweep(timeOf(start + int64(last)))
		}
	}
	rounds(10)
	slow := func() *metric.Envelope { return gauge("slow", 1, "origin", "a") }
	write(s, at(last, slow()))
	if got := lasts(s, "cf_slow", last); got > 3*interval+16*time.Second {
		t.Errorf("a gauge seen once lasts %v", got)
	}
	rounds(20) // five minutes
	if strings.Contains(dump(s), "cf_slow") {
		t.Fatal("it is still there")
	}
	for i := range 6 {
		write(s, at(last, slow()))
		rounds(20)
		if i > 0 && !shown(s, "cf_slow", last) {
			t.Fatal("a slow gauge vanishes again after it came back")
		}
	}
}

func TestPaceAllocatesNothing(t *testing.T) {
	s := adaptiveStore(t)
	w, e, tally := s.Writer(), gauge("x", 1, "origin", "a"), metric.Tally{}
	if n := testing.AllocsPerRun(100, func() { at(time.Second, e); w.Write(e, &tally) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
