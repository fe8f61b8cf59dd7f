package live

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestCache: a value is kept for a second, and is made anew when somebody asks after that; one that takes long is made in
// the background, fifty times as seldom, unless it is too old to be of use.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, takes := 0, time.Duration(0)
		c := Cache[int]{Make: func() *int {
			time.Sleep(takes)
			made++
			return new(made)
		}}
		want := func(what string, value int, wait time.Duration) {
			t.Helper()
			began := time.Now()
			got, err := c.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if *got != value || time.Since(began) != wait {
				t.Errorf("%s: value %d after %v, want %d after %v", what, *got, time.Since(began), value, wait)
			}
			synctest.Wait()
		}
		want("the first", 1, 0)
		time.Sleep(minAge - 1)
		want("within a second", 1, 0)
		takes = time.Second
		time.Sleep(time.Nanosecond)
		want("after a second", 2, takes)
		time.Sleep((restShare-1)*time.Second - 1) // it began a second ago
		want("while it rests", 2, 0)
		time.Sleep(time.Nanosecond)
		want("when it has rested", 2, 0)
		time.Sleep(takes)
		synctest.Wait()
		want("made in the background", 3, 0)
		time.Sleep(maxAge)
		want("too old", 4, takes)
		c.Forget()
		if c.Known() {
			t.Error("it is known when it was forgotten")
		}
		want("forgotten", 5, takes)
		ctx, cancel := context.WithTimeout(t.Context(), takes/2)
		defer cancel()
		c.Forget()
		if _, err := c.Get(ctx); err == nil {
			t.Error("no error where the caller gave up")
		}
		want("made though the first who asked gave up", 6, takes/2)
		var group sync.WaitGroup
		c.Forget()
		for range 3 {
			group.Go(func() { _, _ = c.Get(t.Context()) })
		}
		group.Wait()
		want("made once for all who wait", 7, 0)
	})
}
