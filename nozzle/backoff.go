package nozzle

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spaces attempts to connect: each wait is up to twice as long as the one before, up to a cap, and half of it is
// random, so that many exporters do not return at once.
type backoff struct {
	first, limit time.Duration
	failures     int
}

// next is the time to wait before the next attempt.
func (b *backoff) next() time.Duration {
	d := b.limit
	if shift := b.failures; shift < 32 && b.first<<shift < b.limit {
		d = b.first << shift
	}
	b.failures++
	return d/2 + rand.N(d/2+1) //nolint:gosec // it spreads attempts, and guards nothing
}

// reset begins anew, after an attempt that succeeded.
func (b *backoff) reset() { b.failures = 0 }

// wait sleeps, and says whether the time passed before ctx was done.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
