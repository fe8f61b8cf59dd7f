package store

import (
	"testing"
	"time"
)

// A clock of ours that is set back by an hour keeps neither a series that has ended, nor a value, for an hour.
func TestClockSetBack(t *testing.T) {
	s := testStore(t)
	write(s, gauge("ended", 1))
	write(s, gauge("goes_on", 1))
	late := gauge("goes_on", 2)
	late.Timestamp -= int64(time.Second)
	if got := write(s, late); got != "outdated" {
		t.Fatal(got)
	}
	back := -time.Hour
	for after := time.Duration(0); after < 10*time.Minute; after += time.Minute {
		s.sweep(timeOf(start + int64(back+after)))
		want := "outdated"
		if after >= 2*time.Minute {
			want = "stored"
		}
		if got := write(s, at(back+after, gauge("goes_on", float64(after)))); got != want {
			t.Errorf("%v after: %s, want %s", after, got, want)
		}
		if !shown(s, "cf_ended", back+after) {
			t.Errorf("gone %v after the clock was set back", after)
		}
	}
	s.sweep(timeOf(start + int64(back+10*time.Minute)))
	if shown(s, "cf_ended", back+10*time.Minute) || !shown(s, "cf_goes_on", back+10*time.Minute) {
		t.Error(dump(s))
	}
}
