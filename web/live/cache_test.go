package live

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestCache: a value is kept for a second, and is made anew when somebody asks after that; one that takes long is made in
// the background, fifty times as seldom.
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
		time.Sleep(time.Hour)
		want("old, while a new one is made", 3, 0)
		time.Sleep(takes)
		synctest.Wait()
		want("made meanwhile", 4, 0)
	})
}

// TestCacheTend: while nobody asks, a value is made as seldom as its price allows.
func TestCacheTend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = time.Second
		made := 0
		c := Cache[int]{Make: func() *int {
			time.Sleep(takes)
			made++
			return new(made)
		}}
		c.Tend()
		if made != 1 {
			t.Fatalf("%d values", made)
		}
		time.Sleep(tendShare*takes - takes - 1) // it began a second ago
		if c.Tend(); made != 1 {
			t.Error("made too early")
		}
		time.Sleep(time.Nanosecond)
		if c.Tend(); made != 2 {
			t.Error("not made")
		}
		began := time.Now()
		if got, err := c.Get(t.Context()); err != nil || *got != 2 || time.Since(began) != 0 {
			t.Errorf("%v, %v after %v", got, err, time.Since(began))
		}
	})
}

// TestCacheWaits: who gives up gets an error, and the value is made once for all who wait.
func TestCacheWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		c := Cache[int]{Make: func() *int {
			time.Sleep(time.Second)
			made++
			return new(made)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.Get(ctx); err == nil {
			t.Error("no error where the caller gave up")
		}
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() { _, _ = c.Get(t.Context()) })
		}
		group.Wait()
		if made != 1 {
			t.Errorf("made %d times", made)
		}
	})
}
