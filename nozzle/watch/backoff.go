package watch

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spaces attempts to connect: each wait is up to twice as long as the one before, up to a cap, and half of it is
// random, so that many exporters do not return at once.
type Backoff struct {
	First, Limit time.Duration
	failures     int
}

// next is the time to wait before the next attempt.
func (b *Backoff) Next() time.Duration {
	d := b.Limit
	if shift := b.failures; shift < 32 && b.First<<shift < b.Limit {
		d = b.First << shift
	}
	b.failures++
	return d/2 + rand.N(d/2+1) //nolint:gosec // it spreads attempts, and guards nothing
}

// reset begins anew, after an attempt that succeeded.
func (b *Backoff) Reset() { b.failures = 0 }

// wait sleeps, and says whether the time passed before ctx was done.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
