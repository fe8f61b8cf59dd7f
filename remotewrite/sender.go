package remotewrite

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/klauspost/compress/snappy"
)

// sender is what the shards do: it takes batches from the queue and sees each of them to its end.
type sender struct {
	client                 *client
	queue                  *queue
	metrics                *metrics
	report                 *reporter
	minBackoff, maxBackoff time.Duration
	stopping               <-chan struct{} // closed when there is no more time for long waits
	halvings               *budget

	mu        sync.Mutex
	sent      int64 // highest timestamp that the receiver took
	abandoned int   // samples under way at the end
}

// request is a batch, or what is left of one.
type request struct {
	body      []byte
	content   content
	count     int
	timestamp int64
}

// run sends batches until ctx is done, or the queue is closed and empty.
func (s *sender) run(ctx context.Context) {
	for b := s.queue.pop(ctx); b != nil; b = s.queue.pop(ctx) {
		s.deliver(ctx, request{b.body, b.content, b.count, b.timestamp})
		s.queue.done(b)
	}
}

// deliver brings every entry of a request to its end: taken, refused or, when ctx is done, dropped.
func (s *sender) deliver(ctx context.Context, r request) {
	a := s.settle(ctx, &r)
	switch a.verdict {
	case accepted:
		s.accept(&r, &a)
	case retryable:
		s.abandon(&r)
	case malformed:
		if r.content == contentSamples && a.written > 0 {
			s.accept(&r, &a) // it has stored what was right
			return
		}
		s.search(ctx, &r, &a)
	case rejected:
		s.refuse(&r, a.reason, a.err, "")
	}
}

func (s *sender) abandon(r *request) {
	s.metrics.dropped(r.content, r.count, reasonStopped)
	if r.content == contentSamples {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.abandoned += r.count
	}
}

// settle sends a request until the receiver has decided, or ctx is done.
func (s *sender) settle(ctx context.Context, r *request) answer {
	backoff := s.minBackoff
	for {
		start := time.Now()
		a := s.client.send(ctx, r.body, r.content)
		s.metrics.duration.Observe(time.Since(start).Seconds())
		s.metrics.bytes.Add(float64(len(r.body)))
		if a.verdict != retryable {
			return a
		}
		wait := max(backoff, a.wait)
		if ctx.Err() == nil {
			s.report.retrying(a.reason, a.err, wait)
		}
		if !s.pause(ctx, wait) {
			return a
		}
		s.metrics.repeated(r.content, r.count)
		backoff = min(2*backoff, s.maxBackoff)
	}
}

// pause waits, and says whether to go on. The start of the stop ends the wait: a receiver that has come back gets its last chance.
func (s *sender) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	stopping := s.stopping
	select {
	case <-stopping:
		stopping = nil // the stop began before
	default:
	}
	select {
	case <-timer.C:
	case <-stopping:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

var errPartial = errors.New("the receiver says that it has not written all samples")

func (s *sender) accept(r *request, a *answer) {
	taken := r.count
	if r.content == contentSamples && a.written >= 0 {
		taken = min(taken, a.written)
	}
	s.metrics.taken(r.content, taken)
	if taken < r.count {
		s.metrics.refused(r.content, r.count-taken)
		s.report.lost(reasonPartial, cmp.Or(a.err, errPartial), r.count-taken, "")
	} else {
		s.report.works()
	}
	if r.content != contentSamples {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.timestamp > s.sent {
		s.sent = r.timestamp
		s.metrics.highestSent.Set(seconds(r.timestamp))
	}
}

func (s *sender) refuse(r *request, reason string, err error, which string) {
	s.metrics.refused(r.content, r.count)
	s.report.lost(reason, err, r.count, which)
}

// search halves a request until what the receiver refuses is found, so that the rest arrives. A receiver that has stored the good
// entries at once gets them again, which changes nothing: they are the same. As each bad entry costs some twenty requests, their
// number is limited.
func (s *sender) search(ctx context.Context, r *request, a *answer) {
	plain, err := snappy.Decode(nil, r.body)
	if err != nil {
		s.refuse(r, a.reason, a.err, "")
		return
	}
	if r.count == 1 {
		s.refuse(r, a.reason, a.err, describe(plain, s.client.v2))
		return
	}
	left, right, err := halve(plain, r.count)
	if err != nil || !s.halvings.take() {
		s.refuse(r, a.reason, a.err, "")
		return
	}
	half := request{body: snappy.Encode(nil, left), content: r.content, count: r.count / 2, timestamp: r.timestamp}
	s.deliver(ctx, half)
	half.body, half.count = snappy.Encode(nil, right), r.count-r.count/2
	s.deliver(ctx, half)
}

// budget limits how often something may happen in every period.
type budget struct {
	most   int
	period time.Duration

	mu   sync.Mutex
	left int
	ends time.Time
}

func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); !now.Before(b.ends) {
		b.left, b.ends = b.most, now.Add(b.period)
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

func seconds(milliseconds int64) float64 { return math.Round(float64(milliseconds)) / 1000 }
