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

// run sends batches until ctx is done, or the queue is closed and empty.
func (s *sender) run(ctx context.Context) {
	for b := s.queue.pop(ctx); b != nil; b = s.queue.pop(ctx) {
		s.deliver(ctx, b.request)
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
		if a.confirmed && a.written.samples() > 0 {
			s.accept(&r, &a) // it has stored what was right
			return
		}
		s.search(ctx, &r, &a)
	case rejected:
		s.refuse(&r, a.reason, a.err, "")
	}
}

func (s *sender) abandon(r *request) {
	s.metrics.dropped(&r.counts, reasonStopped)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned += r.counts.samples()
}

// settle sends a request until the receiver has decided, or ctx is done.
func (s *sender) settle(ctx context.Context, r *request) answer {
	backoff := s.minBackoff
	for {
		start := time.Now()
		a := s.client.send(ctx, r.body)
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
		s.metrics.repeated(&r.counts)
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

var (
	errPartial   = errors.New("the receiver says that it has not written all samples")
	errExemplars = errors.New("the receiver says that it has not written all exemplars: if it never does, switch remote_write.send_exemplars off")
)

func (s *sender) accept(r *request, a *answer) {
	taken, lost := r.counts, tally{}
	if a.confirmed {
		for c := range taken {
			taken[c] = min(taken[c], a.written[c])
			lost[c] = r.counts[c] - taken[c]
		}
	}
	s.metrics.taken(&taken)
	s.metrics.refused(&lost)
	if n := lost[contentExemplars]; n > 0 {
		s.report.lost(reasonExemplars, cmp.Or(a.err, errExemplars), n, "")
	}
	if n := lost.samples(); n > 0 {
		s.report.lost(reasonPartial, cmp.Or(a.err, errPartial), n, "")
	} else {
		s.report.works()
	}
	if taken.samples() == 0 {
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
	s.metrics.refused(&r.counts)
	s.report.lost(reason, err, r.entries, which)
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
	if r.entries == 1 {
		s.save(ctx, r, a, plain)
		return
	}
	left, right, err := halve(plain, r.entries)
	if err != nil || !s.halvings.take() {
		s.refuse(r, a.reason, a.err, "")
		return
	}
	s.deliver(ctx, request{snappy.Encode(nil, left), r.entries / 2, tallyOf(left, s.client.v2), r.timestamp})
	s.deliver(ctx, request{snappy.Encode(nil, right), r.entries - r.entries/2, tallyOf(right, s.client.v2), r.timestamp})
}

// save does what is left to do for the one entry that a receiver refuses: it may be the exemplars only that it does not like.
func (s *sender) save(ctx context.Context, r *request, a *answer, plain []byte) {
	if r.counts[contentExemplars] == 0 {
		s.refuse(r, a.reason, a.err, describe(plain, s.client.v2))
		return
	}
	lost := *r
	lost.counts = tally{contentExemplars: r.counts[contentExemplars]}
	bare := *r
	bare.counts[contentExemplars] = 0
	bare.body = snappy.Encode(nil, withoutExemplars(plain, s.client.v2))
	s.deliver(ctx, bare)
	s.refuse(&lost, reasonExemplars, a.err, describe(plain, s.client.v2))
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
