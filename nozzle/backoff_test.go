package nozzle

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoffGrowsToItsLimit(t *testing.T) {
	b := backoff{first: time.Second, limit: 10 * time.Second}
	for round := range 2 {
		for i, most := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
			if d := b.next(); d < most/2 || d > most {
				t.Fatalf("round %d, wait %d: %v, want half of %v to all of it", round, i, d, most)
			}
		}
		b.reset()
	}
	b.failures = 1 << 40
	if d := b.next(); d > 10*time.Second {
		t.Fatalf("%v after many failures", d)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !wait(t.Context(), time.Hour) || time.Since(began) != time.Hour {
			t.Fatal("did not wait")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if wait(ctx, time.Hour) || time.Since(began) != time.Hour+time.Minute {
			t.Fatal("did not stop waiting")
		}
	})
}
