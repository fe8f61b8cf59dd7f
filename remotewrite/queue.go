package remotewrite

import (
	"context"
	"sync"
)

// content is one of the things that requests hold.
type content uint8

const (
	contentSamples content = iota
	contentHistograms
	contentExemplars
	contentMetadata // never beside others
	numContents
)

// tally counts what a request holds.
type tally [numContents]int

// samples are those of both kinds.
func (t *tally) samples() int { return t[contentSamples] + t[contentHistograms] }

// request is what a message became, or a part of it.
type request struct {
	body      []byte // compressed
	entries   int    // time series, or families of metadata
	counts    tally
	timestamp int64 // of its samples, milliseconds
}

// batch is a request on its way.
type batch struct {
	request

	round uint64
}

// queue holds batches between the rounds and the shards. It is bounded in bytes; one batch always fits.
//
// Batches of one round may be sent in any order, since a round holds every series once; those of the next one wait until all
// of the round before are done with. So the samples of a series arrive in order, however many shards there are, and whichever batch
// the series is in.
type queue struct {
	capacity int
	metrics  *metrics

	mu      sync.Mutex
	waiting []*batch
	bytes   int
	flying  int    // batches that shards have taken and are not done with
	round   uint64 // of these
	closed  bool
	changed chan struct{} // closed and replaced when something changes
	spare   [][]byte
}

func newQueue(capacity int, m *metrics) *queue {
	return &queue{capacity: capacity, metrics: m, changed: make(chan struct{})}
}

// notify wakes all who wait. The caller holds the lock.
func (q *queue) notify() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// push adds a batch. It waits for room until ctx is done; then the oldest batches make room. It says whether it had to wait, and
// how many samples were dropped.
func (q *queue) push(ctx context.Context, b *batch) (waited bool, dropped int) {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 || q.bytes+cap(b.body) <= q.capacity {
			q.add(b)
			q.mu.Unlock()
			return waited, 0
		}
		changed := q.changed
		q.mu.Unlock()
		waited = true
		select {
		case <-changed:
		case <-ctx.Done():
			return waited, q.force(b)
		}
	}
}

func (q *queue) force(b *batch) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 && q.bytes+cap(b.body) > q.capacity {
		dropped += q.dropFirst(reasonQueueFull)
	}
	q.add(b)
	return dropped
}

func (q *queue) add(b *batch) {
	q.waiting = append(q.waiting, b)
	q.bytes += cap(b.body)
	q.metrics.queued(b, +1, q.bytes)
	q.notify()
}

func (q *queue) takeFirst() *batch {
	b := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	q.bytes -= cap(b.body)
	return b
}

// dropFirst drops the oldest batch, and returns how many samples it held.
func (q *queue) dropFirst(reason string) int {
	b := q.takeFirst()
	q.metrics.queued(b, -1, q.bytes)
	q.metrics.dropped(&b.counts, reason)
	q.recycle(b)
	return b.counts.samples()
}

// pop waits for a batch whose turn it is. It returns nil when ctx is done, or when the queue is closed and empty.
func (q *queue) pop(ctx context.Context) *batch {
	for ctx.Err() == nil {
		q.mu.Lock()
		if len(q.waiting) > 0 && (q.flying == 0 || q.waiting[0].round == q.round) {
			b := q.takeFirst()
			q.flying++
			q.round = b.round
			q.metrics.queueBytes.Set(float64(q.bytes))
			q.notify()
			q.mu.Unlock()
			return b
		}
		over, changed := q.closed && len(q.waiting) == 0, q.changed
		q.mu.Unlock()
		if over {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// done gives back a batch that pop returned.
func (q *queue) done(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flying--
	q.metrics.queued(b, -1, q.bytes)
	q.recycle(b)
	q.notify()
}

// close lets pop return nil once everything is taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.notify()
}

// abandon drops what waits, and returns how many samples that were.
func (q *queue) abandon() (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 {
		dropped += q.dropFirst(reasonStopped)
	}
	return dropped
}

const maxSpare = 16

// recycle keeps the memory of a batch for another. The caller holds the lock.
func (q *queue) recycle(b *batch) {
	if len(q.spare) < maxSpare {
		q.spare = append(q.spare, b.body[:0])
	}
	b.body = nil
}

// buffer returns memory for a batch, or nil.
func (q *queue) buffer() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.spare)
	if n == 0 {
		return nil
	}
	b := q.spare[n-1]
	q.spare[n-1] = nil
	q.spare = q.spare[:n-1]
	return b
}
