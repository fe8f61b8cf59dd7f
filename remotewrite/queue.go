package remotewrite

import (
	"context"
	"sync"
)

// batch is a request in the queue.
type batch struct {
	request

	round uint64
}

// queue holds batches between rounds and shards. It is bounded in bytes; one batch always fits.
//
// Batches of one round may be sent in any order, since a round holds each series once. Those of the next round wait
// until all of the round before are done. So the samples of a series arrive in order, with any number of shards.
type queue struct {
	capacity int // bytes
	metrics  *metrics

	mu       sync.Mutex
	changed  sync.Cond // on mu: anything below has changed, or a context is done
	waiting  []*batch
	bytes    int    // of waiting
	inFlight int    // batches that shards have taken and not finished
	round    uint64 // of the batches in flight
	closed   bool
	free     [][]byte // buffers for bodies
}

func newQueue(capacity int, m *metrics) *queue {
	q := &queue{capacity: capacity, metrics: m}
	q.changed.L = &q.mu
	return q
}

// lockWhen takes the lock as soon as ready, which is called with the lock held, returns true, or when ctx is done.
// It reports whether it had to wait.
func (q *queue) lockWhen(ctx context.Context, ready func() bool) (waited bool) {
	wake := func() {
		q.mu.Lock() // so that it comes before the check of ctx below, or after Wait began
		defer q.mu.Unlock()
		q.changed.Broadcast()
	}
	defer context.AfterFunc(ctx, wake)()
	q.mu.Lock()
	for !ready() && ctx.Err() == nil {
		waited = true
		q.changed.Wait()
	}
	return waited
}

// push adds a batch. It waits for room until ctx is done; then it drops the oldest batches to make room. It reports
// whether it had to wait, and how many samples were dropped.
func (q *queue) push(ctx context.Context, b *batch) (waited bool, dropped int) {
	fits := func() bool { return len(q.waiting) == 0 || q.bytes+cap(b.body) <= q.capacity }
	waited = q.lockWhen(ctx, fits)
	defer q.mu.Unlock()
	for !fits() {
		dropped += q.dropOldest(reasonQueueFull)
	}
	q.waiting = append(q.waiting, b)
	q.bytes += cap(b.body)
	q.metrics.queued(b, +1, q.bytes)
	q.changed.Broadcast()
	return waited, dropped
}

func (q *queue) takeOldest() *batch {
	b := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	q.bytes -= cap(b.body)
	return b
}

// dropOldest drops the oldest batch and returns the number of its samples.
func (q *queue) dropOldest(reason string) int {
	b := q.takeOldest()
	q.metrics.queued(b, -1, q.bytes)
	q.metrics.dropped(&b.counts, reason)
	q.reuse(b)
	return b.counts.samples()
}

// pop waits for a batch that may be sent. It returns nil when ctx is done, or when the queue is closed and empty.
func (q *queue) pop(ctx context.Context) *batch {
	q.lockWhen(ctx, func() bool {
		if len(q.waiting) == 0 {
			return q.closed
		}
		return q.inFlight == 0 || q.waiting[0].round == q.round
	})
	defer q.mu.Unlock()
	if ctx.Err() != nil || len(q.waiting) == 0 {
		return nil
	}
	b := q.takeOldest()
	q.inFlight++
	q.round = b.round
	q.metrics.queueBytes.Set(float64(q.bytes))
	q.changed.Broadcast()
	return b
}

// done gives back a batch that pop returned.
func (q *queue) done(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inFlight--
	q.metrics.queued(b, -1, q.bytes)
	q.reuse(b)
	q.changed.Broadcast()
}

// close lets pop return nil once the queue is empty.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// dropAll drops all waiting batches and returns the number of their samples.
func (q *queue) dropAll() (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 {
		dropped += q.dropOldest(reasonStopped)
	}
	return dropped
}

// reuse keeps the body of a batch for another one. The caller holds the lock.
func (q *queue) reuse(b *batch) {
	const maxFree = 16
	if len(q.free) < maxFree {
		q.free = append(q.free, b.body[:0])
	}
	b.body = nil
}

// buffer returns an empty buffer for a body, or nil.
func (q *queue) buffer() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := len(q.free) - 1
	if last < 0 {
		return nil
	}
	b := q.free[last]
	q.free[last] = nil
	q.free = q.free[:last]
	return b
}
