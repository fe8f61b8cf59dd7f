package api

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// waiting is a gate for answers that take time by waiting.
func waiting(b budget) *gate {
	g, began := newGate(b), time.Now()
	g.used = func() time.Duration { return time.Since(began) }
	return g
}

// work uses a processor for some time.
func work(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for end := used() + d; used() < end; {
	}
}

// TestUsed: an answer is charged for what it uses of a processor, not for what it waits for.
func TestUsed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere it is charged for all of its time")
	}
	g := newGate(usual)
	_, release, err := g.admit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := g.tokens.Tokens()
	other := make(chan struct{})
	go func() {
		work(200 * time.Millisecond)
		close(other)
	}()
	<-other
	work(20 * time.Millisecond)
	release()
	if took := before - g.tokens.Tokens(); took < 10_000 || took > 200_000 {
		t.Errorf("charged for %v us", took)
	}
}

// TestBudget lets ten clients ask without a pause, for answers that take 50 ms each.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := waiting(usual)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var took atomic.Int64
		var refused, atOnce, most atomic.Int32
		var clients sync.WaitGroup
		for range 10 {
			clients.Go(func() {
				for ctx.Err() == nil {
					_, release, err := g.admit(ctx)
					if err != nil {
						refused.Add(1)
						continue
					}
					most.Store(max(most.Load(), atOnce.Add(1)))
					time.Sleep(50 * time.Millisecond)
					took.Add(int64(50 * time.Millisecond))
					atOnce.Add(-1)
					release()
				}
			})
		}
		clients.Wait()
		// A second was saved, a twentieth of the time comes on top, and the answers that had their turn already,
		// one a client, may be over.
		if total := time.Duration(took.Load()); total < 4*time.Second || total > 4500*time.Millisecond {
			t.Errorf("answers took %v of a minute", total)
		}
		if most.Load() != 2 {
			t.Errorf("%d answers at once", most.Load())
		}
		// Each refusal took a second of waiting.
		if n := refused.Load(); n < 100 || n > 610 {
			t.Errorf("%d refusals", n)
		}
	})
}

func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := waiting(budget{
			share: time.Second, saved: time.Second, atOnce: 1, waiting: 1, patience: time.Second, timeout: time.Minute,
		})
		answering, release, err := g.admit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if deadline, ok := answering.Deadline(); !ok || time.Until(deadline) != time.Minute {
			t.Error(deadline, ok)
		}
		// The second waits and loses patience, the third finds no place to wait.
		second := make(chan error)
		go func() {
			_, _, err := g.admit(t.Context())
			second <- err
		}()
		synctest.Wait()
		began := time.Now()
		if _, _, err := g.admit(t.Context()); !isType(err, ErrorUnavailable) || time.Since(began) != 0 {
			t.Error(err, time.Since(began))
		}
		if err := <-second; !isType(err, ErrorUnavailable) || time.Since(began) != time.Second {
			t.Error(err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := g.admit(ctx); !isType(err, ErrorTimeout) {
			t.Error(err)
		}
		release()
		if answering.Err() == nil {
			t.Error("the answer's context outlives it")
		}
		_, release, err = g.admit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release()
	})
}

// TestShared: an answer is charged for what it needs alone.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := waiting(usual)
		for range 20 {
			ctx, release, err := g.admit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := shared(ctx, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Millisecond)
			release()
		}
		// Of the second that was saved 20 times 30 ms are gone, but for what came on top in 20 s.
		if left := g.tokens.Tokens(); left < 0.95*float64(usual.saved.Microseconds()) {
			t.Errorf("%v us are left", left)
		}
	})
	if _, err := shared(t.Context(), func(context.Context) (int, error) { return 0, nil }); err != nil { // not admitted
		t.Error(err)
	}
}
