package live

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Cache keeps something that takes long to make. It is renewed while somebody asks for it, and else by Tend.
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
	// minAge is how old a value must be to be made anew. Values that are asked for are made as often as takes no more than
	// one part in restShare of one core, others one part in tendShare.
	minAge    = time.Second
	restShare = 50
	tendShare = 500
	// quick is how long making a value may take to be waited for where there is an older one.
	quick = 20 * time.Millisecond
)

// Get returns the value, as it was at most some seconds before the call, or the one before, or the last Tend. Where
// making it takes long the next one is made in the background. It fails only where ctx is done: the value is made all
// the same, for who asks next.
func (c *Cache[T]) Get(ctx context.Context) (*T, error) {
	now := c.current.Load()
	switch {
	case now == nil:
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

// Tend makes a value if there is none, or the last one may be renewed though nobody asks. It returns when it is made.
func (c *Cache[T]) Tend() {
	if now := c.current.Load(); now == nil || time.Since(now.began) >= tendShare*now.took {
		<-c.start()
	}
}

// Made reports whether there is a value.
func (c *Cache[T]) Made() bool { return c.current.Load() != nil }

// wait waits for a value that is made now.
func (c *Cache[T]) wait(ctx context.Context) (*T, error) {
	select {
	case <-c.start():
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return c.current.Load().value, nil
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
