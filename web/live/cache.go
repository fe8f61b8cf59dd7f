package live

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Cache keeps something that takes long to make, and renews it only while somebody asks for it: who asks after a pause
// waits until it is made.
type Cache[T any] struct {
	// Make makes a value. It is called by one goroutine at a time, and ends by itself, soon.
	Make func() *T

	current atomic.Pointer[made[T]]

	mu     sync.Mutex
	making chan struct{} // closed when the value is there that is being made; nil if none is
}

type made[T any] struct {
	value *T
	began time.Time
	took  time.Duration
}

const (
	// minAge is how old a value must be to be made anew, and maxAge how old one may be to be of use. In between, values
	// are made as often as takes no more than one part in restShare of one core.
	minAge    = time.Second
	maxAge    = 2 * time.Minute
	restShare = 50
	// quick is how long making a value may take to be waited for where there is an older one.
	quick = 20 * time.Millisecond
)

// Get returns the value, as it was at most some seconds before the call or the one before. Where making it takes long
// the next one is made in the background. It fails only where ctx is done: the value is made all the same, for who asks
// next.
func (c *Cache[T]) Get(ctx context.Context) (*T, error) {
	now := c.current.Load()
	switch {
	case now == nil, time.Since(now.began) > maxAge:
		return c.wait(ctx)
	case time.Since(now.began) < max(minAge, restShare*now.took):
		return now.value, nil
	case now.took <= quick:
		return c.wait(ctx)
	default:
		c.start()
		return now.value, nil
	}
}

// Forget drops the value.
func (c *Cache[T]) Forget() { c.current.Store(nil) }

// Known reports whether there is a value.
func (c *Cache[T]) Known() bool { return c.current.Load() != nil }

// wait waits for a value that is made now.
func (c *Cache[T]) wait(ctx context.Context) (*T, error) {
	select {
	case <-c.start():
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if now := c.current.Load(); now != nil {
		return now.value, nil
	}
	return c.wait(ctx) // it was forgotten meanwhile
}

// start lets a value be made, unless one is being made. The channel is closed when it is there.
func (c *Cache[T]) start() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.making != nil {
		return c.making
	}
	done := make(chan struct{})
	c.making = done
	go func() {
		began := time.Now()
		value := c.Make()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.current.Store(&made[T]{value, began, time.Since(began)})
		c.making = nil
		close(done)
	}()
	return done
}
