package watch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoffGrowsToItsLimit(t *testing.T) {
	b := Backoff{First: time.Second, Limit: 10 * time.Second}
	for round := range 2 {
		for i, most := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
			if d := b.Next(); d < most/2 || d > most {
				t.Fatalf("round %d, wait %d: %v, want half of %v to all of it", round, i, d, most)
			}
		}
		b.Reset()
	}
	b.failures = 1 << 40
	if d := b.Next(); d > 10*time.Second {
		t.Fatalf("%v after many failures", d)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !Wait(t.Context(), time.Hour) || time.Since(began) != time.Hour {
			t.Fatal("did not wait")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if Wait(ctx, time.Hour) || time.Since(began) != time.Hour+time.Minute {
			t.Fatal("did not stop waiting")
		}
	})
}
