package store

import (
	"fmt"
	"testing"
	"time"
)

// TestAdaptiveExpirationOfAFew: ten known gauges are enough to know how often a gauge comes that was seen once, as
// on an exporter that got it for a moment; nine are not.
func TestAdaptiveExpirationOfAFew(t *testing.T) {
	const interval = 15 * time.Second
	for known, want := range map[int]time.Duration{typicalOf - 1: 10 * time.Minute, typicalOf: 3*interval + 15*time.Second} {
		s := adaptiveStore(t)
		last := time.Duration(0)
		for range 8 {
			last += interval
			for i := range known {
				write(s, at(last, gauge("known", 1, "origin", fmt.Sprint(i))))
			}
		}
		write(s, at(last, gauge("moved", 1, "origin", "a")))
		s.sweep(timeOf(start + int64(last)))
		if got := lasts(s, "cf_moved", last); got > want+time.Second || got < want-interval {
			t.Errorf("with %d known gauges it lasts %v, want %v", known, got, want)
		}
	}
}
