package remotewrite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// sender is what the shards share: each takes batches from the queue and sends them until they are accepted, refused
// or dropped.
type sender struct {
	client   *client
	options  *Options
	queue    *queue
	metrics  *metrics
	report   *reporter
	receiver *receiverState
	stopping <-chan struct{} // closed when there is no time for long waits

	mu        sync.Mutex
	sent      int64 // highest timestamp that was accepted or refused
	abandoned int   // samples that were being sent at the end
}

// run sends batches until ctx is done, or the queue is closed and empty.
func (s *sender) run(ctx context.Context) {
	for b := s.queue.pop(ctx); b != nil; b = s.queue.pop(ctx) {
		s.deliver(ctx, b.request)
		s.queue.done(b)
	}
}

// deliver sends a request until all that it holds is accepted, refused or, when ctx is done, dropped, and counts that.
func (s *sender) deliver(ctx context.Context, r request) {
	if r.v2 && !s.receiver.takesV2() && !s.convert(&r) {
		return
	}
	a := s.sendUntilAnswered(ctx, &r)
	switch a.verdict {
	case accepted:
		s.accept(&r, &a)
	case retryable:
		s.metrics.dropped(&r.counts, reasonStopped)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.abandoned += r.counts.samples()
	case tooLarge:
		s.split(ctx, &r, &a)
	case notV2:
		if !s.receiver.auto {
			a.err = fmt.Errorf("%w: the receiver does not take 2.0, set remote_write.protocol to \"1.0\" or to auto", a.err)
			s.refuse(&r, &a)
			return
		}
		if !s.receiver.v1.Swap(true) {
			s.report.usesV1(a.err)
		}
		s.deliver(ctx, r)
	case refused:
		if a.confirmed {
			s.accept(&r, &a) // the receiver has stored the rest
			return
		}
		s.refuse(&r, &a)
	}
}

// sendUntilAnswered sends a request until the receiver has decided about it, or ctx is done.
func (s *sender) sendUntilAnswered(ctx context.Context, r *request) answer {
	backoff := s.options.MinBackoff
	for {
		start := time.Now()
		a := s.client.send(ctx, r)
		s.metrics.duration.Observe(time.Since(start).Seconds())
		s.metrics.bytes.Add(float64(len(r.body)))
		if a.verdict != retryable {
			return a
		}
		wait := max(backoff, a.retryAfter)
		if ctx.Err() == nil {
			s.report.retrying(a.reason, a.err, wait)
		}
		if !s.pause(ctx, wait) {
			return a
		}
		s.metrics.retried(&r.counts)
		backoff = min(2*backoff, s.options.MaxBackoff)
	}
}

// pause waits, and says whether to go on. The start of the stop ends the wait, so that a receiver that is back gets
// the request.
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
	errExemplars = errors.New("the receiver says that it has not written all exemplars: if it never does, " +
		"switch remote_write.send_exemplars off")
)

// accept counts a request of which all, or what a confirmed answer says, was stored.
func (s *sender) accept(r *request, a *answer) {
	taken := r.counts
	if a.confirmed {
		for c := range taken {
			taken[c] = min(taken[c], a.written[c])
		}
	}
	lost := r.counts.minus(taken)
	s.metrics.taken(&taken)
	s.metrics.refused(&lost)
	s.advance(r)
	if n := lost[contentExemplars]; n > 0 {
		s.report.lost(reasonExemplars, cmp.Or(a.err, errExemplars), n, nil)
	}
	if n := lost.samples(); n > 0 {
		s.report.lost(reasonPartial, cmp.Or(a.err, errPartial), n, a.series)
	} else {
		s.report.recovered()
	}
}

// refuse counts a request of which nothing was stored, as far as is known.
func (s *sender) refuse(r *request, a *answer) {
	s.metrics.refused(&r.counts)
	s.advance(r)
	s.report.lost(a.reason, a.err, r.counts.samples()+r.counts[contentMetadata], a.series)
}

// advance notes that the samples of a request are not late any more.
func (s *sender) advance(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.counts.samples() > 0 && r.timestamp > s.sent {
		s.sent = r.timestamp
		s.metrics.highestSent.Set(seconds(r.timestamp))
	}
}

// split sends the halves of a request that is too large, and has later requests made smaller. It stops at a 64th of
// max_samples_per_send, since a receiver that refuses everything in this way would get a request for each sample.
func (s *sender) split(ctx context.Context, r *request, a *answer) {
	if r.entries/2 < s.receiver.minEntries {
		s.refuse(r, a)
		return
	}
	left, right, err := r.halve()
	if err != nil {
		s.refuse(r, &answer{reason: reasonRefused, err: err})
		return
	}
	s.receiver.limitEntries(r.entries / 2)
	s.deliver(ctx, left)
	s.deliver(ctx, right)
}

// convert makes a request one of 1.0. It returns false if nothing of it is left to send.
func (s *sender) convert(r *request) bool {
	before := *r
	natives := !s.receiver.victoriaMetrics.Load() || !s.options.SendClassicHistograms
	if err := r.toV1(natives); err != nil {
		s.refuse(&before, &answer{reason: reasonRefused, err: err})
		return false
	}
	leftOut := before.counts.minus(r.counts)
	s.metrics.refused(&leftOut)
	return r.entries > 0
}
